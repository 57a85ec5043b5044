"""Do the tests notice a fault? Plants one at a time, and runs the notebook that it is in.

    python tools/planted_faults.py [WORD ...] [--workers N] [--list]

WORD: only faults whose module or words contain it. A fault is one replacement in an exported cell, in the notebook and in its module.
It is caught where the notebook fails; every notebook is run without a fault first. Takes about half a minute a fault and worker.
The faults are the table in tools/faults.txt. Exit status 1 if one was not caught.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 400     # seconds of a notebook
RUN = 'from nbdev.test import nbdev_test; nbdev_test(path={path!r}, n_workers=1, do_print=True)'

@dataclass(frozen=True)
class Fault:
    module: str     # 'base.geometry'
    about: str      # what is wrong, in a few words
    old: str        # text of an exported cell, found once
    new: str        # what stands there instead

    def notebook(self, root: Path) -> Path:
        "The notebook of the module"
        room, name = self.module.split('.')
        found = sorted((root/'nbs'/room).glob(f'[0-9][0-9]_{name}.ipynb'))
        if len(found) != 1: raise SystemExit(f'{self.module}: expected one notebook, found {len(found)}')
        return found[0]

    def files(self, root: Path) -> list:
        "Notebook and module"
        return [self.notebook(root), root/'multiface_dam'/f"{self.module.replace('.', '/')}.py"]

def read_faults(path: Path) -> list:
    "The table: a line '# module', then for each fault its words, the old text and the new one, apart by ' | '"
    faults, module = [], ''
    for n, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        if line.startswith('# '): module = line[2:].strip()
        elif line.strip() and not line.startswith('##'):
            parts = line.split(' ¦ ')
            if len(parts) != 3: raise SystemExit(f'{path}, line {n}: expected words ¦ old ¦ new, found {line!r}')
            words, old, new = parts
            faults.append(Fault(module, words.strip(), *(t.replace('⏎', '\n') for t in (old, new))))
    return faults

def exported(cell: dict) -> bool:
    "Is a cell's code in the module?"
    return cell['cell_type'] == 'code' and ''.join(cell['source']).startswith('#| export')

def plant(fault: Fault, root: Path):
    "Write the fault into the notebook and the module of a copy"
    path, module = fault.files(root)
    notebook = json.loads(path.read_text(encoding='utf-8'))
    cells = [c for c in notebook['cells'] if exported(c) and fault.old in ''.join(c['source'])]
    text = module.read_text(encoding='utf-8')
    times = sum(''.join(c['source']).count(fault.old) for c in cells), text.count(fault.old)
    if times != (1, 1):
        raise ValueError(f'expected {fault.old!r} once in exported cells and module, found {times}')
    source = ''.join(cells[0]['source']).replace(fault.old, fault.new)
    cells[0]['source'] = source.splitlines(True)
    path.write_text(json.dumps(notebook), encoding='utf-8')
    module.write_text(text.replace(fault.old, fault.new), encoding='utf-8')

def copy_tree(target: Path):
    "The working tree without what git ignores"
    names = subprocess.run(['git', 'ls-files', '-z', '-co', '--exclude-standard'], cwd=ROOT, capture_output=True)
    listed = [Path(n) for n in names.stdout.decode().split('\0') if n]
    if names.returncode:     # not a checkout
        everything = (p.relative_to(ROOT) for p in ROOT.rglob('*'))
        listed = [p for p in everything if not any(part.startswith('.') for part in p.parts)]
    for path in listed:
        if not (ROOT/path).is_file(): continue
        (target/path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT/path, target/path)

def run_notebook(notebook: Path, root: Path) -> tuple:  # status, seconds, last line that tells why
    "Run a notebook of a copy, by itself"
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get('PYTHONPATH')]))
    env = os.environ | dict(PYTHONPATH=paths, MPLBACKEND='agg', NUMBA_CACHE_DIR=str(root/'.numba'))
    command = [sys.executable, '-c', RUN.format(path=str(notebook))]
    began = time.time()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=root, env=env, stdout=log, stderr=log, start_new_session=True)
        try: status = process.wait(LIMIT)
        except subprocess.TimeoutExpired: status = 'did not end'
        try: os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError: pass
        process.wait()
        log.seek(0)
        lines = [line for line in log.read().decode(errors='replace').splitlines() if line.strip()]
    errors = [line for line in lines if 'Error' in line or 'Exception' in line]
    return status, time.time() - began, (errors or lines or [''])[-1].strip()[:150]

def try_fault(fault: Fault, root: Path) -> tuple:   # verdict, seconds, why
    "'caught', 'MISSED', or 'no place' where the text is not there any more"
    whole = {path: path.read_bytes() for path in fault.files(root)}
    try:
        plant(fault, root)
        status, seconds, why = run_notebook(fault.notebook(root), root)
    except ValueError as e: return 'no place', 0., str(e)
    finally:
        for path, data in whole.items(): path.write_bytes(data)
    return 'caught' if status else 'MISSED', seconds, why if status else ''

def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('words', nargs='*', help='only faults whose module or words contain one of these')
    parser.add_argument('--workers', type=int, default=os.cpu_count(), help='notebooks at a time')
    parser.add_argument('--list', action='store_true', help='the faults, and nothing run')
    options = parser.parse_args()
    faults = read_faults(ROOT/'tools'/'faults.txt')
    if options.words: faults = [f for f in faults if any(w in f'{f.module} {f.about}' for w in options.words)]
    if options.list:
        for f in faults: print(f'{f.module:24} {f.about}')
    if options.list or not faults: raise SystemExit(f'{len(faults)} faults')

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.workers) as pool:
        copies = Queue()
        for n in range(options.workers):
            copy_tree(Path(folder)/str(n))
            copies.put(Path(folder)/str(n))
        def with_copy(work, what):
            root = copies.get()
            try: return work(what, root)
            finally: copies.put(root)

        modules = {f.module: f for f in faults}
        def whole(fault, root): return run_notebook(fault.notebook(root), root)
        broken = {}
        for module, (status, seconds, why) in zip(modules, pool.map(lambda f: with_copy(whole, f), modules.values())):
            if status: broken[module] = why
            print(f"{'FAILS' if status else 'passes':9} {seconds:4.0f} s  {module}, without a fault  {why if status else ''}", flush=True)
        tried = [f for f in faults if f.module not in broken]
        counts = dict.fromkeys(('caught', 'MISSED', 'no place'), 0)
        for f, (verdict, seconds, why) in zip(tried, pool.map(lambda f: with_copy(try_fault, f), tried)):
            counts[verdict] += 1
            print(f'{verdict:9} {seconds:4.0f} s  {f.module}: {f.about}  ({why})', flush=True)
    skipped = len(faults) - len(tried)
    print(f"{len(faults)} faults: {counts['caught']} caught, {counts['MISSED']} missed, {counts['no place']} without a place, "
          f'{skipped} in notebooks that fail anyway')
    if skipped or counts['MISSED'] or counts['no place']: raise SystemExit(1)

if __name__ == '__main__': main()
