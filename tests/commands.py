"""Every command, with good and bad input: how it ends, what its last lines say, and that no traceback is shown.

    python tests/commands.py             all, and a drill
    python tests/commands.py dam_train   those of one command

A case is a line of `cases`: the command line, its exit status, and what it says (a regular expression). `CAP`, `RUN` and so on
stand for a small capture, a small run and other places below one temporary folder. Each command runs in a process of its own, forked
from one that has imported everything, with an output that knows ASCII only. The drill stops a grid in the middle.
"""
import os
os.environ |= dict(OMP_NUM_THREADS='1', COLUMNS='100', MPLBACKEND='agg', PYTHONIOENCODING='ascii')
import importlib, re, shlex, shutil, signal, subprocess, sys, tempfile, time, traceback
from configparser import ConfigParser
from pathlib import Path

root = Path(__file__).resolve().parent.parent

def console_scripts() -> dict:
    "The function of each command"
    config = ConfigParser(delimiters=['='])
    config.read(root/'settings.ini', encoding='utf-8')
    targets = dict(line.split('=') for line in config['DEFAULT']['console_scripts'].split())
    return {name: getattr(importlib.import_module(t.split(':')[0]), t.split(':')[1]) for name, t in targets.items()}

SMALL = '--split 2 --n_latent 8 --batch_size 4 --device cpu'
SMALL_GRID = '--preset small --splits 2 --seeds 0 --device cpu --workers 1 --test_segments EXP --n_latent 8'
GRID = f'dam_ablate OUT/grid --capture CAP --archs base {SMALL_GRID}'
OWN = "dam_import CAP/KRT 'CAP/images/{segment}/{camera}/{frame}.png' 'CAP/tracked_mesh/{segment}/{frame}.bin'"
NO_CAPTURE = 'expected the folder of a capture'

