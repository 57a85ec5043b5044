"""Makes the pictures of README and index from a finished quickstart: python tools/pictures.py QUICKSTART"""
import sys
from pathlib import Path
from PIL import Image
from multiface_dam.data import Capture
from multiface_dam.quickstart import contact_sheet

done, images = Path(sys.argv[1]), Path(__file__).resolve().parent.parent/'nbs'/'images'
images.mkdir(exist_ok=True)
jpeg = dict(quality=88, optimize=True)
contact_sheet(Capture(done/'capture')).savefig(images/'contact_sheet.jpg', dpi=110, pil_kwargs=jpeg)
Image.open(done/'run'/'evaluation'/'adapted.png').convert('RGB').save(images/'sample_sheet.jpg', **jpeg)
for path in sorted(images.iterdir()): print(path.name, Image.open(path).size, f'{path.stat().st_size//1000} kB')
