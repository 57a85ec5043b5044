"What judges images scores runs along their training, too: `dam_train`, whose --score registers here, is handed on"
from ..training.loop import dam_train # noqa: F401
from . import pairs # noqa: F401
