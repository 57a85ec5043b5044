"""Makes pictures of README and of the pages beside it (those of the explorer and the browser: tests/browser.py --shots).

    python tools/pictures.py              the tracked mesh over photos, and the figures of the committed ablation
    python tools/pictures.py head         the head at paper size (two minutes on two CPU cores)
    python tools/pictures.py QUICKSTART   the sample sheet of a finished quickstart
"""
import sys, tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from multiface_dam.base.images import auto_exposure, resize_image, to_display
from multiface_dam.capture.look import overlay
from multiface_dam.synthetic.synthetic import synthesize
from multiface_dam.judge.ablation_figures import plot_cameras, plot_compare, plot_segments
from multiface_dam.judge.grid import load_grid

nbs = Path(__file__).resolve().parent.parent/'nbs'
images = nbs/'images'
jpeg = dict(quality=88, optimize=True)
NEUTRAL, SMILE, ASTONISHED = 'E001_Neutral_Eyes_Open', 'E008_Smile_Mouth_Closed', 'E028_Scream_Eyebrows_Up'

def head(size=(512, 334)):
    "Five cameras, from the left to the right profile, three expressions"
    shown = [('400059', NEUTRAL), ('400026', SMILE), ('400029', ASTONISHED), ('400016', SMILE), ('400042', NEUTRAL)]
    with tempfile.TemporaryDirectory() as tmp:
        segments = {NEUTRAL: 1, SMILE: 2, ASTONISHED: 2}
        capture = synthesize(Path(tmp)/'capture', 'paper', cameras=[c for c, _ in shown], segments=segments)
        last = dict(capture.frames)      # of each segment
        photos = [capture.read_photo(s, c, last[s]) for c, s in shown]
    gain = auto_exposure(np.stack([p[::8, ::8] for p in photos])/255)
    row = [resize_image(np.uint8((to_display(p/255, gain)*255).round()), size) for p in photos]
    Image.fromarray(np.concatenate(row, 1)).save(images/'head.jpg', **dict(jpeg, quality=90))

def ablation():
    "The committed study: architectures, cameras, segments"
    study = load_grid(nbs/'results'/'ablation_study.npz')
    figures = dict(
        architectures=plot_compare(study.only(split='cam1', n_segments=0)),
        cameras=plot_cameras(study, split='cam3'),
        segments=plot_segments(study))
    for name, fig in figures.items(): fig.savefig(images/f'ablation_{name}.jpg', dpi=100, pil_kwargs=jpeg)

def mesh_over_photos():
    "The mesh over photos, as tracked and with a wrong head pose"
    front, side = '400029', '400016'
    with tempfile.TemporaryDirectory() as tmp:
        sizes = dict(photo=(1024, 667), tex_size=256, paint=1024)
        capture = synthesize(Path(tmp)/'capture', 'tiny', cameras=(front, side), segments={SMILE: 2}, progress=False, **sizes)
        segment, frame = capture.frames[-1]
        pose, a = capture.read_head_pose(segment, frame), np.deg2rad(5)
        beside = pose + np.eye(3, 4, 3)*[[8], [0], [0]]
        turn = [[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
        turned = np.column_stack([pose[:, :3] @ turn, pose[:, 3]])
        shown = [
            (side, 'as tracked', pose),
            (front, 'as tracked', pose),
            (front, '8 mm beside', beside),
            (front, 'turned by 5°', turned)]
        fig = Figure(figsize=(11, 3.95), dpi=100)
        for ax, (camera, said, head_pose) in zip(fig.subplots(1, 4), shown):
            ax.imshow(overlay(capture, segment, frame, camera, zoom=True, height=620, head_pose=head_pose, alpha=.5))
            ax.set(xticks=[], yticks=[])
            ax.set_title(f'camera {camera}, {said}', fontsize=9, color='k' if head_pose is pose else 'tab:red')
    fig.suptitle('Synthetic capture', fontsize=9)
    fig.tight_layout()
    fig.savefig(images/'look_overlay.jpg', dpi=100, pil_kwargs=jpeg)

if __name__ == '__main__':
    images.mkdir(exist_ok=True)
    if sys.argv[1:] == ['head']: head()
    elif sys.argv[1:]:
        sheet = Image.open(Path(sys.argv[1])/'run'/'evaluation'/'adapted.png').convert('RGB')
        sheet.save(images/'sample_sheet.jpg', **jpeg)
    else:
        ablation()
        mesh_over_photos()
    for path in sorted(images.iterdir()):
        print(path.name, Image.open(path).size, f'{path.stat().st_size//1000} kB')
