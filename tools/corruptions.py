"""Damage every kind of file that the package writes, and count what its reader says.

    python tools/corruptions.py                          1,000 damages of each kind (an hour on two cores)
    python tools/corruptions.py --n 50 --only checkpoint,results.json
    python tools/corruptions.py --list

Small files of each kind are made by the package itself: a synthetic capture, a pack, a run of twelve iterations, its
evaluation, tables. Each is damaged in seven ways (bits flipped, a block zeroed or random, cut off, two blocks swapped, bytes
inserted, a piece repeated; the seed is the number of the damage) and read by its public reader. Then it was

    refused     a FormatError that names the file, or a warning that names it while an older whole file is read instead
    as written  the damage does not matter: what is read is what was written
    silent      something else was read, and nobody said so
    crash       any other exception

Prints a table in Markdown; exits with 1 if anything was silent or crashed. Not in CI.
"""
import argparse, json, os, shutil, sys, tempfile, time, warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable

os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('TQDM_DISABLE', '1')
import numpy as np
import torch

from multiface_dam.base.files import FormatError, read_json
from multiface_dam.base.sealed import read_npz, write_npz
from multiface_dam.base.testing import same
from multiface_dam.capture.capture import Capture, compute_statistics, read_mask
from multiface_dam.capture.check import check_capture
from multiface_dam.capture.checkable import list_plain_files
from multiface_dam.capture.download import Journal, read_events
from multiface_dam.capture.findings import read_report
from multiface_dam.capture.pack import Shards, pack
from multiface_dam.capture.regions import Region, read_landmarks, write_landmarks
from multiface_dam.capture.toy import toy_capture
from multiface_dam.judge.evaluation import load_results
from multiface_dam.judge.grid import load_grid, pack_grid, read_run, run_one
from multiface_dam.judge.pairs import Pairs, load_pairs, save_pairs
from multiface_dam.judge.quality import LossQualityMap
from multiface_dam.model.architectures import (
    build_model, load_multiface_checkpoint, read_release_state, save_multiface_checkpoint)
from multiface_dam.show.benchmarks import read_results, save_table
from multiface_dam.show.explorer import load_scene, save_scene, scene_of_runs
from multiface_dam.synthetic.head_rig import RIG_FILE, HeadRig
from multiface_dam.synthetic.synthetic import synthesize
from multiface_dam.training.losses import LossWeights
from multiface_dam.training.run import TrainConfig, last_checkpoint, read_checkpoint, read_config, read_log

torch.set_num_threads(1)

def damaged(data: bytes, rng) -> bytes:
    "The bytes, damaged in one of seven ways; never as they were"
    while True:
        b, n = bytearray(data), int(rng.integers(1, 513))
        i, j = sorted(int(k) for k in rng.integers(0, len(b), 2))
        way = rng.integers(7)
        if way == 0:
            for k in rng.integers(0, len(b), rng.integers(1, 4)): b[k] ^= 1 << int(rng.integers(8))
        elif way == 1: b[i:i + n] = bytes(len(b[i:i + n]))
        elif way == 2: b[i:i + n] = rng.bytes(len(b[i:i + n]))
        elif way == 3: del b[i:]
        elif way == 4:
            n = max(min(n, j - i, len(b) - j), 1)
            b[i:i + n], b[j:j + n] = b[j:j + n], b[i:i + n]
        elif way == 5: b[i:i] = rng.bytes(int(rng.integers(1, 9)))
        else: b[j:j] = b[i:i + n]
        if b != data: return bytes(b)

@dataclass
class Kind:
    "A kind of file: one of it, and what its reader makes of it"
    name: str
    path: Path
    read: Callable              # without arguments; plain values that `same` compares
    fits: Callable = same       # (what is read, what was written)

# --- readers, as plain values

def plain_run(folder):
    "A finished run of a grid; what is not finished, with its reason, is refused"
    r = read_run(folder)
    if r.state != 'done': raise FormatError(f'{folder}: {r.state}: {r.error}')
    return r.config.to_json(), r.about, r.results.rows, r.results.about, r.uv

def plain_grid(path):
    g = load_grid(path)
    return g.command, {n: (r.state, r.about, r.results.rows, r.uv) for n, r in g.runs.items()}

