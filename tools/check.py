"""What a linter does not see: words, command lines, public names, README's example.

    python tools/check.py words        no notebook is named by its number or by its place
    python tools/check.py links        a link or picture of a notebook or page is there; README leads to every notebook
    python tools/check.py commands     every dam_... line in README, notebooks and messages parses
    python tools/check.py names        a public name is defined in one module, and documented in its notebook
    python tools/check.py outputs      a notebook has outputs, small ones, without warnings and without the state of widgets
    python tools/check.py pictures     a notebook begins with a picture, and folds what interrupts its story
    python tools/check.py example      README's Python runs as it is pasted

Each prints what it found, one line each, and exits with 1 if that is anything.
"""
import argparse, ast, contextlib, importlib, io, json, re, subprocess, sys, tempfile
from configparser import ConfigParser
from pathlib import Path
from unittest import mock

from fold import code_cells, folds, is_folded, is_picture

root = Path(__file__).resolve().parent.parent
notebooks = sorted(p for p in (root/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)
modules = sorted(p for p in (root/'multiface_dam').rglob('*.py') if p.name not in ('_modidx.py', '__init__.py'))

def cells(path: Path, kind: str):
    "Number and text of the cells of one kind"
    for i, cell in enumerate(json.loads(path.read_text())['cells']):
        if cell['cell_type'] == kind: yield i, ''.join(cell['source'])

def texts():
    "Where it is and what it says: prose, comments and strings of everything that a person reads"
    for p in [root/'README.md', root/'CONTRIBUTING.md']: yield p.name, p.read_text()
    for p in notebooks:
        for kind in ('markdown', 'code'):
            for i, text in cells(p, kind): yield f'{p.relative_to(root)}, cell {i}', text
    for folder in ('benchmarks', 'tools', 'tests'):
        for p in sorted((root/folder).glob('*.py')):
            if p != Path(__file__).resolve(): yield str(p.relative_to(root)), p.read_text()

# --- words

BY_NUMBER = re.compile(r'\b\d\d[a-d]?_(?!\d)[a-z]\w*\b(?!\.ipynb)')
BY_PLACE = re.compile(
    r'\b(?:next|previous|preceding|following|last|higher|lower)\s+notebooks?\b'
    r'|\bnotebooks?\s+(?:before|after|above|below|next)\b(?!\s+(?:it|they|you|a|the)\b)', re.I)

def words():
    "Notebooks are named, not numbered: numbers change when one is added; and a title is the name"
    for p in notebooks:
        _, title = next(cells(p, 'markdown'))
        name = re.sub(r'^\d\d_', '', p.stem)
        if p.stem != 'index' and not title.startswith(f'# {name}\n\n> '):
            yield f'{p.relative_to(root)}: the title is not # {name}, or no line "> ..." follows'
    for where, text in texts():
        for pattern in (BY_NUMBER, BY_PLACE):
            for m in pattern.finditer(text):
                yield f'{where}: {m[0]!r}: name the notebook, as `renderer` or [renderer](../rendering/00_renderer.ipynb)'

# --- links

def links():
    "Relative links of notebooks and pages lead somewhere"
    pages = [(root/n, n, (root/n).read_text()) for n in ('README.md', 'CONTRIBUTING.md')]
    pages += [(p, f'{p.relative_to(root)}, cell {i}', t) for p in notebooks for i, t in cells(p, 'markdown')]
    for path, where, text in pages:
        text = re.sub(r'^```.*?^```|`[^`\n]*`', '', text, flags=re.M | re.S)
        for target in re.findall(r'\]\(([^)\s]+)\)', text) + re.findall(r'src="([^"]+)"', text):
            file, _, _ = target.partition('#')
            if file and not re.match(r'[a-z]+:', file) and not (path.parent/file).exists(): yield f'{where}: {target}: not there'
    readme = (root/'README.md').read_text()
    for p in notebooks:
        if p.stem != 'index' and f']({p.relative_to(root)})' not in readme: yield f'README.md: no link to {p.relative_to(root)}'

# --- command lines

def parsers() -> dict:
    "The argument parser of each command"
    from multiface_dam.base.commands import command_parser
    config = ConfigParser(delimiters=['='])
    config.read(root/'settings.ini', encoding='utf-8')
    found = {}
    for line in config['DEFAULT']['console_scripts'].split():
        name, target = line.split('=')
        module, function = target.split(':')
        found[name] = command_parser(getattr(importlib.import_module(module), function))
    return found

ARGUMENT = r"""(?:[ ]+(?:\\\n[ ]*)?(?:--?\w[\w-]*(?:=\S+)?|[A-Z][A-Z_0-9]*\b|'[^'\n]*'|\{[^}\n]*\}|[\w.*/{}-]*[\w*/{}]))"""
LINE = re.compile(rf'\b(dam_[a-z]+)((?:{ARGUMENT})*)')

def strings(code: str):
    "Line and text of the strings of a Python file; what an f-string fills in is X"
    inside = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(v) for v in node.values}
            yield node.lineno, ''.join(v.value if isinstance(v, ast.Constant) else 'X' for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value

def shell_lines():
    "Where, command and arguments; prose in backticks, shell blocks, and strings of the modules"
    for p in [root/'README.md', root/'CONTRIBUTING.md']: yield from from_markdown(p.name, p.read_text())
    for p in notebooks:
        for i, text in cells(p, 'markdown'): yield from from_markdown(f'{p.relative_to(root)}, cell {i}', text)
    for p in modules:
        for line, text in strings(p.read_text()):
            for m in LINE.finditer(text): yield f'{p.relative_to(root)}:{line}', m[1], in_message(m[2])

def from_markdown(where: str, text: str):
    "Commands of shell blocks, whole lines, and of `code` in prose"
    for block in re.findall(r'^```(?:sh|bash|console)?\n(.*?)^```', text, re.M | re.S):
        for line in re.sub(r'\\\n', ' ', block).splitlines():
            for part in re.split(r'&&|;|\|', line.split('#')[0]):
                words = part.split()
                if words and words[0].startswith('dam_'): yield where, words[0], words[1:]
    for code in re.findall(r'`([^`\n]+)`', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S)):
        words = code.split()
        if words and re.fullmatch(r'dam_[a-z]+', words[0]) and '…' not in code and '...' not in code:
            yield where, words[0], words[1:]