cases = [       # in this order: some go on with what others made
    # good input: the results, and where they are
    ('dam_check CAP', 0, r'textures: good; .*verdict +good: nothing is damaged, suspicious or missing\nreport: CAP/check.json'),
    ("dam_check 'OUT/$x^$ & <i>' --figure 'OUT/$x^$ %d.png'", 0, r'report: OUT/.x.. & <i>/check.json'),
    ('dam_mask CAP OUT/mask.png --landmarks OUT/points.json', 0, r'OUT/mask.png; .*picture: OUT/mask_preview.png'),
    (f'{OWN} OUT/own --topology OUT/mesh.obj --linear --tex_size 64 --check', 0,
        r'verdict\n.*good: agreement .*cameras: \d.*look at OUT/own_check'),
    ('dam_pack CAP OUT/pack --verify', 0, r'records verified\npack: OUT/pack\n$'),
    ('dam_pack CAP OUT/pack', 0, r'\npack: OUT/pack \(there already, with the same options: nothing was packed\)\n$'),
    ('dam_pack OUT/pack --verify', 0, r'records verified\npack: OUT/pack\n$'),
    (f'dam_train CAP OUT/run --iterations 3 --val_every 3 {SMALL}', 0,
     r'3 iterations done; checkpoint OUT/run/last.pt, log .*, sheets OUT/run/samples\n'
     r'.* loss, as trained, of up to 32 images each: training .*\nlook: +dam_explore OUT/run .*--score 10'),
    (f'dam_train CAP OUT/run --iterations 3 {SMALL}', 0,
     r'nothing to train: 3 iterations done before, 3 asked for; checkpoint OUT/run/last.pt'),
    (f'dam_train CAP OUT/run --iterations 2 {SMALL}', 0, r'OUT/run: the run has 3 iterations behind it, 2 were asked for; it stays'),
    (f'dam_train CAP OUT/scored --iterations 3 --score 2 {SMALL}', 0,
     r'scores up to 16 images a set at iterations 1, 3: OUT/scored/quality\n.*3 iterations done.*replay the training'),
    (f'dam_train CAP OUT/scored --iterations 3 --score 2 {SMALL}', 0, r'nothing to train'),
    (f"dam_train CAP 'OUT/a:b é' --iterations 2 --val_every 9 --workers 2 {SMALL}", 0, r'checkpoint OUT/a:b e'),
    ('dam_evaluate OUT/run --encoder_epochs 1 --max_samples 2 --device cpu', 0, r'written to OUT/run/evaluation\n$'),
    ('dam_visualize OUT/run --sheets --rows 1 --raw_colors --device cpu', 0, r'0 videos, \d sheets in OUT/run/visualize\n$'),
    (f'{GRID} --iterations 2', 0, r'1 run, 1 at a time.*report: OUT/grid/report.html\n$'),
    (f'{GRID} --iterations 2', 0, r'report: OUT/grid/report.html\n$'),
    (f'{GRID} --iterations 2 --n_cameras 2', 0, r'Capture "cap", 2 runs, .*report: OUT/grid/report.html\n$'),

    # nothing there, something else there, nothing in it
    *((f'{c} OUT/nowhere {rest}', 1, rf'error: OUT/nowhere: {NO_CAPTURE}') for c, rest in (
        ('dam_check', ''), ('dam_mask', ''), ('dam_pack', 'OUT/x'), ('dam_train', f'OUT/x {SMALL}'))),
    *((f'{c} OUT/empty {rest}', 1, rf'error: OUT/empty: {NO_CAPTURE}') for c, rest in (
        ('dam_check', ''), ('dam_mask', ''), ('dam_pack', 'OUT/x'), ('dam_train', f'OUT/x {SMALL}'))),
    *((f'{c} OUT/file {rest}', 1, r'error: OUT/file: expected') for c, rest in (
        ('dam_check', ''), ('dam_mask', ''), ('dam_pack', 'OUT/x'), ('dam_train', f'OUT/x {SMALL}'))),
    *((f'{c} {run}', 1, rf'error: {run}') for c in ('dam_evaluate', 'dam_visualize') for run in ('OUT/nowhere', 'OUT/empty', 'CAP')),
    *((f'dam_explore {path} --no_browser --port 0', 1, rf'error: {path}: expected a run, .*, found {found}') for path, found in (
        ('OUT/nowhere', 'nothing there; a run is'), ('OUT/empty', 'an empty folder; a run is'),
        ('CAP', 'a capture; .*dam_train CAP RUN'), ('OUT/file', 'a file of another kind'),
        ('OUT/damaged/log.csv', 'a part of the run OUT/damaged; open that folder'))),
    ('dam_explore OUT/damaged --no_browser --port 0', 1, r'error: OUT/damaged: nothing to show: .*last.pt'),
    ('dam_ablate OUT/x --capture OUT/nowhere', 1, rf'^error: OUT/nowhere: {NO_CAPTURE}[^\n]*\n$'),
    ('dam_ablate OUT/x --capture OUT/file', 1, r'^error: OUT/file: expected[^\n]*\n$'),
    ('dam_ablate OUT/x --capture CAP --leave_out OUT/nowhere', 1, r'^error: OUT/nowhere'),
    ("dam_import OUT/nowhere 'OUT/{segment}/{camera}/{frame}.png' 'OUT/{segment}/{frame}.obj' OUT/x", 1, r'error: .*OUT/'),
    (f'{OWN} OUT/x --topology OUT/nowhere', 1, r'error: OUT/nowhere'),
    (f'dam_train CAP OUT/x --leave_out OUT/nowhere {SMALL}', 1, r'error: OUT/nowhere'),
    (f'dam_train CAP OUT/x --plugin OUT/nowhere {SMALL}', 1, r'error: OUT/nowhere'),
    (f'dam_train CAP OUT/x --weight_mask OUT/file {SMALL}', 1, r'error: .*OUT/file'),

    # results where they cannot be, or must not be
    *((f'{c} {rest}', 1, r'error: .*OUT/file') for c, rest in (
        ('dam_synthesize', 'OUT/file/x --preset tiny'), ('dam_check', 'CAP OUT/file/x'),
        ('dam_mask', 'CAP OUT/file/x.png --landmarks OUT/points.json'),
        ('dam_pack', 'CAP OUT/file/x'), ('dam_train', f'CAP OUT/file/x {SMALL}'), ('dam_quickstart', 'OUT/file/x'),
        ('dam_download', 'OUT/file/x --preset mini --base_url http://127.0.0.1:9/'),
        ('dam_ablate', f'OUT/file/x --capture CAP --archs base {SMALL_GRID}'),
        ('dam_visualize', 'OUT/run OUT/file/x --sheets --rows 1 --raw_colors --device cpu'))),
    *((f'dam_train CAP {out} {SMALL}', 1, r'error: .*folders apart') for out in ('CAP', 'CAP/run', 'OUT', 'OUT/link/run')),
    ('dam_pack CAP CAP/pack', 1, r'error: .*folders apart'),
    ('dam_visualize OUT/run CAP/videos --sheets --device cpu', 1, r'error: .*folders apart'),
    ('dam_ablate CAP/grid --capture CAP --workers 1', 1, r'error: .*folders apart'),
    ('dam_synthesize CAP --preset tiny', 1, r'error: .*choose a new folder'),

    # values that an option does not have
    ('dam_synthesize OUT/x --preset huge', 1, r"error: --preset 'huge': there is none among tiny, "),
    ('dam_synthesize OUT/x --preset quikstart', 1, r"error: --preset 'quikstart': .*; did you mean quickstart\?"),
    ('dam_synthesize OUT/x --device tpu', 1, r"error: --device 'tpu': there is none among auto, cpu, cuda"),
    ('dam_pack CAP OUT/x --codec zip', 1, r"error: --codec 'zip': there is none among blocks, raw"),
    ('dam_pack CAP OUT/x --codec raw --jpeg 90', 1, r"error: --codec 'raw' is lossless: leave out --max_error 0 and --jpeg 90"),
    ('dam_pack CAP OUT/x --jpeg 101', 1, r'error: --jpeg: expected a whole number, at most 100, found 101'),
    ('dam_pack CAP OUT/x --image_size 64', 1, r'error: --image_size: expected HEIGHTxWIDTH, as 1024x667, found'),
    ('dam_pack CAP', 1, r'error: expected the folder of the pack'),
    ('dam_pack CAP --verify', 1, r'error: CAP: expected a pack to verify'),
    *((f'dam_train CAP OUT/x {bad} --device cpu', 1, rf'error: .*{says}') for bad, says in (
        ('--arch bas', "unknown architecture 'bas': .*; did you mean base"), ('--split cam9', "--split 'cam9': .*did you mean cam0"),
        ('--image_size 64', '--image_size: expected HEIGHTxWIDTH'), ('--lr -1', '--lr: expected a number above 0, found -1.0'),
        ('--batch_size 0', '--batch_size: expected a whole number, 1 or more, found 0'),
        ('--precision pf32', "--precision 'pf32': there is none among fp32, bf16, auto; did you mean fp32"),
        ('--schedule latte', "--schedule 'latte': there is none among late, release; did you mean late"),
        ('--split 2 --test_segments E9', "beginning of a segment's name.*are --test_segments, and may be none"),
        ('--tex_size 65 --split 2', '--tex_size to be a power of two'))),
    ('dam_train CAP OUT/run --lr 1e-9 --iterations 4 ' + SMALL, 1, r'error: OUT/run holds a run with other settings'),
    ('dam_evaluate OUT/run --max_samples -1 --device cpu', 2, r'error: --max_samples: expected a whole number, 0 or more, found -1'),
    ('dam_evaluate OUT/run --protocol relase', 1, r"error: --protocol 'relase': .*did you mean release"),
    ('dam_evaluate OUT/run --device tpu', 1, r"error: --device 'tpu': there is none among auto, cpu, cuda"),
    ('dam_evaluate OUT/run --capture OUT/nowhere', 1, r'say where it is now: --capture\)'),
    ('dam_visualize OUT/run --cameras none --device cpu', 1, r"error: --cameras 'none': there is none among"),
    ('dam_visualize OUT/run --sets novel_vew --device cpu', 1, r"error: --sets 'novel_vew': .*did you mean novel_view"),
    ('dam_visualize OUT/run --difference fip --device cpu', 1, r"error: --difference 'fip': .*did you mean flip"),
    ('dam_visualize OUT/run --fps 0 --device cpu', 1, r'error: --fps: expected'),
    ('dam_ablate OUT/x --preset big', 1, r"error: --preset 'big'"),
    ('dam_ablate OUT/x --seeds a', 1, r'error: .*whole numbers'),
    *((f'dam_ablate OUT/x --capture CAP {bad} --workers 1', 1, rf'^error: [^\n]*{says}[^\n]*\n$') for bad, says in (
        ('--n_cameras 99 --splits 2', '1 to 6 training cameras'), ('--archs bas', 'unknown architecture'), ('--splits cam9', 'cam9'),
        ('--schedule never', 'schedule'), ('--test_segments E9 --splits 2', "beginning of a segment's name"))),
    *((f'{GRID} {other}', 1, rf'error: OUT/grid: base-2-\S*seed0 was begun with other settings .*{says}.*dam_ablate OUT/grid --capture CAP')
      for other, says in (('--iterations 3', 'iterations: 2 there, 3 asked'), ('--iterations 2 --lr 1', 'lr: 0.001 there, 1.0 asked'))),
    ('dam_benchmark renderer', 1, r"error: 'renderer' is a table"),
    ('dam_benchmark --tables lodaer', 1, r"error: --tables 'lodaer': .*did you mean loader"),
    ('dam_benchmark --size huge', 1, r"error: --size 'huge': there is none among"),
    ('dam_benchmark --size small --tables inference --archs base --only ours --seconds .01 --device cpu', 0,
     r'nothing was saved: dam_benchmark FILE.json keeps the results\n$'),
    ('dam_download OUT/x', 1, r'error: what to download'),
    ('dam_download OUT/x --preset minni', 1, r"error: --preset 'minni': .*did you mean mini"),
    ('dam_download OUT/x --entities 6795936', 1, r"error: --entities '6795936': .*did you mean 6795937"),
    ('dam_download OUT/x --preset mini --only photos', 1, r"error: --only 'photos': there is none among metadata"),
    ('dam_download OUT/x --preset mini --workers 65', 1, r'error: --workers: expected a whole number, at most 64, found 65'),
    ('dam_download OUT/x --preset mini --dry_run --base_url http://127.0.0.1:9/', 1, r'refused.*3 failures in a row'),
    ('dam_mask CAP OUT/x.png --tex_size 3', 1, r'error: --tex_size: expected 16 to 8192'),
    ('dam_explore --port 99999 --no_browser', 1, r'error: '),
    (f'{OWN} OUT/x --topology OUT/file --unit feet', 1, r'error: '),
    (f'{OWN} OUT/x --topology OUT/file --exif oby', 1, r"error: --exif 'oby': there is none among obey, ignore; did you mean obey"),

    # damaged files
    (f'dam_train CAP OUT/damaged --iterations 9 {SMALL}', 1, r'error: OUT/damaged/last.pt'),
    ('dam_evaluate OUT/damaged --device cpu', 1, r'error: OUT/damaged/last.pt'),
    ('dam_check OUT/cut', 1, r'damaged.*report: OUT/cut/check.json'),
    (f'dam_ablate OUT/part --capture OUT/half --archs base {SMALL_GRID} --iterations 2', 1,
     r'1 of 1 runs are not.*cut off.*report: OUT/part/report'),
]

