"""Pairs of loss and image quality, from checkpoints along training of several architectures and splits.

    python benchmarks/quality_pairs.py OUT --preset quickstart --archs base,non,warp_integral --splits cam1,cam3 --seeds 0,1

Films a synthetic capture into OUT/synthetic_PRESET (or takes --capture), trains a run for each architecture, split and seed into
OUT/runs, scores the images of the three sets at iterations spaced evenly in the logarithm, and writes OUT/quality_pairs.npz
(`multiface_dam.quality.load_pairs`), which the notebook 09_quality reads from nbs/results. Runs go on in parallel processes;
what is finished is not done again, so the same command completes an interrupted one. A run that fails is named and left out.
"""
import os, sys, time
from concurrent.futures import as_completed
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np, torch
from fastcore.script import call_parse
from multiface_dam.ablation import grid_configs, listed, process_pool
from multiface_dam.geometry import plain_errors
from multiface_dam.losses import LossWeights
from multiface_dam.quality import BASIC, Viewing, has_jod, join_pairs, save_pairs, train_and_score, viewing_of
from multiface_dam.synthetic import synthesize
from multiface_dam.training import Run, TrainConfig, pick_device

def _one(config: TrainConfig, at: tuple, viewing: Viewing, options: dict):
    "One run, in a worker"
    return train_and_score(config, at, viewing, **options)

@call_parse
def main(
    out: str,                            # directory for capture, runs and the table
    capture: str = '',                   # directory of a capture ('': a synthetic one is filmed into OUT/synthetic_PRESET)
    preset: str = 'quickstart',          # of the synthetic capture: tiny, quickstart, study, paper
    archs: str = 'base,non,warp_integral', # architectures, separated by commas
    splits: str = 'cam1,cam3',           # camera splits
    seeds: str = '0,1',                  # of weights and batches
    iterations: int = 2000,              # of training
    checkpoints: int = 10,               # scored iterations, evenly spaced in the logarithm
    earliest: int = 20,                  # the first of them
    max_samples: int = 40,               # images a set
    test_segments: str = 'EXP_ROM',      # segments held out
    n_latent: int = 64,                  # size of the latent code
    batch_size: int = 8,                 # samples a step
    lr: float = 1e-3,                    # learning rate
    tex_size: int = 0,                   # texels a side (0: the capture's or the preset's)
    photo: str = '',                     # HEIGHTxWIDTH of the synthetic capture's photos ('': the preset's)
    examples: int = 3,                   # views a set whose pictures are kept, of the runs with the first split and seed
    example_height: int = 256,           # pixels
    megabytes: float = 8.,               # greatest size of the table with its pictures
    jod: str = 'auto',                   # auto (where ColorVideoVDP is there), yes, no
    workers: int = 0,                    # processes (0: one a core, 32 at most)
    device: str = 'auto',                # auto, cpu, cuda
):
    "Train, score, and collect pairs of loss and quality"
    with plain_errors():
        if jod not in ('auto', 'yes', 'no'): raise ValueError(f"jod: 'auto', 'yes' or 'no', not {jod!r}")
        if jod == 'yes' and not has_jod(): raise ValueError("jod 'yes' needs ColorVideoVDP: pip install 'multiface_dam[jod]'")
        out = Path(out).absolute()
        sizes = dict(photo=tuple(map(int, photo.split('x')))) if photo else {}
        if tex_size: sizes['tex_size'] = tex_size
        if not capture: synthesize(out/f'synthetic_{preset}', preset=preset, seed=0, device=pick_device(device), **sizes)
        config = TrainConfig(capture or out/f'synthetic_{preset}', out/'runs', test_segments=tuple(listed(test_segments)), n_latent=n_latent, weights=LossWeights(screen=1., verts=1., tex=1., kl=.01),
                             iterations=iterations, batch_size=batch_size, lr=lr, tex_size=tex_size, device=device, in_memory=True, val_every=iterations, val_samples=8, checkpoint_every=max(1, iterations//8))
        at = tuple(np.unique(np.geomspace(min(earliest, iterations), iterations, checkpoints).round().astype(int)).tolist())
        configs = grid_configs(config, listed(archs), listed(splits), listed(seeds, int))
        if device == 'auto' and torch.cuda.device_count() > 1:    # runs take turns with the GPUs
            configs = {n: replace(c, device=f'cuda:{i % torch.cuda.device_count()}') for i, (n, c) in enumerate(configs.items())}
        viewing = viewing_of(Run(replace(next(iter(configs.values())), in_memory=False, device='cpu')))
        options = dict(max_samples=max_samples, example_height=example_height, metrics=BASIC + (('jod',) if jod != 'no' and has_jod() else ()))
        cores = os.cpu_count() or 1
        workers = min(workers or min(cores, 32), len(configs))
        threads = max(1, cores//workers)
        os.environ['OMP_NUM_THREADS'] = str(threads)    # the workers inherit it before their libraries load
        print(f'{len(configs)} runs, {workers} at a time, scored at iterations {at}, metrics {options["metrics"]}', flush=True)
        began, parts, failed = time.time(), {}, {}
        with process_pool(workers, threads) as pool:
            first = next(iter(configs.values()))
            shown = lambda c: examples if (c.split, c.seed) == (first.split, first.seed) else 0
            jobs = {pool.submit(_one, c, at, viewing, dict(options, examples=shown(c))): n for n, c in configs.items()}
            try:
                for job in as_completed(jobs):
                    try: parts[jobs[job]] = job.result()
                    except Exception as e: failed[jobs[job]] = f'{type(e).__name__}: {e}'
                    print(f'{len(parts) + len(failed)}/{len(jobs)} {jobs[job]}: {failed.get(jobs[job], "done")}, {time.time() - began:.0f} s', flush=True)
            except BaseException:
                for job in jobs: job.cancel()
                raise
        if not parts: sys.exit('all runs failed:\n' + '\n'.join(f'{n}: {e}' for n, e in failed.items()))
        pairs = join_pairs([parts[n] for n in configs if n in parts])
        pairs.about.update(command='benchmarks/quality_pairs.py OUT ' + ' '.join(sys.argv[2:]), at=list(at), failed=failed, viewing=asdict(viewing), batch_size=batch_size, lr=lr, n_latent=n_latent)
        path = out/'quality_pairs.npz'
        save_pairs(path, pairs, int(megabytes*1e6))
        print(f'{path}: {len(pairs.rows):,} pairs of {len(parts)} runs, {path.stat().st_size/1e6:.2f} MB' + (f'; {len(failed)} runs failed and are left out' if failed else ''))
        if failed: sys.exit(1)
