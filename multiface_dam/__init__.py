"""Deep appearance models: face meshes and view-dependent textures from multi-view captures.

The names of `__all__` are loaded when they are first used; everything else is in the rooms:
base, rendering, model, capture, synthetic, training, judge, show.
"""
__version__ = "0.1.0"

import importlib
import os
import stat
import tempfile

# Threads that wait for others of a parallel region spin, by default for long. On a machine that does other things too,
# that costs speed: with two cores and another busy process, short spins made 8 training steps a second where the
# default made 6 (13 on an idle machine, both). It counts where this package is imported before torch.
os.environ.setdefault('GOMP_SPINCOUNT', '1000')

def _keep_caches():
    """Where no home is known, or it cannot be written to (a container, a service), caches go to the temporary files

    matplotlib, numba, triton and torch keep theirs at home, and some of them end with a traceback where that fails."""
    home = os.path.expanduser('~')
    known = home != '~'
    if os.name == 'nt' or known and os.access(home, os.W_OK): return
    folder = os.path.join(tempfile.gettempdir(), f'multiface_dam-{os.getuid()}')
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid(): folder = tempfile.mkdtemp()
    except OSError: return    # no temporary files either: it may still do
    if not known: os.environ['HOME'] = folder
    names = dict(XDG_CACHE_HOME='cache', MPLCONFIGDIR='matplotlib', NUMBA_CACHE_DIR='numba', TRITON_CACHE_DIR='triton',
                 TORCHINDUCTOR_CACHE_DIR='inductor')
    for name, own in names.items(): os.environ.setdefault(name, os.path.join(folder, own))

_keep_caches()

_HOME = {
    'Capture': 'capture.capture',
    'CaptureDataset': 'capture.dataset',
    'camera_split': 'capture.dataset',
    'synthesize': 'synthetic.synthetic',
    'ARCHITECTURES': 'model.architectures',
    'build_model': 'model.architectures',
    'load_multiface_checkpoint': 'model.architectures',
    'render': 'rendering.renderer',
    'unwrap_texture': 'rendering.renderer',
    'LossWeights': 'training.losses',
    'TrainConfig': 'training.run',
    'load_run': 'training.run',
    'train': 'training.loop',
    'evaluate': 'judge.evaluation',
    'image_metrics': 'judge.metrics',
    'LossQualityMap': 'judge.quality',
    'run_grid': 'judge.grid',
}
__all__ = list(_HOME)

def __getattr__(name: str):
    "A name of `__all__`, from its module"
    if name not in _HOME: raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = globals()[name] = getattr(importlib.import_module(f'{__name__}.{_HOME[name]}'), name)
    return value

def __dir__() -> list:
    "What is there, and what can be loaded"
    return sorted({*globals(), *__all__})