PLACEHOLDER = re.compile(r"X[\w./-]*|[A-Z][A-Z_0-9./-]*|'[^']*'|[\w.-]*/[\w./X-]*|\d+")

def in_message(text: str) -> list:
    "The words after a command in a message, up to where prose begins again"
    found, value = [], False
    for word in text.split():
        option, placeholder = word.startswith('-'), PLACEHOLDER.fullmatch(word)
        if not option and not placeholder and not value: break
        found.append(word)
        value = option and '=' not in word
    return found

def commands():
    "A command line that the program would refuse"
    known = parsers()
    for where, name, args in shell_lines():
        if name not in known:
            if args: yield f'{where}: {name}: no such command'
            continue
        if not args or args == ['--help']: continue
        args = ['1' if a == 'X' else re.sub(r'^[\'"]|[\'"]$', '', a) for a in args]
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), mock.patch.object(sys, 'argv', [name, *args]): known[name].parse_args()
        except SystemExit:
            message = said.getvalue().removeprefix('error: ').partition('\n')[0]
            named = args[0].startswith('-')     # an option that prose names, as `dam_train --plugin FILE.py`
            if named and re.search('also required: |expected one argument', message): continue
            if re.search('expected a (whole )?number', message): continue      # a placeholder, as N
            if '--plugin' in args and 'there is no option' in message: continue   # the plugin may bring them
            yield f'{where}: {name} {" ".join(args)}: {message}'

