"Captures on disk. Packs and captures of Ava-256 are layouts that `Capture` opens: they register themselves here"
from . import ava256, pack # noqa: F401
