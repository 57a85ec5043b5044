"""The small example that the explorer starts with, from trained runs on one capture.

    python benchmarks/explorer_example.py RUNS OUT.npz

RUNS is what benchmarks/quality_pairs.py left in OUT/runs; all frames' codes are kept, and photos of some frames from
the cameras that see the face from the front, and from the test cameras. The committed
multiface_dam/assets/explorer_scene.npz was made like this, from the runs of the committed quality_pairs.npz; their
capture was filmed again on a CPU for its photos.
"""
from pathlib import Path

import numpy as np
from fastcore.script import call_parse

from multiface_dam.base.files import listed, plain_errors
from multiface_dam.show.explorer import LiveScene, save_scene, scene_of_runs

def spread(rows: np.ndarray, n: int) -> list:
    "At most `n` of them, evenly spaced"
    at = np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(int)
    return rows[np.unique(at)].tolist()

def few_photos(scene: LiveScene, test_segment: str, n_frames: int, n_cameras: int, test_cameras: list) -> dict:
    "Photos of a third of test frames, two thirds of training frames, from frontal cameras and the frontal test cameras"
    is_test = np.array([s.startswith(test_segment) for s, _ in scene.frames])
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    frames = spread(train, n_frames*2//3) + spread(test, n_frames//3)
    def off(camera): return np.hypot(*scene.angles(camera))
    cameras = sorted(scene.cameras, key=off)[:n_cameras] + [c for c in test_cameras if off(c) < 60]
    return {k: p for k, p in scene.photos.items() if k[0] in frames and k[1] in cameras}

@call_parse
def main(
    runs: str,                   # folder of runs
    out: str,                    # file to write
    names: str = 'base-cam1-seed0,non-cam1-seed0', # runs, separated by commas
    capture: str = '',           # folder of their capture, if that is not where it was
    n_frames: int = 12,          # with photos
    n_cameras: int = 7,          # frontal ones, besides the test cameras
):
    "Pack the explorer's example"
    with plain_errors():
        folders = {n: Path(runs)/n for n in listed(names)}
        scene = scene_of_runs(folders, capture or None, max_frames=1000)
        first = scene.model(next(iter(scene.models)))
        scene.photos = few_photos(scene, first.about['test_segments'][0], n_frames, n_cameras, list(first.fits))
        save_scene(out, scene)
        print(f'{out}: {len(scene.models)} models, {len(scene.frames)} frames, {len(scene.photos)} photos, '
              f'{Path(out).stat().st_size/1e6:.2f} MB')
