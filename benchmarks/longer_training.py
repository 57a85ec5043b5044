"""The quickstart's run, longer: what more training does to the three sets, beside the two baselines.

    python benchmarks/longer_training.py OUT --iterations 2200,6600,11000

Each length is a run of its own on the same capture, with the quickstart's settings; the learning rate decays to the same
final value, so that a longer run is a stretched short one. Writes OUT/longer_training.json, which the package carries as
multiface_dam/assets/longer_training.json. All lengths run at once: on a GPU with many cores, one process for each.
"""
import json, os, subprocess, sys
from dataclasses import replace
from pathlib import Path
import torch
from fastcore.script import call_parse
from multiface_dam.base.files import listed
from multiface_dam.synthetic.synthetic import synthesize
from multiface_dam.training.loop import train
from multiface_dam.judge.evaluation import BASELINES, SETS, STAGES, evaluate
from multiface_dam.show.quickstart import quickstart_config

def run_one(out: Path, iterations: int, seed: int):
    "Train and evaluate one length; writes its results"
    config, short = quickstart_config(out, seed, iterations), quickstart_config(out, seed)
    config = replace(config, out=str(out/f'run{iterations}'), val_every=max(250, iterations//10), log_every=50,
                     lr_decay=config.lr_decay**(short.iterations/iterations))
    evaluate(train(config), max_samples=120)

def run_all(out: Path, lengths: list, seed: int):
    "Each length in a process of its own, all at once"
    command = [sys.executable, __file__, str(out), '--seed', str(seed), '--only']
    env = dict(os.environ, OMP_NUM_THREADS=str(max(1, (os.cpu_count() or 1)//len(lengths))))
    logs = {i: out/f'log{i}.txt' for i in lengths}
    jobs = {}
    for i in lengths:
        with open(logs[i], 'w') as log: jobs[i] = subprocess.Popen([*command, str(i)], stdout=log, stderr=log, env=env)
    for i, job in jobs.items():
        if job.wait(): sys.exit(f'{i} iterations failed:\n' + logs[i].read_text()[-2000:])

def rows_of(out: Path, lengths: list) -> list:
    "Screen losses of each set and length"
    rows = []
    for s in SETS:
        for i in lengths:
            table = json.loads((out/f'run{i}'/'evaluation'/'results.json').read_text())['table']
            screen = {r['method']: r['screen'] for r in table if r['set'] == s}
            stages = {f'model, {m}': screen[m] for m in STAGES}
            rows.append(dict(set=s, iterations=i, **stages, **{m: screen[m] for m in BASELINES}))
    return rows

@call_parse
def main(
    out: str,                              # folder for capture, runs and the table
    iterations: str = '2200,6600,11000',   # lengths, separated by commas
    seed: int = 0,                         # of weights and batches
    only: int = 0,                         # one length, in this process
):
    "Train the quickstart's run for several lengths and collect the screen losses"
    out, lengths = Path(out), listed(iterations, int)
    if only: return run_one(out, only, seed)
    synthesize(quickstart_config(out, seed).capture, preset='quickstart', seed=seed)
    run_all(out, lengths, seed)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'
    about = (f"Screen loss of the quickstart's run on the synthetic capture (seed {seed}), trained longer, each length a "
             f'run of its own; measured on {device}, torch {torch.__version__}. Adapted: new views by their colours, new '
             'expressions by the encoder, both by both.')
    result = dict(about=about, command=f'python benchmarks/longer_training.py OUT --iterations {iterations}',
                  columns=[*(f'model, {m}' for m in STAGES), *BASELINES], rows=rows_of(out, lengths))
    (out/'longer_training.json').write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))
