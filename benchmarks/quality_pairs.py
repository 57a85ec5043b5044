"""Pairs of loss and image quality, from checkpoints along training of several architectures and splits.

    python benchmarks/quality_pairs.py OUT --preset quickstart --archs base,non,warp_integral --splits cam1,cam3 --seeds 0,1

Films a synthetic capture into OUT/synthetic_PRESET (or takes --capture), trains a run for each architecture, split and
seed into OUT/runs, scores the images of the three sets at iterations spaced evenly in the logarithm, and writes
OUT/quality_pairs.npz (`multiface_dam.judge.pairs.load_pairs`). The package carries such a table as
multiface_dam/assets/quality_pairs.npz; the notebook `quality` shows what it says. Runs go on in parallel processes; what
is finished is not done again, so the same command completes an interrupted one. A run that fails is named and left out.
"""
import os, sys, time
from concurrent.futures import as_completed
from dataclasses import asdict, replace
from pathlib import Path
import numpy as np
import torch
from fastcore.script import call_parse
from multiface_dam.base.files import listed, parse_size, plain_errors
from multiface_dam.synthetic.synthetic import synthesize
from multiface_dam.training.losses import LossWeights
from multiface_dam.training.run import Run, TrainConfig, pick_device
from multiface_dam.judge.metrics import BASIC, Viewing, has_jod, viewing_of
from multiface_dam.judge.pairs import join_pairs, save_pairs, train_and_score
from multiface_dam.judge.grid import grid_configs, process_pool

def score_one(config: TrainConfig, at: tuple, viewing: Viewing, options: dict):
    "One run, in a worker"
    return train_and_score(config, at, viewing, **options)

def wants_jod(jod: str) -> bool:
    "Is JOD measured?"
    if jod not in ('auto', 'yes', 'no'): raise ValueError(f"jod: 'auto', 'yes' or 'no', not {jod!r}")
    if jod == 'yes' and not has_jod():
        raise ValueError("jod 'yes' needs ColorVideoVDP: pip install 'multiface_dam[jod]'")
    return jod != 'no' and has_jod()

def checkpoints_of(earliest: int, iterations: int, n: int) -> tuple:
    "Iterations that are scored, evenly spaced in the logarithm"
    at = np.geomspace(min(earliest, iterations), iterations, n)
    return tuple(np.unique(at.round().astype(int)).tolist())

def spread_over_gpus(configs: dict) -> dict:
    "Runs take turns with the GPUs"
    n = torch.cuda.device_count()
    if n < 2: return configs
    return {name: replace(c, device=f'cuda:{i % n}') for i, (name, c) in enumerate(configs.items())}

def score_all(configs: dict, at: tuple, viewing: Viewing, options: dict, examples: int, workers: int,
              threads: int) -> tuple:
    "{name: Pairs} and {name: error}; the runs with the first split and seed keep pictures"
    began, parts, failed = time.time(), {}, {}
    first = next(iter(configs.values()))
    def shown(c): return examples if (c.split, c.seed) == (first.split, first.seed) else 0
    with process_pool(workers, threads) as pool:
        jobs = {pool.submit(score_one, c, at, viewing, dict(options, examples=shown(c))): n for n, c in configs.items()}
        try:
            for job in as_completed(jobs):
                name = jobs[job]
                try: parts[name] = job.result()
                except Exception as e: failed[name] = f'{type(e).__name__}: {e}'
                print(f'{len(parts) + len(failed)}/{len(jobs)} {name}: {failed.get(name, "done")}, '
                      f'{time.time() - began:.0f} s', flush=True)
        except BaseException:
            for job in jobs: job.cancel()
            raise
    return parts, failed

@call_parse
def main(
    out: str,                            # folder for capture, runs and the table
    capture: str = '',                   # folder of a capture ('': a synthetic one is filmed into OUT/synthetic_PRESET)
    preset: str = 'quickstart',          # of the synthetic capture: tiny, quickstart, study, paper
    archs: str = 'base,non,warp_integral', # architectures, separated by commas
    splits: str = 'cam1,cam3',           # camera splits
    seeds: str = '0,1',                  # of weights and batches
    iterations: int = 2000,              # of training
    checkpoints: int = 10,               # scored iterations, evenly spaced in the logarithm
    earliest: int = 20,                  # the first of them
    max_samples: int = 40,               # images a set
    test_segments: str = 'EXP_ROM',      # segments held out, prefixes separated by commas
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
        metrics = (*BASIC, 'jod') if wants_jod(jod) else BASIC
        out = Path(out).absolute()
        sizes = dict(photo=parse_size(photo, 'photo')) if photo else {}
        if tex_size: sizes['tex_size'] = tex_size
        if not capture:
            capture = out/f'synthetic_{preset}'
            synthesize(capture, preset=preset, seed=0, device=pick_device(device), **sizes)
        config = TrainConfig(
            capture, out/'runs', test_segments=listed(test_segments), n_latent=n_latent,
            weights=LossWeights(screen=1., verts=1., tex=1., kl=.01), iterations=iterations, batch_size=batch_size,
            lr=lr, schedule='release', tex_size=tex_size, device=device, in_memory=True, val_every=iterations, val_samples=8,
            checkpoint_every=max(1, iterations//8))
        at = checkpoints_of(earliest, iterations, checkpoints)
        configs = grid_configs(config, listed(archs), listed(splits), listed(seeds, int))
        if device == 'auto': configs = spread_over_gpus(configs)
        first = next(iter(configs.values()))
        viewing = viewing_of(Run(replace(first, in_memory=False, device='cpu')))
        options = dict(max_samples=max_samples, example_height=example_height, metrics=metrics)
        cores = os.cpu_count() or 1
        workers = min(workers or min(cores, 32), len(configs))
        threads = max(1, cores//workers)
        os.environ['OMP_NUM_THREADS'] = str(threads)    # the workers inherit it before their libraries load
        print(f'{len(configs)} runs, {workers} at a time, scored at iterations {at}, metrics {metrics}', flush=True)
        parts, failed = score_all(configs, at, viewing, options, examples, workers, threads)
        if not parts: sys.exit('all runs failed:\n' + '\n'.join(f'{n}: {e}' for n, e in failed.items()))
        pairs = join_pairs([parts[n] for n in configs if n in parts])
        pairs.about.update(command='benchmarks/quality_pairs.py OUT ' + ' '.join(sys.argv[2:]), at=list(at),
                           failed=failed, viewing=asdict(viewing), batch_size=batch_size, lr=lr, n_latent=n_latent)
        path = out/'quality_pairs.npz'
        save_pairs(path, pairs, int(megabytes*1e6))
        print(f'{path}: {len(pairs.rows):,} pairs of {len(parts)} runs, {path.stat().st_size/1e6:.2f} MB'
              + (f'; {len(failed)} runs failed and are left out' if failed else ''))
        if failed: sys.exit(1)
