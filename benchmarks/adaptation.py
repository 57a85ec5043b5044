"""What each adaptation does to each set: the reason for the protocol of `judge.evaluation`.

    python benchmarks/adaptation.py OUT                                 # tiny, on a CPU: half a minute
    python benchmarks/adaptation.py OUT --preset quickstart --tex_size 512 --photo 1024x667 --paint 2048 --level 2 \\
        --iterations 6600 --images 150                                  # on a GPU: eight minutes

Films a synthetic capture (or takes one), trains, and scores every set as trained, with colours adapted, with the encoder
adapted, and with both; each adaptation begins with the trained model. Writes adaptation.json, which the notebook
`evaluation` shows. The same command again goes on where it stopped.
"""
import json, sys, time
from pathlib import Path
import numpy as np
import torch
from fastcore.script import call_parse
from multiface_dam.base.files import listed, parse_size, plain_errors, write_json
from multiface_dam.synthetic.synthetic import synthesize
from multiface_dam.training.losses import LossWeights
from multiface_dam.training.run import TrainConfig, pick_device
from multiface_dam.training.loop import train
from multiface_dam.judge.evaluation import SETS, STAGES, adaptations, adapted_run, score, thin

ADAPTED = {
    'as trained': (),
    'colours': ('colours',),
    'encoder': ('encoder',),
    'colours and encoder': ('colours', 'encoder')}

def scores_of(
    run,                # trained
    images: int,        # a set; 0: all
) -> tuple:             # {'screen', 'psnr'}: {set: {adaptation: mean}}; {set: images}
    "Means of every set under every adaptation"
    found, sets = adaptations(run), {s: thin(run.sets[s], images) for s in SETS if len(run.sets[s])}
    means = {metric: {s: {} for s in sets} for metric in ('screen', 'psnr')}
    for name, parts in ADAPTED.items():
        if not set(parts) <= set(found): continue
        work = adapted_run(run, found, parts)
        for s, dataset in sets.items():
            rows = score(work, dataset, STAGES[len(parts) > 0])
            for metric, of in means.items():
                of[s][name] = float(np.mean([r[metric] for r in rows if r[metric] is not None]))
            print(f'{s:18} {name:19} screen loss {means["screen"][s][name]:.4f}', flush=True)
    return means, {s: len(dataset) for s, dataset in sets.items()}

def settings_of(words: list) -> list:
    "Arguments of the command line, without where files are"
    folders = {i + k for i, w in enumerate(words) if w in ('--to', '--capture') for k in (0, 1)}
    return [w for i, w in enumerate(words) if i not in folders]

@call_parse
def main(
    out: str,                       # folder for capture and run
    to: str = '',                   # file to write ('': OUT/adaptation.json)
    capture: str = '',              # folder of a capture ('': a synthetic one is filmed into OUT/capture)
    preset: str = 'tiny',           # of the synthetic capture: tiny, quickstart, study, paper
    photo: str = '',                # HEIGHTxWIDTH of its photos ('': the preset's)
    tex_size: int = 0,              # texels a side (0: the capture's or the preset's)
    paint: int = 0,                 # texels of the painted skin (0: the preset's)
    level: int = 0,                 # subdivisions of the filmed mesh (0: the preset's)
    split: str = '',                # camera split ('': cam1, of tiny 2)
    test_segments: str = 'EXP_ROM', # segments held out, prefixes separated by commas
    iterations: int = 150,          # of training
    images: int = 0,                # scored images a set (0: all)
    seed: int = 0,                  # of weights and batches
    device: str = 'auto',           # auto, cpu, cuda
):
    "Score every set under every adaptation"
    with plain_errors():
        out, began = Path(out).absolute(), time.time()
        sizes = dict(photo=parse_size(photo, 'photo'), tex_size=tex_size, paint=paint, level=level)
        if not capture:
            capture = out/'capture'
            synthesize(capture, preset=preset, device=pick_device(device), **{k: v for k, v in sizes.items() if v})
        run = train(TrainConfig(
            capture, out/'run', split=split or ('2' if preset == 'tiny' else 'cam1'), test_segments=listed(test_segments),
            n_latent=64, weights=LossWeights(screen=1., verts=1., tex=1., kl=.01), iterations=iterations, batch_size=8,
            lr=1e-3, tex_size=tex_size, seed=seed, device=device, in_memory=True, val_every=iterations, val_samples=8,
            checkpoint_every=max(1, iterations//4)))
        means, counts = scores_of(run, images)
        where = torch.cuda.get_device_name(run.device) if run.device.type == 'cuda' else 'a CPU'
        size, train_set = ' × '.join(map(str, run.size)), run.sets['train']
        filmed = Path(capture) == out/'capture'
        what = f'Synthetic capture, preset {preset}' if filmed else f'Capture {run.capture.name}'
        about = (f'{what}, {train_set.tex_size} texels, photos {size}, split {run.config.split}, '
                 f'{run.iteration} iterations, seed {seed}, {max(counts.values())} images a set at most, on {where}.')
        command = 'python benchmarks/adaptation.py OUT ' + ' '.join(settings_of(sys.argv[2:]))
        path = Path(to or out/'adaptation.json')
        write_json(path, dict(about=about, command=command.strip(), adapted=list(ADAPTED), **means, images=counts,
                              tex_size=train_set.tex_size, torch=str(torch.__version__)))
        print(json.dumps(means['screen'], indent=1))
    print(f'{time.time() - began:.0f} s; written to {path}')