def prepare(folder: Path):
    "What the cases speak of"
    from multiface_dam.capture.capture import Capture, compute_statistics
    from multiface_dam.capture.regions import Region, write_landmarks
    from multiface_dam.capture.toy import toy_capture
    out = folder/'out'
    for p in (out/'empty', out/'damaged'): p.mkdir(parents=True)
    cap = toy_capture(out/'cap', frames=2)
    compute_statistics(Capture(cap, cache=False))
    for name in ('cut', 'half', '$x^$ & <i>'): shutil.copytree(cap, out/name)
    write_landmarks(out/'points.json', dict(eyes=Region([90, 91, 92]), mouth=Region([70, 71])), Capture(cap, cache=False).topology)
    next((out/'cut'/'images').rglob('*.png')).write_bytes(b'half')
    shutil.copy(next(cap.rglob('*.obj')), out/'mesh.obj')
    average = max(out.glob('half/unwrapped_uv_*/EXP*/average/*.png'))
    average.write_bytes(average.read_bytes()[:-500])
    (out/'file').write_text('text')
    (out/'link').symlink_to(cap, target_is_directory=True)
    (out/'damaged'/'last.pt').write_bytes(b'PK half')
    (out/'damaged'/'log.csv').write_text('iteration\n')
    return dict(CAP=cap, OUT=out)