def plain_results(folder):
    r = load_results(folder)
    return r.rows, r.about

def plain_pairs(path):
    p = load_pairs(path)
    return p.rows, p.about, [dict(e) for e in p.examples]

def plain_map(path):
    m = LossQualityMap.load(path)
    return m.term, m.metric, m.about, np.asarray(m.curve)

def plain_report(path): return {k: v if k != 'findings' else [vars(f) for f in v] for k, v in vars(read_report(path)).items()}

def plain_scene(path):
    s = load_scene(path)
    lives = {n: s.model(n) for n in s.models}
    return (s.about, s.frames, s.poses, {n: (c.K, c.R, c.t) for n, c in s.cameras.items()}, s.photos, s.norm.tex_mean,
            {n: (l.codes, l.about, l.fits, dict(l.model.state_dict())) for n, l in lives.items()})

def plain_landmarks(path, topology): return {k: vars(r) for k, r in read_landmarks(path, topology).items()}

def plain_rig(path):
    r = HeadRig.load(path)
    return r.verts, r.quads, r.part, r.shapes, r.actions, r.eyes, r.skin, r.patch, r.masks

def plain_pack(folder):
    "All that a pack gives; a record or a file that `verify` names is refused"
    p = Capture(folder)
    if bad := p.verify(workers=1): raise FormatError('\n'.join(bad))
    records = [p.record(*(int(r[f]) for f in ('kind', 'row', 'cam')))[1].tobytes() for r in p.records]
    return p.name, p.frame_list, p.about, records, p.statistics.tex_mean, p.statistics.vert_mean, p.topology.uv_faces

def plain_shards(folder): return Shards(folder, 2**30).parts

def plain_capture(folder):
    "What an opened capture knows of its files"
    c = Capture(folder)
    return c.frame_list, c.present(), c.tex_size, [v.size for v in c.cameras.values()]

def plain_file(folder, what='mesh'):
    "What a check finds in one file of a kind, and in the listed ones"
    files = Capture(folder, cache=False).checked_files()
    found = files.settle()
    if found: raise FormatError('\n'.join(f'{folder}/{f.path}: {f.kind}' for f in found))
    return files.read(what, 1, 0, True)[0], files.c.topology.uvs, files.c.statistics.tex_mean

def plain_check(folder):
    "A check that goes on from its journal"
    return [vars(f) for f in check_capture(folder, workers=2, progress=False).findings]

# --- one of each

PLUGIN = '''
from multiface_dam.training.losses import Term, register_term
register_term('colour', Term('mean colour', lambda c: c.mean((c.out.tex.mean((2, 3))).square())))
'''

