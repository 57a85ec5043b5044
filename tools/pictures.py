"""Makes the pictures of README and index from a finished quickstart and the committed ablation: python tools/pictures.py [QUICKSTART]"""
import sys, tempfile
from pathlib import Path
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from multiface_dam.data import Capture
from multiface_dam.ablation import load_grid, plot_cameras, plot_compare, plot_segments
from multiface_dam.look import overlay
from multiface_dam.quickstart import contact_sheet
from multiface_dam.synthetic import synthesize

nbs = Path(__file__).resolve().parent.parent/'nbs'
images = nbs/'images'
images.mkdir(exist_ok=True)
jpeg = dict(quality=88, optimize=True)
study = load_grid(nbs/'results'/'ablation_study.npz')
plot_compare(study.only(split='cam1', n_segments=0)).savefig(images/'ablation_architectures.jpg', dpi=100, pil_kwargs=jpeg)
plot_cameras(study, split='cam3').savefig(images/'ablation_cameras.jpg', dpi=100, pil_kwargs=jpeg)
plot_segments(study).savefig(images/'ablation_segments.jpg', dpi=100, pil_kwargs=jpeg)

with tempfile.TemporaryDirectory() as tmp:    # the mesh over photos, as tracked and with a wrong head pose
    smile, front, side = 'E008_Smile_Mouth_Closed', '400029', '400016'
    capture = synthesize(Path(tmp)/'capture', 'tiny', photo=(1024, 667), tex_size=256, paint=1024, cameras=(front, side), segments={smile: 2}, progress=False)
    segment, frame = capture.frames[-1]
    pose, a = capture.read_head_pose(segment, frame), np.deg2rad(5)
    left = pose + np.eye(3, 4, 3)*[[8], [0], [0]]
    turned = np.column_stack([pose[:, :3] @ [[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]], pose[:, 3]])
    fig = Figure(figsize=(11, 3.95), dpi=100)
    for ax, (c, said, head_pose) in zip(fig.subplots(1, 4), ((side, 'as tracked', pose), (front, 'as tracked', pose), (front, '8 mm beside', left), (front, 'turned by 5°', turned))):
        ax.imshow(overlay(capture, segment, frame, c, zoom=True, height=620, head_pose=head_pose, alpha=.5))
        ax.set(xticks=[], yticks=[]); ax.set_title(f'camera {c}, {said}', fontsize=9, color='k' if head_pose is pose else 'tab:red')
    fig.suptitle('Synthetic capture', fontsize=9); fig.tight_layout()
    fig.savefig(images/'look_overlay.jpg', dpi=100, pil_kwargs=jpeg)
if sys.argv[1:]:
    done = Path(sys.argv[1])
    contact_sheet(Capture(done/'capture')).savefig(images/'contact_sheet.jpg', dpi=110, pil_kwargs=jpeg)
    Image.open(done/'run'/'evaluation'/'adapted.png').convert('RGB').save(images/'sample_sheet.jpg', **jpeg)
for path in sorted(images.iterdir()): print(path.name, Image.open(path).size, f'{path.stat().st_size//1000} kB')