def call(function, words: list, said: Path) -> int:
    "The exit status of a command in a process of its own, as Python's; its output goes to a file"
    if pid := os.fork(): return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 99
    try:
        out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        for n, name in ((1, 'stdout'), (2, 'stderr')): setattr(sys, name, open(n, 'w', encoding='ascii', buffering=1, closefd=False))
        sys.argv = words
        try:
            function()
            status = 0
        except SystemExit as e:
            status = e.code if isinstance(e.code, int) else int(e.code is not None)
            if isinstance(e.code, str): print(e.code, file=sys.stderr)
        except BaseException: traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally: os._exit(status)

def everywhere(name: str, function) -> list:
    "The cases that every command has: its help, what is mistyped, numbers below 0"
    from multiface_dam.base.commands import command_parser
    options = {a.dest: a for a in command_parser(function)._actions if a.option_strings}
    found = [(f'{name} --help', 0, r"^usage: (?!.*(\(default: \)|\(default: False\)|''))"),
             (f'{name} --version', 0, r'^multiface_dam [\d.]+ \(Python [\d.]+, torch \S+\)\n$'),
             (f'{name} --no_such_option', 2, r'^error: there is no option --no_such_option')]
    mistyped = max(options, key=len)
    swapped = mistyped.replace('_', '-')[:-2] + mistyped[:-3:-1]
    found += [(f'{name} --{swapped}', 2, rf'there is no option --{swapped}; did you mean .*--{mistyped}')]
    found += [(f'{name} --{dest} {n}', 2, rf'^error: --{dest}: expected a whole number, 0 or more, found {re.escape(n)}\n')
              for dest in options.keys() & {'workers', 'seed', 'iterations', 'batch_size', 'port'} for n in ('-1', 'two', '1.5')]
    if 'workers' in options and '(default 0: what suits the machine' not in options['workers'].help:
        found += [(f'{name} --help', 0, 'in --workers: what 0 means')]
    return found

