"""What trained networks of every architecture look like: spatial biases, warp fields, and one texture decoded by each.

    dam_ablate OUT --preset study                # trains the runs, among others
    python benchmarks/architecture_looks.py OUT/runs nbs/results

Writes architectures.npz and architectures.json, which the notebook `architectures` shows. The sample: in the middle frame
of the unseen expressions, what the most frontal training camera saw.
"""
from pathlib import Path
import numpy as np
import torch
from fastcore.script import call_parse
from multiface_dam.base.files import atomic_path, write_json
from multiface_dam.training.losses import denormalize_texture
from multiface_dam.training.run import load_run, pick_samples

ARCHS = 'base', 'non', 'res', 'bilinear', 'true_bilinear', 'warp', 'warp_integral'

def colours(
    tex: torch.Tensor,  # (1,3,T,T) normalised
    norm,               # `Normalization`
) -> np.ndarray:        # (T,T,3) uint8, row 0 is v = 0
    "A texture as a picture"
    rgb = denormalize_texture(tex, norm)[0].clamp(0, 1).permute(1, 2, 0)
    return np.rint(rgb.cpu().numpy()*255).astype(np.uint8)

def shift_of(
    warp_grid: torch.Tensor,    # (1,T,T,2), -1 to 1
) -> np.ndarray:                # (T,T,2) float16, texels
    "How far a warp field moves each texel"
    size = warp_grid.shape[1]
    c = (torch.arange(size, device=warp_grid.device)*2 + 1)/size - 1
    centres = torch.stack(torch.meshgrid(c, c, indexing='xy'), -1)
    return ((warp_grid[0] - centres)*size/2).cpu().numpy().astype(np.float16)

@torch.no_grad()
def looks(run, arrays: dict) -> tuple:  # the sample, its screen loss
    "Adds what one run shows to `arrays`"
    arch, model = run.config.arch, run.model
    item = next(item for title, item in pick_samples(run) if title.startswith('novel expression'))
    batch = run.to_device(torch.utils.data.default_collate([item]))
    out, losses = run.forward(batch)
    arrays[f'tex_{arch}'] = colours(out.tex, run.norm)
    if arch == 'base':
        for k, layer in enumerate(model.decoder.layers):
            arrays[f'bias_{k}'] = layer.bias[0].cpu().numpy().astype(np.float16)
        arrays['seen'] = batch['mask'][0, 0].cpu().numpy() > 0
        arrays['truth'] = colours(batch['tex'], run.norm)*arrays['seen'][..., None]
    if out.warp_grid is not None:
        arrays[f'shift_{arch}'] = shift_of(out.warp_grid)
        coloured = model.color(out.tex_unwarped, batch['cam'])      # the colours come after the warp
        arrays[f'unwarped_{arch}'] = colours(coloured, run.norm)
    return (item['exp'], item['cam_idx'], item['frame']), float(losses.screen)

@call_parse
def main(
    grid: str,            # folder of the study's runs
    out: str,             # folder of the two files
    split: str = 'cam1',  # of the runs
    seed: int = 0,        # of the runs
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
    about = dict(about=f'Synthetic quickstart capture, split {split}, seed {seed}, {iterations} iterations each, as trained; '
                       f'{device}, torch {torch.__version__}.',
                 command='python benchmarks/architecture_looks.py OUT/runs nbs/results',
                 sample=dict(segment=segment, camera=camera, frame=frame), iterations=iterations, screen=screen)
    with atomic_path(Path(out)/'architectures.npz') as tmp, open(tmp, 'wb') as f: np.savez_compressed(f, **arrays)
    write_json(Path(out)/'architectures.json', about)
