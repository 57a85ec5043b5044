"""Writes README.md from nbs/index.ipynb; `--check` only compares. (nbdev_readme does this through Quarto, a program that pip
cannot install; this needs the standard library alone.)"""
import json, re, sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent

def from_root(text: str) -> str:
    "Links of a page in nbs, as they read one folder higher"
    return re.sub(r'\]\((?!\w+:|#)(?:\.\./)?', lambda m: '](' if '..' in m[0] else '](nbs/', text)

def cell_text(cell: dict) -> str:
    "A cell as markdown: prose as it is, code fenced, text outputs below it; nothing of a hidden cell"
    source = ''.join(cell['source'])
    if cell['cell_type'] == 'markdown': return from_root(source)
    hidden = re.search(r'^#\|\s*(hide|default_exp)', source, re.M)
    if cell['cell_type'] != 'code' or hidden or not source.strip(): return ''
    parts = [] if '#| echo: false' in source else [f'```python\n{source}\n```']
    for out in cell.get('outputs', []):
        data = out.get('data', {})
        if 'text/markdown' in data: parts.append(from_root(''.join(data['text/markdown'])))
        else:
            text = ''.join(out.get('text', data.get('text/plain', '')))
            if text.strip(): parts.append('```\n' + text.rstrip() + '\n```')
    return '\n\n'.join(parts)

notebook = json.loads((root/'nbs/index.ipynb').read_text())
text = '<!-- made from nbs/index.ipynb by tools/readme.py: edit there -->\n\n' + '\n\n'.join(
    filter(None, map(cell_text, notebook['cells']))) + '\n'
if '--check' in sys.argv:
    if (root/'README.md').read_text() != text:
        sys.exit('README.md differs from nbs/index.ipynb: run python tools/readme.py')
else: (root/'README.md').write_text(text)
