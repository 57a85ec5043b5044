"""The quickstart's run, longer: what more training does to the three sets, beside the two baselines.

    python benchmarks/longer_training.py OUT --iterations 2200,6600,11000

Each length is a run of its own on the same capture, with the quickstart's settings; the learning rate decays to the same
final value, so that a longer run is a stretched short one. Writes OUT/longer_training.json, which the package carries as
multiface_dam/assets/longer_training.json. Runs at once: on a GPU with many cores, one process for each length.
"""
import json, math, os, subprocess, sys
from dataclasses import replace
from pathlib import Path

import torch
from fastcore.script import call_parse
from multiface_dam.evaluation import BASELINES, SETS, STAGES, evaluate
from multiface_dam.quickstart import quickstart_config
from multiface_dam.synthetic import synthesize
from multiface_dam.training import train

def run_one(out: Path, iterations: int, seed: int):
    "Train and evaluate one length; writes its results"
    config = quickstart_config(out, seed, iterations)
    short = quickstart_config(out, seed)
    config = replace(config, out=str(out/f'run{iterations}'), lr_decay=config.lr_decay**(short.iterations/iterations), val_every=max(250, iterations//10), log_every=50)
    evaluate(train(config), max_samples=120)

@call_parse
def main(
    out: str,                              # directory for capture, runs and the table
    iterations: str = '2200,6600,11000',  # lengths, separated by commas
    seed: int = 0,
    only: int = 0,                         # one length, in this process
):
    "Train the quickstart's run for several lengths and collect the screen losses"
    out, lengths = Path(out), [int(i) for i in iterations.split(',')]
    if only: return run_one(out, only, seed)
    synthesize(quickstart_config(out, seed).capture, preset='quickstart', seed=seed)
    command = [sys.executable, __file__, str(out), '--seed', str(seed), '--only']
    threads = str(max(1, (os.cpu_count() or 1)//len(lengths)))
    logs = [open(out/f'log{i}.txt', 'w') for i in lengths]
    jobs = [subprocess.Popen([*command, str(i)], stdout=log, stderr=log, env=dict(os.environ, OMP_NUM_THREADS=threads)) for i, log in zip(lengths, logs)]
    for i, job in zip(lengths, jobs):
        if job.wait(): sys.exit(f'{i} iterations failed:\n' + (out/f'log{i}.txt').read_text()[-2000:])
    rows = []
    for s in SETS:
        for i in lengths:
            table = {(r['set'], r['method']): r for r in json.loads((out/f'run{i}'/'evaluation'/'results.json').read_text())['table']}
            rows.append(dict(set=s, iterations=i, **{f'model, {m}': table[s, m]['screen'] for m in STAGES}, **{m: table[s, m]['screen'] for m in BASELINES}))
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'
    result = dict(about=f'Screen loss of the quickstart\'s run on the synthetic capture (seed {seed}), trained longer, each length a run of its own; measured on {device}, torch {torch.__version__}.',
                  command=f'python benchmarks/longer_training.py OUT --iterations {iterations}', columns=[*(f'model, {m}' for m in STAGES), *BASELINES], rows=rows)
    (out/'longer_training.json').write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))