def faults(functions: dict, only: str):
    "What went otherwise than a case says, one after the other"
    with tempfile.TemporaryDirectory() as folder:
        places = prepare(Path(folder))
        def full(text): return re.sub('|'.join(places), lambda m: str(places[m[0]]), text)
        def short(text):
            text = text.replace(str(Path(folder).resolve()), folder)
            for name in ('CAP', 'OUT'): text = text.replace(str(places[name]), name)
            return text
        todo = [c for c in cases if c[0].split()[0].startswith(only)]
        for name in functions:
            if name.startswith(only): todo += everywhere(name, functions[name])
        for line, status, says in todo:
            words, began = shlex.split(full(line)), time.monotonic()
            got = call(functions[words[0]], words, Path(folder)/'said')
            said = short((Path(folder)/'said').read_text(errors='replace'))
            good = got == status and re.search(says, said, re.S) and 'Traceback' not in said
            print(f"{'ok' if good else 'FAILED':7}{time.monotonic() - began:5.1f} s  {line}", flush=True)
            if not good: yield f'{line}\n  status {got}, expected {status}; expected {says!r} in:\n' + said[-1500:]
        if left := [p for p in (places['CAP']).iterdir() if p.name in ('run', 'pack', 'grid', 'videos', 'last.pt')]:
            yield f'in the capture: {left}'

