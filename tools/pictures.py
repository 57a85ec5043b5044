"""Makes the pictures of README and index from a finished quickstart and the committed ablation: python tools/pictures.py [QUICKSTART]"""
import sys
from pathlib import Path
from PIL import Image
from multiface_dam.data import Capture
from multiface_dam.ablation import load_grid, plot_cameras, plot_compare, plot_segments
from multiface_dam.quickstart import contact_sheet

nbs = Path(__file__).resolve().parent.parent/'nbs'
images = nbs/'images'
images.mkdir(exist_ok=True)
jpeg = dict(quality=88, optimize=True)
study = load_grid(nbs/'results'/'ablation_study.npz')
plot_compare(study.only(split='cam1', n_segments=0)).savefig(images/'ablation_architectures.jpg', dpi=100, pil_kwargs=jpeg)
plot_cameras(study, split='cam3').savefig(images/'ablation_cameras.jpg', dpi=100, pil_kwargs=jpeg)
plot_segments(study).savefig(images/'ablation_segments.jpg', dpi=100, pil_kwargs=jpeg)
if sys.argv[1:]:
    done = Path(sys.argv[1])
    contact_sheet(Capture(done/'capture')).savefig(images/'contact_sheet.jpg', dpi=110, pil_kwargs=jpeg)
    Image.open(done/'run'/'evaluation'/'adapted.png').convert('RGB').save(images/'sample_sheet.jpg', **jpeg)
for path in sorted(images.iterdir()): print(path.name, Image.open(path).size, f'{path.stat().st_size//1000} kB')