# --- public names

def public(path: Path) -> list:
    "`__all__` of a module"
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == '__all__':
            return ast.literal_eval(node.value)
    return []

def names():
    "A public name has one meaning, and its notebook shows it at work"
    home, told = {}, {}
    for p in notebooks:
        default = next((m[1] for _, t in cells(p, 'code') if (m := re.search(r'^#\| default_exp (\S+)', t, re.M))), None)
        if default:
            rest = [t for _, t in cells(p, 'markdown')]
            rest += [t for _, t in cells(p, 'code') if not re.search(r'^#\|\s*exporti?\b', t, re.M)]
            told[default] = '\n'.join(rest)
    for p in modules:
        module = '.'.join(p.relative_to(root/'multiface_dam').with_suffix('').parts)
        for name in public(p):
            home.setdefault(name, []).append(module)
            if module in told and not re.search(rf'\b{name}\b', told[module]):
                yield f'{module}.{name}: public, but its notebook has no example'
    for name, where in home.items():
        if len(where) > 1: yield f'{name}: public in {" and ".join(where)}'
    print(f'{len(home)} public names in {len(modules)} modules')

# --- outputs

def outputs():
    "What a reader sees of a notebook without running it"
    for p in notebooks:
        book, where = json.loads(p.read_text()), p.relative_to(root)
        shown = [o for c in book['cells'] for o in c.get('outputs', [])]
        if not shown: yield f'{where}: no cell has an output; run it and commit what the reader should see'
        if any(o.get('name') == 'stderr' for o in shown): yield f'{where}: a warning or an error among the outputs'
        if 'widgets' in book['metadata']: yield f"{where}: the state of widgets; remove 'widgets' from its metadata"
        if (size := p.stat().st_size) > 1e6: yield f'{where}: {size/1e6:.1f} MB, 1 MB at most'

# --- pictures

MAX_LINES = 60      # that a reader sees before the first picture: two screens of a laptop

def lines_before_picture(book: dict) -> int:
    "Lines that show above the first picture; a folded cell is one"
    seen = 0
    for cell in book['cells']:
        text = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown':
            if re.search(r'!\[|<img|<svg', text): return seen
            # a paragraph is wrapped where a screen ends
            seen += sum(1 + len(line)//120 for line in text.splitlines() if line.strip())
            continue
        seen += 1 if is_folded(cell) else len(text.splitlines())
        if any(map(is_picture, cell['outputs'])): return seen
        shown = [o.get('text') or o.get('data', {}).get('text/plain', '') for o in cell['outputs']]
        seen += sum(len(''.join(t).splitlines()) for t in shown)
    return seen + MAX_LINES + 1

def pictures():
    "A reader sees within a screen or two what a notebook is about"
    for p in notebooks:
        book, where = json.loads(p.read_text()), p.relative_to(root)
        if any(folds(c) != is_folded(c) for c in code_cells(book)): yield f'{where}: run python tools/fold.py'
        if lines_before_picture(book) > MAX_LINES: yield f'{where}: no picture within the first {MAX_LINES} lines'

# --- README's example

def example():
    "Python blocks of README, together, as somebody would paste them into a file"
    blocks = re.findall(r'^```python\n(.*?)^```', (root/'README.md').read_text(), re.M | re.S)
    if not blocks: yield 'README.md has no Python example'
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, '-c', '\n'.join(blocks)], cwd=folder, capture_output=True, text=True)
    print(done.stdout, end='')
    if done.returncode: yield f"README's example ends with {done.returncode}:\n{done.stderr[-2000:]}"

if __name__ == '__main__':
    checks = dict(words=words, links=links, commands=commands, names=names, outputs=outputs,
                  pictures=pictures, example=example)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checks', nargs='+', choices=checks)
    found = [line for name in dict.fromkeys(parser.parse_args().checks) for line in checks[name]()]
    print('\n'.join(found))
    sys.exit(bool(found))