def training_kinds(tmp: Path) -> list:
    "A synthetic capture, a run, its evaluation, and tables of both"
    synthesize(tmp/'synthetic', preset='tiny', progress=False)
    compute_statistics(toy_capture(tmp/'capture', size=(48, 32)))
    (tmp/'mine.py').write_text(PLUGIN)
    run, evaluation = tmp/'grid'/'one', dict(max_samples=2, color_epochs=0, encoder_epochs=0)
    config = TrainConfig(
        tmp/'capture', run, split='1', n_latent=8, arch='non', weights=LossWeights(tex=1.), iterations=12, batch_size=4,
        device='cpu', log_every=1, val_every=6, val_samples=2, checkpoint_every=5, plugin=tmp/'mine.py')
    done = run_one(config, evaluation)
    if done != 'done': raise RuntimeError(done)
    saved = json.loads(json.dumps(config.to_json()))
    pack_grid(load_grid(tmp/'grid'), tmp/'grid.npz', 'a command')
    save_scene(tmp/'scene.npz', scene_of_runs({'one': run}, max_frames=2))
    rows = [dict(run='a', set='novel_view', screen=.1*i, flip=.01*i) for i in range(1, 60)]
    pictures = [dict(row=i, photo=bytes([i])*90, render=bytes(range(i, 90)), boxes={}) for i in range(9)]
    save_pairs(tmp/'pairs.npz', Pairs(rows, dict(capture='toy', synthetic=True), pictures))
    x = np.linspace(-3, 1, 40)
    LossQualityMap(np.stack([x, np.exp(x), .8*np.exp(x), 1.3*np.exp(x)]), 'screen', 'flip', dict(runs=['a'])).save(tmp/'map.json')
    save_table(tmp/'benchmarks.json', 'tiny', 'step', dict(rows=[dict(what='step', ms=1.5)], command='x'))
    release = build_model('non', tex_size=512, n_verts=5, n_latent=4, cameras=('a', 'b')).eval()
    save_multiface_checkpoint(tmp/'model.pth', release)
    torch.save(torch.load(tmp/'model.pth', weights_only=True), tmp/'released.pth')
    notes = [Kind(n, run/n, partial(plain_run, run)) for n in ('run.json', 'done.json')]
    results = [Kind(f'evaluation/{n}', run/'evaluation'/n, partial(plain_results, run/'evaluation'))
               for n in ('results.json', 'images.csv')]
    return [
        Kind('checkpoint', run/'last.pt', partial(read_checkpoint, run/'last.pt')),
        Kind('checkpoint, the older one there', run/'last.pt', lambda: last_checkpoint(run)[1]),
        Kind('checkpoint for the release', tmp/'model.pth', partial(read_release_state, tmp/'model.pth')),
        Kind('checkpoint of the release', tmp/'released.pth', lambda: dict(load_multiface_checkpoint(tmp/'released.pth').state_dict())),
        *(Kind(n, run/n, partial(read_log, run/n)) for n in ('log.csv', 'val.csv')),
        Kind("manifest.json of a run", run/'manifest.json', partial(read_log, run/'log.csv')),
        Kind('plugin.py', run/'plugin.py', lambda: read_config(saved, run).to_json()),
        Kind('face_weight_mask.png', run/'face_weight_mask.png', partial(read_mask, run/'face_weight_mask.png')),
        Kind('config.json', run/'config.json', partial(read_json, run/'config.json')),
        *notes, *results,
        Kind('evaluation/uv_errors.npz', run/'evaluation'/'uv_errors.npz', partial(plain_run, run)),
        Kind('packed grid', tmp/'grid.npz', partial(plain_grid, tmp/'grid.npz')),
        Kind('scene', tmp/'scene.npz', partial(plain_scene, tmp/'scene.npz')),
        Kind('pairs', tmp/'pairs.npz', partial(plain_pairs, tmp/'pairs.npz')),
        Kind('loss-quality map', tmp/'map.json', partial(plain_map, tmp/'map.json')),
        Kind('benchmarks', tmp/'benchmarks.json', partial(read_results, tmp/'benchmarks.json')),
        Kind('synthetic.json', tmp/'synthetic'/'synthetic.json', partial(read_json, tmp/'synthetic'/'synthetic.json'))]

