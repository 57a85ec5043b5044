"`python -m multiface_dam.training CAPTURE OUT`, and torchrun's way to start `dam_train` on several GPUs"
from multiface_dam.judge import dam_train

if __name__ == '__main__': dam_train()
