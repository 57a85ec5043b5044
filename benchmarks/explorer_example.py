"""The small example that the explorer starts with, from trained runs on one capture.

    python benchmarks/explorer_example.py RUNS OUT.npz

RUNS is what benchmarks/quality_pairs.py left in OUT/runs; all frames' codes are kept, and photos of some frames from the
cameras that see the face from the front, and from the test cameras. The committed multiface_dam/assets/explorer_scene.npz was made like
this, from the runs of the committed quality_pairs.npz; their capture was filmed again on a CPU for its photos.
"""
from pathlib import Path

import numpy as np
from fastcore.script import call_parse
from multiface_dam.ablation import listed
from multiface_dam.explorer import Scene, save_scene, scene_of_runs
from multiface_dam.geometry import plain_errors

def few_photos(scene: Scene, test_segment: str, n_frames: int, n_cameras: int, test_cameras: list) -> dict:
    "Photos of a third of test frames, two thirds of training frames, from frontal cameras and the frontal test cameras"
    is_test = np.array([s.startswith(test_segment) for s, _ in scene.frames])
    spread = lambda rows, n: rows[np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(int))].tolist()
    frames = spread(np.flatnonzero(~is_test), n_frames*2//3) + spread(np.flatnonzero(is_test), n_frames//3)
    off = lambda c: np.hypot(*scene.angles(c))
    cameras = sorted(scene.cameras, key=off)[:n_cameras] + [c for c in test_cameras if off(c) < 60]
    return {k: p for k, p in scene.photos.items() if k[0] in frames and k[1] in cameras}

@call_parse
def main(
    runs: str,                   # directory of runs
    out: str,                    # file to write
    names: str = 'base-cam1-seed0,non-cam1-seed0', # runs, separated by commas
    capture: str = '',           # where the capture is, if not where it was
    n_frames: int = 12,          # with photos
    n_cameras: int = 7,          # frontal ones, besides the test cameras
):
    "Pack the explorer's example"
    with plain_errors():
        scene = scene_of_runs({n: Path(runs)/n for n in listed(names)}, capture or None, max_frames=1000)
        first = scene.model(next(iter(scene.models)))
        scene.photos = few_photos(scene, first.about['test_segments'][0], n_frames, n_cameras, list(first.fits))
        save_scene(out, scene)
        print(f'{out}: {len(scene.models)} models, {len(scene.frames)} frames, {len(scene.photos)} photos, {Path(out).stat().st_size/1e6:.2f} MB')