def start(*args) -> subprocess.Popen:
    "dam_ablate, in a process and a group of its own"
    code = 'from multiface_dam.judge.ablation import dam_ablate; dam_ablate()'
    return subprocess.Popen([sys.executable, '-c', code, *map(str, args)], text=True, start_new_session=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

def drill(number: int, to_all: bool):
    "What went wrong where a grid of two workers gets a signal, alone or with its workers, and is called again"
    from multiface_dam.base.files import locked
    from multiface_dam.training.run import read_checkpoint
    with tempfile.TemporaryDirectory() as folder:
        places = prepare(Path(folder))
        out = places['OUT']/'grid'
        few = '--archs base,non --splits 2 --seeds 0 --device cpu --workers 2 --n_latent 8 --batch_size 4 --iterations 150'
        same = out, '--capture', places['CAP'], *few.split()
        runs = [out/'runs'/f'{arch}-2-seed0' for arch in ('base', 'non')]
        first = start(*same)
        def lines(run): return (run/'log.csv').read_text().count('\n') if (run/'log.csv').exists() else 0
        while first.poll() is None and min(map(lines, runs)) < 2: time.sleep(.05)
        (os.killpg if to_all else os.kill)(first.pid, number)
        said, _ = first.communicate(timeout=600)
        if first.returncode in (0, None) or 'Traceback' in said: yield f'stopped: status {first.returncode}\n{said[-1500:]}'
        for run in runs:
            until, free = time.monotonic() + 600, False
            while not free and time.monotonic() < until:
                try:
                    with locked(run/'.lock', 'busy'): free = True
                except ValueError: time.sleep(.1)
            if not free: yield f'{run}: somebody trains on'
        saved = [read_checkpoint(run/'last.pt')['iteration'] for run in runs]
        if min(saved) < 20: yield f'{saved} iterations are saved, 20 were made'
        second = start(*same)
        said, _ = second.communicate(timeout=600)
        if second.returncode or 'report: ' not in said or 'Traceback' in said: yield f'called again: {second.returncode}\n{said[-1500:]}'

def homeless():
    "What goes wrong where no home is known, or one that cannot be written to"
    unknown = """import os, os.path
del os.environ['HOME']
known = os.path.expanduser
os.path.expanduser = lambda path: known(path) if 'HOME' in os.environ else path
"""
    with tempfile.TemporaryDirectory() as folder:
        places = prepare(Path(folder))
        env = dict(os.environ, HOME=str(places['OUT']/'file'/'home'), TMPDIR=folder)
        for name in ('XDG_CACHE_HOME', 'MPLCONFIGDIR', 'NUMBA_CACHE_DIR'): env.pop(name, None)
        for before in ('', unknown):
            code = f'{before}from multiface_dam.capture.check import dam_check; dam_check()'
            figure = places['OUT']/'map.png'
            done = subprocess.run([sys.executable, '-c', code, places['CAP'], '--figure', figure], env=env, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode or re.search('Traceback|Matplotlib created', done.stdout): yield done.stdout[-1500:]

if __name__ == '__main__':
    only = sys.argv[1] if len(sys.argv) > 1 else ''
    found = [*faults(console_scripts(), only), *(() if only else homeless())]
    for number, to_all in () if only else ((signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGKILL, False)):
        began = time.monotonic()
        wrong = [f'{signal.Signals(number).name}: {f}' for f in drill(number, to_all)]
        print(f"{'FAILED' if wrong else 'ok':7}{time.monotonic() - began:5.1f} s  {signal.Signals(number).name} "
              f"to {'a grid and its workers' if to_all else 'a grid'}", flush=True)
        found += wrong
    print('\n'.join(['', *found, f'{len(found)} failed']))
    sys.exit(bool(found))