def capture_kinds(tmp: Path) -> list:
    "A toy capture that is listed, checked and packed"
    root = toy_capture(tmp/'toy', tex=64, size=(48, 32), frames=2, segments=('E001_Neutral', 'EXP_ROM07_All'))
    toy = Capture(root)
    compute_statistics(toy)
    list_plain_files(toy)
    time.sleep(2.1)             # an index keeps folders that are older than two seconds
    Capture(root)
    shutil.copytree(root, tmp/'checked')
    check_capture(tmp/'checked', progress=False)
    pack(root, tmp/'pack', progress=False)
    # a pack whose first shard is full
    (tmp/'half').mkdir()
    half = Shards(tmp/'half', 2**30)
    half.file = open(half.path('bin'), 'wb')
    half.append(Capture(tmp/'pack').shard(0)[:])
    half.new = Capture(tmp/'pack').records.tolist()
    half.close()
    write_landmarks(tmp/'landmarks.json', dict(eyes=Region(points=[(-33, 20, 70), (33, 20, 70)], near=20),
                                               mouth=Region(verts=[(3,), (4, 5)], near=9)), toy.topology)
    journal = Journal(tmp/'state.jsonl')
    for i in range(12): journal.add(dict(url=f'archive {i}', state='partial', have=1000*i, size=20_000))
    journal.close()
    write_npz(tmp/'rig.npz', **read_npz(RIG_FILE, 'a head rig'))
    s, f = toy.frame_list[1]
    camera = next(iter(toy.cameras))
    listed = dict(KRT='mesh', **{n: 'mesh' for n in ('frame_list.txt', 'tex_var.txt', 'vert_var.txt', 'vert_mean.bin', 'manifest.json')},
                  **{f'tracked_mesh/{s}/{f}.bin': 'mesh', f'tracked_mesh/{s}/{f}_transform.txt': 'pose'},
                  **{'/'.join(('tracked_mesh', a, f'{b}.obj')): 'mesh' for a, b in toy.obj_frames[:1]})
    images = {toy.photo_path(s, camera, f): 'photo', toy.texture_path(s, camera, f): 'texture',
              toy.texture_path(s, 'average', f): 'average', root/'tex_mean.png': 'mesh'}
    return [
        *(Kind(f'capture: {Path(n).name}', root/n, partial(plain_file, root, what)) for n, what in listed.items()),
        *(Kind(f'capture: {what if p.name != "tex_mean.png" else p.name}', p, partial(plain_file, root, what))
          for p, what in images.items()),
        Kind('index of a capture', root/'.index.json.gz', partial(plain_capture, root)),
        Kind('check.json', tmp/'checked'/'check.json', partial(plain_report, tmp/'checked'/'check.json')),
        Kind('journal of a check', tmp/'checked'/'.check.npz', partial(plain_check, tmp/'checked')),
        *(Kind(f'pack: {n}', tmp/'pack'/n, partial(plain_pack, tmp/'pack'))
          for n in ('pack.json', 'index.npz', 'shard-00000.bin', 'KRT', 'manifest.json')),
        Kind('pack: records of a full shard', tmp/'half'/'shard-00000.npz', partial(plain_shards, tmp/'half')),
        Kind('landmarks', tmp/'landmarks.json', partial(plain_landmarks, tmp/'landmarks.json', toy.topology)),
        Kind('journal of a download', tmp/'state.jsonl', partial(read_events, tmp/'state.jsonl'),
             # what a damaged line told is asked again
             lambda read, written: all(e in written for e in read)),
        Kind('head rig', tmp/'rig.npz', partial(plain_rig, tmp/'rig.npz'))]

# --- the count

def count(kind: Kind, n: int) -> dict:
    "Read `n` damaged files of a kind"
    good, written = kind.path.read_bytes(), kind.read()
    outcome = dict.fromkeys(('refused', 'as written', 'silent', 'crash'), 0)
    side = {p: p.read_bytes() for p in kind.path.parent.glob('.check.npz')}
    for seed in range(n):
        kind.path.write_bytes(damaged(good, np.random.default_rng(seed)))
        what = one(kind, written)
        outcome[what.split(':')[0]] += 1
        if what.startswith(('silent', 'crash')): print(f'{kind.name}, damage {seed}: {what}', file=sys.stderr, flush=True)
        for p, data in side.items(): p.write_bytes(data)
    kind.path.write_bytes(good)
    return dict(outcome, bytes=len(good))

def one(kind: Kind, written) -> str:
    "What became of one damaged file"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        try: read = kind.read()
        except FormatError: return 'refused'
        except Exception as e: return f'crash: {type(e).__name__}: {e}'
    if kind.fits(read, written): return 'as written'
    return 'refused' if any(kind.path.name in str(w.message) for w in said) else 'silent: another content'

def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--n', type=int, default=1000, help='damages of each kind')
    parser.add_argument('--only', default='', help='kinds, separated by commas (the beginning of a name is enough)')
    parser.add_argument('--list', action='store_true', help='name the kinds')
    args = parser.parse_args()
    only, faults = tuple(filter(None, args.only.split(','))), 0
    with tempfile.TemporaryDirectory() as folder:
        kinds = training_kinds(Path(folder)) + capture_kinds(Path(folder))
        if only: kinds = [k for k in kinds if k.name.startswith(only)]
        if args.list: return print(*(k.name for k in kinds), sep='\n')
        print('| file | bytes | refused | as written | silent | crash |\n| --- | ---: | ---: | ---: | ---: | ---: |')
        for kind in kinds:
            c = count(kind, args.n)
            print(f"| {kind.name} | {c['bytes']:,} | {c['refused']} | {c['as written']} | {c['silent']} | {c['crash']} |", flush=True)
            faults += c['silent'] + c['crash']
    raise SystemExit(faults > 0)

if __name__ == '__main__': main()
