__version__ = "0.1.0"

import os

# Threads of a parallel region that wait must not spin: on a machine that does other things too, spinning costs most of the
# speed (3 to 4 times with two cores and one other busy process). It counts where this package is imported before torch.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
