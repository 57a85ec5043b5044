__version__ = "0.1.0"

import os

# Threads that wait for others of a parallel region spin, by default for long. On a machine that does other things too, that
# costs speed: with two cores and another busy process, short spins made 8 training steps a second where the default made 6
# (13 on an idle machine, both). It counts where this package is imported before torch.
os.environ.setdefault('GOMP_SPINCOUNT', '1000')
