"""What trained networks of every architecture look like: spatial biases, warp fields, and one texture decoded by each.

    dam_ablate --out OUT --preset study          # trains the runs, among others
    python benchmarks/architecture_looks.py OUT/runs nbs/results

Writes architectures.npz and architectures.json, which 05_architectures shows. The sample: in the middle frame of the
unseen expressions, what the most frontal training camera saw.
"""
import json
from pathlib import Path

import numpy as np, torch
from fastcore.script import call_parse
from multiface_dam.geometry import atomic_path
from multiface_dam.losses import denormalize_texture
from multiface_dam.training import load_run, pick_samples

ARCHS = 'base', 'non', 'res', 'bilinear', 'true_bilinear', 'warp', 'warp_integral'

def colours(tex: torch.Tensor, norm) -> np.ndarray:  # (1,3,T,T) normalised -> (T,T,3) uint8, row 0 is v = 0
    return np.rint(denormalize_texture(tex, norm)[0].clamp(0, 1).permute(1, 2, 0).cpu().numpy()*255).astype(np.uint8)

@torch.no_grad()
def looks(run, arrays: dict) -> tuple:  # the sample, its screen loss
    "Adds what one run shows to `arrays`"
    arch, model = run.config.arch, run.model
    item = next(item for title, item in pick_samples(run) if title.startswith('novel expression'))
    batch = run.to_device(torch.utils.data.default_collate([item]))
    out, losses = run.forward(batch)
    arrays[f'tex_{arch}'] = colours(out.tex, run.norm)
    if arch == 'base':
        for k, layer in enumerate(model.decoder.layers): arrays[f'bias_{k}'] = layer.bias[0].cpu().numpy().astype(np.float16)
        arrays['seen'] = batch['mask'][0, 0].cpu().numpy() > 0
        arrays['truth'] = colours(batch['tex'], run.norm)*arrays['seen'][..., None]
    if out.warp_grid is not None:
        size = model.config.tex_size
        c = (torch.arange(size, device=out.warp_grid.device)*2 + 1)/size - 1
        centres = torch.stack(torch.meshgrid(c, c, indexing='xy'), -1)
        arrays[f'shift_{arch}'] = ((out.warp_grid[0] - centres)*size/2).cpu().numpy().astype(np.float16)   # in texels
        arrays[f'unwarped_{arch}'] = colours(model.color(out.tex_unwarped, batch['cam']), run.norm)        # the colours come after the warp
    return (item['exp'], item['cam_idx'], item['frame']), float(losses.screen)

@call_parse
def main(
    grid: str,            # directory of the study's grid
    out: str,             # directory of the two files
    split: str = 'cam1',
    seed: int = 0,
):
    "Collect the looks of one run of each architecture"
    arrays, screen, samples = {}, {}, set()
    for arch in ARCHS:
        run = load_run(Path(grid)/f'{arch}-{split}-seed{seed}')
        sample, screen[arch] = looks(run, arrays)
        samples.add((*sample, run.iteration))
    if len(samples) > 1: raise SystemExit(f'the runs differ in sample or length: {samples}')
    segment, camera, frame, iterations = samples.pop()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'
    about = dict(about=f'Synthetic quickstart capture, split {split}, seed {seed}, {iterations} iterations each, as trained; {device}, torch {torch.__version__}.',
                 command='python benchmarks/architecture_looks.py OUT/runs nbs/results', sample=dict(segment=segment, camera=camera, frame=frame), iterations=iterations, screen=screen)
    with atomic_path(Path(out)/'architectures.npz') as tmp, open(tmp, 'wb') as f: np.savez_compressed(f, **arrays)
    with atomic_path(Path(out)/'architectures.json') as tmp: Path(tmp).write_text(json.dumps(about, indent=1))
