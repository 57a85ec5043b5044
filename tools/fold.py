"""Folds the cells that interrupt a notebook's story; a click on the line that is left of one opens it.

    python tools/fold.py    folds and unfolds by the rules of `folds`; tools/check.py pictures compares
"""
import json, re
from pathlib import Path

LONG = 12           # lines of a definition
LONG_TEST = 3       # of a test, or anything else that shows nothing
LONG_PLOT = 16      # lines of code above a picture
root = Path(__file__).resolve().parent.parent
notebooks = sorted(p for p in (root/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)

def is_picture(output: dict) -> bool:
    "An image, a widget, or something that is drawn in HTML?"
    kinds = output.get('data', {})
    return any(k == 'text/html' or k.startswith(('image/', 'application/vnd.jupyter.widget')) for k in kinds)

def folds(cell: dict) -> bool:
    "Does this code stand between a reader and what he came for?"
    lines, shown = [line.rstrip() for line in cell['source'] if line.strip()], cell['outputs']
    if shown: return any(map(is_picture, shown)) and len(lines) > LONG_PLOT
    if any(re.match(r'#\|\s*(export|default_exp)', line) for line in lines):
        code = [line for line in lines if not line.startswith('#')]
        return len(lines) > LONG or all(re.match(r'(import|from|    \S|\))', line) for line in code)
    return len(lines) > LONG_TEST

def is_folded(cell: dict) -> bool:
    return bool(cell['metadata'].get('jupyter', {}).get('source_hidden'))

def code_cells(book: dict):
    return [c for c in book['cells'] if c['cell_type'] == 'code']

def fold(path: Path):
    "Writes the notebook anew where a cell changes"
    book = json.loads(path.read_text(encoding='utf-8'))
    changed = [c for c in code_cells(book) if folds(c) != is_folded(c)]
    for cell in changed:
        if folds(cell): cell['metadata']['jupyter'] = dict(source_hidden=True)
        else: del cell['metadata']['jupyter']
    text = json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True) + '\n'
    if changed: path.write_text(text, encoding='utf-8')

if __name__ == '__main__':
    for p in notebooks: fold(p)
