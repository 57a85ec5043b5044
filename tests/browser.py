"""The explorer, the capture browser and a report's table as a person meets them: in JupyterLab and as a page of its own,
in a real browser, from a phone to a wide screen, light and dark.

    python tests/browser.py [--shots FOLDER] [--only reports|look|lab|page] [--notebook nbs/show/01_explorer.ipynb] [--failures FOLDER]

Starts its own servers on copies of the notebooks, with empty settings of their own; the checkout stays as it is.
Needs playwright, jupyterlab and voila, and a Chromium or Chrome on PATH. Prints a line per check, at the end
"N passed, M failed", and exits with 1 if any failed; what the browser showed by then, and the end of the server's log,
are kept in a folder named there.
"""
import argparse, json, os, re, secrets, shlex, shutil, signal, socket, subprocess, sys, tempfile, time
import urllib.error, urllib.request
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright, Error as BrowserError

REPO = Path(__file__).resolve().parent.parent
WAIT = 30       # s, for any one thing to happen after a click or a key
SERVER = 120    # s, for a server to answer
START = 400     # s, for a notebook to run, or a page to appear
PANES = {
    'loss': 'Loss slider',
    'replay': 'Training replay',
    'live': 'Live model',
    'arch': 'Architectures'}
# what is no fault of the explorer's: addresses elsewhere (no network is needed, and none is given), other people's
# extensions, and what a page asks a kernel before any widget exists
HARMLESS = re.compile(
    r'Failed to load resource.*https?://(?!127\.0\.0\.1)|/labextensions/(?!@jupyter-widgets)|favicon'
    r'|ResizeObserver loop|No such comm', re.I | re.S)

# --- counting

class Results:
    "Counts checks, prints a line for each, and keeps what was on the screen when one failed."
    def __init__(self, keep):
        self.passed, self.failed, self.keep, self.screen, self.log = 0, 0, Path(keep), None, None

    @contextmanager
    def check(self, name):
        "A block is a check: it passes unless it raises. Put remarks into the list that it gives."
        began, remarks = time.time(), []
        try: yield remarks
        except (AssertionError, BrowserError, OSError) as e:
            self.failed += 1
            said = str(e).strip() or type(e).__name__
            print(f'FAILED  {name} ({time.time() - began:.1f} s): {said}', flush=True)
            self.save(re.sub(r'\W+', '_', name).strip('_'))
        else:
            self.passed += 1
            said = ', '.join([f'{time.time() - began:.1f} s', *remarks])
            print(f'ok      {name} ({said})', flush=True)

    def save(self, name):
        if not self.keep.exists(): print(f'        screen and log of each failure: {self.keep}')
        self.keep.mkdir(parents=True, exist_ok=True)
        if self.screen:
            try: self.screen.screenshot(path=self.keep / f'{name}.png', timeout=10_000)
            except BrowserError as e: print(f'        (no screenshot: {str(e).splitlines()[0]})')
        if self.log and self.log.exists():
            end = self.log.read_text(errors='replace').splitlines()[-200:]
            (self.keep/f'{name}.log').write_text('\n'.join(end))

# --- servers

def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]

def environment(home):
    "Nobody's settings but our own: every folder that Jupyter and IPython look into is a new, empty one."
    foreign = 'JUPYTER', 'IPYTHON', 'VOILA', 'MPL'
    env = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    for k in ('TMPDIR', 'JUPYTER_CONFIG_DIR', 'JUPYTER_DATA_DIR', 'JUPYTER_RUNTIME_DIR', 'IPYTHONDIR',
              'JUPYTERLAB_SETTINGS_DIR', 'JUPYTERLAB_WORKSPACES_DIR'):
        env[k] = str(home/k.lower())
        Path(env[k]).mkdir(parents=True)
    quiet = home/'jupyterlab_settings_dir/@jupyterlab/apputils-extension/notification.jupyterlab-settings'
    quiet.parent.mkdir(parents=True)
    quiet.write_text(json.dumps(dict(fetchNews='false', checkForUpdates=False, doNotDisturbMode=True)))
    tools = str(Path(sys.executable).parent)  # where this interpreter's console scripts are
    path = tools + os.pathsep + env.get('PATH', '')
    return env | dict(PATH=path, JUPYTER_PREFER_ENV_PATH='1', NO_PROXY='127.0.0.1')

def copied(notebook, home):
    "A copy of the folder that a notebook lies in, for a notebook of the project of all its notebooks; the notebook's path in it."
    nbs = REPO/'nbs'
    top = nbs if nbs in notebook.parents else notebook.parent
    shutil.copytree(top, home/'nbs', ignore=shutil.ignore_patterns('.*'))
    return notebook.relative_to(top).as_posix()

def shorten(notebook, call):
    "Drops the cells after the first that ends with `call`: they are run elsewhere, by nbdev_test. How many are left to run."
    nb = json.loads(notebook.read_text('utf-8'))
    sources = [''.join(c['source']) for c in nb['cells']]
    end = next((i for i, s in enumerate(sources) if s.endswith(call)), None)
    if end is None: raise OSError(f'{notebook.name}: no cell ends with {call}')
    nb['cells'] = nb['cells'][:end + 1]
    notebook.write_text(json.dumps(nb), 'utf-8')
    return sum(c['cell_type'] == 'code' and bool(s.strip()) for c, s in zip(nb['cells'], sources))

@contextmanager
def server(command, url, cwd, env, log):
    "Runs `command` until the block ends; waits until `url` answers."
    with open(log, 'w') as out:
        p = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out,
                             stderr=subprocess.STDOUT, start_new_session=True)
    try:
        until = time.time() + SERVER
        while True:
            name = Path(command[0]).name
            if p.poll() is not None: raise OSError(f'{name} ended with {p.returncode}:\n{log.read_text()[-2000:]}')
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except urllib.error.HTTPError: break      # it answers
            except OSError:
                if time.time() > until: raise OSError(f'{name} did not answer within {SERVER} s') from None
                time.sleep(.2)
        yield
    finally:
        stop(p, url)

def stop(p, url):
    "Asks the whole group to end, so that servers stop their kernels; then insists."
    def tell(s):
        try: os.killpg(p.pid, s)
        except ProcessLookupError: pass
    tell(signal.SIGTERM)
    end = time.time() + 15
    while time.time() < end:
        if p.poll() is not None:
            try: urllib.request.urlopen(url, timeout=2).close()
            except urllib.error.HTTPError: pass
            except OSError: break
        time.sleep(.2)
    tell(signal.SIGKILL); p.wait()

# --- what a person sees and does

# in the page: text and pixels below an element, as a short string (an Image widget has a new address for each update)
LOOK = '''async e => {
  const hash = s => {
    let h = s.length
    for (let i = 0; i < s.length; i += 5) h = (h * 33 ^ (s[i].codePointAt?.(0) ?? s[i])) >>> 0
    return h.toString(36) }
  const parts = [e.innerText.trim()]
  for (const i of e.matches('img') ? [e] : e.querySelectorAll('img')) {
    const bytes = i.src.startsWith('blob:') ? new Uint8Array(await (await fetch(i.src)).arrayBuffer()) : i.src
    parts.push(i.alt + hash(bytes)) }
  return parts.join('|') }'''
DRAWN = '''e => { const all = e.matches('img') ? [e] : [...e.querySelectorAll('img')]
  return all.length > 0 && all.every(i => i.complete && i.naturalWidth > 1 && i.getBoundingClientRect().width > 8) }'''
# in the page: milliseconds from the next key press to the first new picture that is decoded
STOPWATCH = '''e => { window.damTook = null; let t0
  addEventListener('keydown', () => { t0 ??= performance.now() }, {capture: true, once: true})
  const o = new MutationObserver(async () => { o.disconnect()
    await Promise.all([e, ...e.querySelectorAll('img')].map(i => i.decode?.().catch(() => 0)))
    window.damTook = performance.now() - t0 })
  o.observe(e, {subtree: true, childList: true, attributes: true}) }'''

# in the page: what lies over something else, is cut, off the screen, scrolls within, or is too pale to be read
LAYOUT = '''root => { const seen = [], bad = []
  const name = e => (e.closest('[class*=dam-]') ?? root).className.match(/dam-[a-z-]+/)
  const shades = c => c.match(/[\\d.]+/g).map(Number)
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .04045 ? v/12.92 : ((v + .055)/1.055)**2.4)
    return .2126*r + .7152*g + .0722*b }
  const behind = e => { for (; e; e = e.parentElement) { const c = shades(getComputedStyle(e).backgroundColor)
    if (c.length < 4 || c[3] > .9) return c }
    return [255, 255, 255] }
  const pale = (what, e) => { let seen = 1; for (let a = e; a; a = a.parentElement) seen *= getComputedStyle(a).opacity
    const paper = behind(e), ink = shades(getComputedStyle(e).color).slice(0, 3).map((v, i) => seen*v + (1 - seen)*paper[i])
    const [low, high] = [light(ink), light(paper)].sort((a, b) => a - b)
    if ((high + .05)/(low + .05) < 3) bad.push(`${what} is too pale`) }
  const cut = (what, e, r) => { let inside = true, scrolls = false
    const within = e.parentElement.closest('.dam-scroll')    // may be moved sideways
    if (!within && (r.left < -2 || r.right > innerWidth + 2)) bad.push(`${what} is off the screen`)
    for (let a = e.parentElement; a; a = a.parentElement) { const s = getComputedStyle(a), q = a.getBoundingClientRect()
      if (s.display == 'contents') continue
      scrolls ||= a == within
      const over = s.overflowX != 'visible' && (r.left < q.left - 2 || r.right > q.right + 2)
      const below = inside && s.overflowY != 'visible' && (r.top < q.top - 2 || r.bottom > q.bottom + 2)
      if (over && !scrolls || below) return bad.push(`${what} is cut`)
      if (a == root) inside = false } }
  const add = (what, e, r) => { if (r.width > 1 && r.height > 1) { seen.push([what, e, r]); cut(what, e, r) } }
  const parts = '.widget-label, .widget-readout, .lm-TabBar-tabLabel, .noUi-base, .noUi-handle, .dam-scroll'
  for (const e of root.querySelectorAll(`${parts}, select, input, button, img, audio`)) {
    if (!e.checkVisibility()) continue
    const text = e.innerText?.split('\\n')[0].trim() || e.className || e.tagName
    const what = e.matches('img') ? `picture "${e.alt}"` : e.matches('select') ? `drop-down ${name(e)}` : `"${text}"`
    add(what, e, e.getBoundingClientRect())
    if (e.matches('select') && e.selectedIndex < 0) bad.push(`${what} shows nothing`)
    if (e.matches('.widget-label, .widget-readout, .lm-TabBar-tabLabel')) {
      pale(what, e)
      if (e.scrollWidth > e.clientWidth + 1) bad.push(`${what} is cut`) } }
  for (const h of root.querySelectorAll('.widget-html-content')) {
    const walk = document.createTreeWalker(h, NodeFilter.SHOW_TEXT); let t
    if (h.checkVisibility()) while (t = walk.nextNode()) if (t.data.trim() && t.parentElement.checkVisibility()) {
      const r = document.createRange(), what = `text "${t.data.trim().slice(0, 40)}"`; r.selectNodeContents(t)
      pale(what, t.parentElement)
      for (const b of r.getClientRects()) add(what, t.parentElement, b) } }
  seen.forEach(([a, e, r], i) => { for (const [b, f, q] of seen.slice(i + 1)) {
      if (e.contains(f) || f.contains(e)) continue
      const width = Math.min(r.right, q.right) - Math.max(r.left, q.left)
      const height = Math.min(r.bottom, q.bottom) - Math.max(r.top, q.top)
      if (width > 4 && height > 4) bad.push(`${a} and ${b} overlap`) } })
  return [...new Set(bad)] }'''
PLACES = '''e => [innerWidth, ...[...e.querySelectorAll('*')].map(c => { const r = c.getBoundingClientRect()
  return Math.round(r.x) + 7*Math.round(r.y) + 49*Math.round(r.width) })].join()'''
# windows: a phone, half a laptop's screen, a laptop, a wide screen
SIZES = {390: 844, 800: 720, 1280: 720, 1600: 900}

# in the page: controls that say nothing of what they are for where the mouse rests on them, or say "null"
SILENT = """root => { const bad = []
  for (const e of root.querySelectorAll('.widget-label, .widget-readout, select, input, button, .noUi-base')) {
    if (!e.checkVisibility()) continue
    const title = e.closest('[title]')?.title
    if (title && title !== 'null') continue
    const name = e.closest('[class*=dam-]').className.match(/dam-[a-z0-9-]+/)
    bad.push(`${name} says ${title ?? 'nothing'} on its ${e.className || e.tagName}`) }
  return bad }"""

class Explorer:
    "The explorer (or the capture browser) on a page: its controls, found by class and worked with keys and mouse, and what changes."
    def __init__(self, page, root='dam-explorer'):
        self.page, self.root, self.trouble, self.times = page, root, [], {}
        self.replies = dict(kernel_info_reply=0, execute_reply=0)
        page.on('pageerror', lambda e: self.note('uncaught in the page', str(e)))
        page.on('console', self.console)
        page.on('websocket', lambda ws: ws.on('framereceived', self.frame))

    def console(self, message):
        "A message on the page's console"
        if message.type == 'error': self.note('console', f'{message.text} {message.location.get("url", "")}')

    def note(self, where, text):
        if not HARMLESS.search(text): self.trouble.append(f'{where}: {text.strip()[:600]}')

    def frame(self, data):
        "A message from the kernel. A handler that raises says so only there: no cell shows it."
        if not isinstance(data, bytes): data = data.encode()
        kind = re.search(rb'"msg_type": ?"(\w+)"', data)
        kind = kind[1].decode() if kind else ''
        if kind in self.replies: self.replies[kind] += 1
        if kind == 'error' or kind == 'stream' and re.search(rb'"name": ?"stderr"', data):
            text = re.search(rb'"(?:evalue|text)": ?"((?:[^"\\]|\\.)*)"', data)
            self.note('kernel', (text[1] if text else data).decode(errors='replace'))

    @property
    def box(self): return self.page.locator(f'.{self.root} >> visible=true').first

    def __getitem__(self, name): return self.box.locator(f'.dam-{name}')

    def look(self, name): return self[name].first.evaluate(LOOK) if self[name].count() else None

    def until(self, condition, what, seconds=WAIT):
        "Polls until `condition()` is true; an error that shows up meanwhile ends the wait."
        end = time.time() + seconds
        while not condition():
            self.well()
            assert time.time() < end, f'{what}, even after {seconds} s'
            self.page.wait_for_timeout(50)

    def settled(self, names, quiet=.4):
        "Waits until what is shown has stopped changing."
        last, since, end = None, time.time(), time.time() + WAIT
        while time.time() - since < quiet:
            now = [self.look(n) for n in names]
            if now != last: last, since = now, time.time()
            assert time.time() < end, f'{", ".join(names)} keep changing'
            self.page.wait_for_timeout(50)
        return dict(zip(names, last))

    def changes(self, act, outputs, some=()):
        "Does `act`; every one of `outputs`, and at least one of `some`, has to change."
        before = self.settled([*outputs, *some])
        act()
        def other(n): return self.look(n) != before[n]
        for n in outputs: self.until(lambda: other(n), f'dam-{n} does not change')
        if some: self.until(lambda: any(map(other, some)), f'nothing changes in {", ".join(some)}')
        for n in (*outputs, *some):
            if n.endswith('images'): self.drawn(n)
        self.well()

    def drawn(self, name):
        "Waits until all pictures below an element are there."
        self.until(lambda: self[name].first.evaluate(DRAWN), f'dam-{name} shows no picture')

    def well(self):
        "No error is shown, and none was raised behind the scenes."
        for e in self['error'].all(): assert not (t := e.inner_text().strip()), f'dam-error says: {t}'
        broken = re.compile('Error displaying widget|Failed to load model class|Error rendering')
        bad = self.page.get_by_text(broken)
        assert not [b for b in bad.all() if b.is_visible()], 'a widget is not displayed'
        trouble, self.trouble = self.trouble, []
        assert not trouble, '; '.join(trouble)

    def pane(self, title):
        self.page.locator('.dam-explorer .lm-TabBar-tab', has_text=title).first.click()

    def slide(self, name, key='ArrowRight', timed=None):
        "Presses a key on a slider's handle; at its end, the other way round."
        handle = self[name].locator('.noUi-handle').first
        handle.scroll_into_view_if_needed()
        handle.focus()
        low, high, now = (float(handle.get_attribute(f'aria-value{k}')) for k in ('min', 'max', 'now'))
        if timed: self[timed].first.evaluate(STOPWATCH)
        end, back = dict(ArrowRight=(high, 'ArrowLeft'), ArrowLeft=(low, 'ArrowRight'))[key]
        handle.press(back if now == end else key)

    def drag(self, name):
        "Drags a slider's handle with the mouse to the middle, or away from it."
        self[name].first.scroll_into_view_if_needed()
        handle, rail = (self[name].locator(f'.noUi-{part}').first.bounding_box() for part in ('handle', 'base'))
        x = handle['x'] + handle['width']/2
        to = .5 if abs(x - rail['x'] - rail['width']/2) > .1*rail['width'] else .75
        mouse = self.page.mouse
        mouse.move(x, handle['y'] + handle['height']/2)
        mouse.down()
        mouse.move(rail['x'] + rail['width']*to, rail['y'] + rail['height']/2, steps=6)
        mouse.up()

    def choices(self, name): return self[name].locator('select option').all_inner_texts()

    def choose_next(self, name):
        select = self[name].locator('select').first
        select.click(trial=True)   # it can be reached
        at = select.evaluate('e => e.selectedIndex')
        assert at >= 0, 'the drop-down shows nothing'
        select.select_option(index=(at + 1) % len(self.choices(name)))

    def shoot(self, path, around=60):
        "A picture of the whole explorer, small enough for a README; what is around it has so many pixels in height."
        box, seen = self.box, self.page.viewport_size
        height = round(box.bounding_box()['height']) + around
        self.page.set_viewport_size(seen | dict(height=max(seen['height'], height)))
        for quality in (85, 75, 60, 45, 30):
            box.screenshot(path=path, type='jpeg', quality=quality)
            if path.stat().st_size < 200_000: break
        self.page.set_viewport_size(seen)

    def fits(self, sizes=SIZES, shots=None, quick=()):
        """Nothing is cut, covered, off the screen or too pale in windows of some widths.

        `quick` is seen without scrolling in a window of 720 pixels in height."""
        seen, bad = self.page.viewport_size, []
        for width in sizes:
            self.page.set_viewport_size(dict(width=width, height=SIZES[width]))
            self.steady()
            bad += [f'{width} px: {what}' for what in self.box.evaluate(LAYOUT)]
            top = self.box.bounding_box()['y']
            for n in quick if SIZES[width] == 720 else ():
                b = self[n].first.bounding_box()
                if (end := b['y'] + b['height'] - top) > 700: bad.append(f'{width} px: dam-{n} ends {end:.0f} pixels down')
            if shots:
                self.box.evaluate('e => e.scrollIntoView({block: "start"})')
                self.page.screenshot(path=f'{shots}_{width}.png')
        self.page.set_viewport_size(seen)
        self.steady()
        assert not bad, '; '.join(bad[:6]) + f' ({len(bad)} in all)'*(len(bad) > 6)

    def steady(self):
        "Waits until the window's new size has reached all that is in it."
        last, end = None, time.time() + WAIT
        while (now := self.box.evaluate(PLACES)) != last:
            assert time.time() < end, 'the layout keeps changing'
            last = now
            self.page.wait_for_timeout(120)

    def explained(self):
        "Every control says what it is for where the mouse rests on it."
        bad = self.box.evaluate(SILENT)
        assert not bad, '; '.join(bad[:4]) + f' ({len(bad)} in all)'*(len(bad) > 4)

    def took(self, name):
        self.until(lambda: self.page.evaluate('window.damTook') is not None, 'no new picture')
        self.times.setdefault(name, []).append(ms := self.page.evaluate('window.damTook'))
        return f'picture after {ms:.0f} ms'

# --- the tour: each pane, each control

# slider: what a drag changes; the picture that follows a single key (a step may show the same photos)
LIVE = ('blend', *(f'direction-{i}' for i in range(1, 6)), 'azimuth', 'elevation', 'distance')
SLIDERS = {
    'loss': {'loss-slider': (('loss-images', 'loss-numbers', 'loss-curve'), 'loss-curve')},
    'replay': {'replay-iteration': (('replay-images', 'replay-numbers', 'replay-curve'), 'replay-images')},
    # of these only the azimuth is sure to change the numbers: the nearest photo
    'live': {f'live-{k}': (('live-images', *['live-numbers']*(k == 'azimuth')), 'live-images') for k in LIVE},
    'arch': {'arch-iteration': (('arch-images', 'arch-numbers'), 'arch-images')}}
CHOICES = {
    'loss':   ('term', 'of', 'metric', 'arch', 'set', 'stage', 'region', 'split'),
    'replay': ('run', 'set', 'stage', 'view'),
    'live':   ('frame-a', 'frame-b', 'camera', 'model'),
    'arch':   ('set', 'stage', 'view', 'region')}
SHOWN = {
    'loss': ('loss-images', 'loss-numbers', 'loss-curve'),
    'replay': ('replay-images', 'replay-numbers', 'replay-curve'),
    'live': ('live-images', 'live-numbers'),
    'arch': ('arch-images', 'arch-numbers')}

def tour(x, results, where, sizes, shots=None):
    "Every pane: it is there, it fits, its sliders and choices change what is shown, nothing complains. Two failures in a pane are enough."
    for pane, title in PANES.items():
        there = False
        with results.check(f'{where}: {title} is shown'):
            x.pane(title)
            for n in SHOWN[pane]:
                x[n].first.wait_for(state='visible', timeout=WAIT*1000)
                if n.endswith('numbers'): x.until(lambda: x.look(n), f'dam-{n} is empty')
                else: x.drawn(n)
            x.well()
            there = True
        if not there: continue
        if shots: x.shoot(shots/f'explorer_{pane}.jpg')
        wide = f'{", ".join(map(str, sizes))} pixels'
        with results.check(f'{where}: {title}: nothing is cut, covered or off the screen at {wide}'):
            quick = ('loss-numbers', 'loss-curve') if pane == 'loss' and where == 'page' else ()
            x.fits(sizes, shots and shots/f'explorer_{pane}', quick)
            if 390 in sizes: on_a_phone(x, pane)
        with results.check(f'{where}: {title}: every control says what it is for'): x.explained()
        failed = results.failed
        for s, (outputs, first) in SLIDERS[pane].items():
            if results.failed > failed + 1: break
            with results.check(f'{where}: {title}: {s} by mouse and key') as remarks:
                x.changes(lambda: x.drag(s), outputs)
                x.changes(lambda: x.slide(s, timed=first), (first,))
                remarks.append(x.took(pane))
        for c in (f'{pane}-{c}' for c in CHOICES[pane]):
            if results.failed > failed + 1: break
            with results.check(f'{where}: {title}: {c}') as remarks:
                assert (n := len(x.choices(c))), 'there is nothing to choose'
                if n == 1: remarks.append('only one choice')
                else: x.changes(lambda: x.choose_next(c), (), SHOWN[pane])
        if pane == 'replay':
            with results.check(f'{where}: {title}: play and stop'):
                button = x['replay-play'].locator('button').first
                x.changes(button.click, SHOWN[pane])
                button.click()
                x.settled(SHOWN[pane], quiet=1.5)
                x.well()

# on a phone: the slider that is moved, the picture that follows, and whether both are seen at once
PHONE = {
    'loss': ('loss-slider', 'loss-images'), 'replay': ('replay-iteration', 'replay-images'),
    'live': ('live-blend', 'live-images'), 'arch': ('arch-iteration', 'arch-images')}

def on_a_phone(x, pane):
    "A slider by mouse, where its picture is seen with it"
    seen, (slider, picture) = x.page.viewport_size, PHONE[pane]
    x.page.set_viewport_size(dict(width=390, height=844))
    x.steady()
    x.changes(lambda: x.drag(slider), (picture,))
    x.settled((picture,))
    pair = x[slider].first, x[picture].locator('img').first
    ends = [e.evaluate('e => { const r = e.getBoundingClientRect(); return [r.top, r.bottom] }') for e in pair]
    low, high = min(min(ends)), max(map(max, ends))
    x.page.set_viewport_size(seen)
    x.steady()
    assert high - low < 844, f'dam-{slider} and its picture need {high - low:.0f} pixels in height'

@contextmanager
def lab(browser, results, work, notebook, root, call):
    "A copy of a notebook in JupyterLab, opened and run up to a call. Gives what can be driven, or None if it does not appear."
    home = work/root
    path = copied(notebook, home)
    n = shorten(home/'nbs'/path, call)
    port, token, results.log = free_port(), secrets.token_hex(8), work/f'{root}.log'
    url = f'http://127.0.0.1:{port}'
    command = [
        sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', '--ip=127.0.0.1', f'--port={port}',
        '--ServerApp.port_retries=0', f'--IdentityProvider.token={token}', f'--ServerApp.root_dir={home}/nbs',
        '--LabApp.news_url=', '--LabApp.expose_app_in_browser=True']
    running = server(command, f'{url}/api', home, environment(home/'settings'), results.log)
    with running, new_page(browser, results) as page:
        x = Explorer(page, root)
        with results.check(f'JupyterLab: opens {path}'):
            page.goto(f'{url}/lab/tree/{path}?token={token}', timeout=START*1000)
            page.locator('.jp-NotebookPanel .jp-Cell').first.wait_for(timeout=START*1000)
            x.until(lambda: x.replies['kernel_info_reply'], 'no kernel answers', START)
            page.locator('.jp-StatusBar-Widget', has_text='| Idle').wait_for(timeout=START*1000)
        with results.check(f'JupyterLab: runs up to {call}') as remarks:
            remarks.append(f'{n} cells')
            page.locator('.lm-MenuBar-itemLabel', has_text=re.compile('^Run$')).click()
            page.locator('.lm-Menu-itemLabel', has_text=re.compile('^Run All Cells$')).click()
            x.until(lambda: x.replies['execute_reply'] >= n, 'not every cell has ended', START)
            x.until(lambda: page.locator(f'.{root}').count(), f'{root} does not appear')
            errors = page.locator('[data-mime-type="application/vnd.jupyter.error"]').count()
            assert not errors, 'a cell ended with an error'
            x.well()
        yield x if page.locator(f'.{root}').count() else None

def in_lab(browser, args, results, work):
    "The explorer's notebook in JupyterLab: takes the tour."
    with lab(browser, results, work, args.notebook, 'dam-explorer', 'LossQualityExplorer()') as x:
        if not x: return {}
        tour(x, results, 'JupyterLab', IN_LAB)
        darken(x)
        for pane, title in PANES.items():
            with results.check(f'JupyterLab, dark: {title}: nothing is cut, covered or too pale'):
                x.pane(title)
                x.settled(SHOWN[pane])
                x.fits(IN_LAB, args.shots/f'dark_{pane}')
        return x.times

IN_LAB = 800, 1280, 1600    # beside the list of files

def darken(x):
    "JupyterLab's dark theme"
    x.page.evaluate("jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    x.page.locator('body[data-jp-theme-light=false]').wait_for(state='attached')

CAPTURE = """from pathlib import Path
import wave
from multiface_dam.synthetic.synthetic import synthesize
from multiface_dam.capture.look import CaptureBrowser
SMILE, SPOKEN = 'E008_Smile_Mouth_Closed', 'SEN_a_good_morrow_to_you_my_boy'
capture = synthesize(
    Path('capture').absolute(), preset='tiny', photo=(512, 334), tex_size=256, supersample=1,
    cameras=('400029', '400042', '400059'), segments={SMILE: 2, SPOKEN: 2}, progress=False)
(capture.root/'audio').mkdir()
with wave.open(str(capture.root/'audio'/f'{SPOKEN}.wav'), 'wb') as w:
    w.setparams((1, 2, 8000, 0, 'NONE', ''))
    w.writeframes(bytes(16000))
capture.photo_path(SPOKEN, '400042', capture.frames[-1][1]).write_bytes(b'damaged')
CaptureBrowser(capture)"""

def capture_notebook(folder):
    "A notebook of one cell: a synthetic capture with a damaged photo, in its browser."
    cell = dict(cell_type='code', id='capture', execution_count=None, metadata={}, outputs=[], source=CAPTURE)
    kernel = dict(display_name='python3', language='python', name='python3')
    folder.mkdir()
    path = folder/'capture.ipynb'
    path.write_text(json.dumps(dict(cells=[cell], metadata=dict(kernelspec=kernel), nbformat=4, nbformat_minor=5)))
    return path

def look(browser, args, results, work):
    "A synthetic capture with a damaged photo in its browser, in JupyterLab."
    with lab(browser, results, work, capture_notebook(work/'look'), 'dam-look', 'CaptureBrowser(capture)') as x:
        if not x: return {}
        shown = 'look-photo', 'look-texture', 'look-average', 'look-info'
        with results.check('capture browser: photo, textures and numbers are shown; nothing is cut or covered'):
            for n in shown[:3]: x.drawn(n)
            assert 'azimuth' in x.look('look-info') and 'Missing' not in x.look('look-info')
            x.explained()
            x.well()
            x.shoot(args.shots/'look_browser.jpg', 260)
            x.fits(IN_LAB, args.shots/'look')
            x.box.evaluate("e => { e.style.width = '356px' }")    # as on a phone
            x.fits((1280,))
            x.box.evaluate("e => { e.style.width = '' }")
        with results.check('capture browser: frame by mouse and keys') as remarks:
            x.changes(lambda: x.slide('look-frame', timed='look-photo'), shown)
            remarks.append(x.took('look'))
            x.changes(lambda: x.drag('look-frame'), shown)
        with results.check('capture browser: toggles by mouse and space bar'): toggles(x)
        with results.check('capture browser: camera and segment by drop-down and button'):
            of_camera = 'look-photo', 'look-texture', 'look-info'
            x.changes(lambda: x.choose_next('look-camera'), of_camera)
            x.changes(x['look-camera-next'].first.click, of_camera)
            assert not x['look-sound'].locator('audio').count()
            x.changes(lambda: x.choose_next('look-segment'), shown)
            x['look-sound'].locator('audio').wait_for()
            x.well()
        with results.check('capture browser: a damaged photo is named in its place, the rest is shown'): damaged_photo(x)
        return x.times

def toggles(x):
    "What is shown and what is not."
    def toggle(n): x[f'look-{n}-on'].first.press(' ')
    x.changes(x['look-mesh-on'].first.click, ('look-photo',))
    x.changes(lambda: toggle('mesh'), ('look-photo',))
    for n in ('photo', 'zoom'):
        for _ in range(2): x.changes(lambda: toggle(n), ('look-photo',))
    for n in ('texture', 'average'):
        toggle(n)
        x.until(lambda: not x[f'look-{n}'].first.is_visible(), f'dam-look-{n} stays')
        toggle(n)
        x.drawn(f'look-{n}')
    all_of_them = 'photo', 'mesh', 'texture', 'average'
    for n in all_of_them: toggle(n)
    x.until(lambda: 'Everything is switched off' in x['look-photo'].inner_text(), 'it is not said that everything is off')
    for n in all_of_them: toggle(n)
    x.drawn('look-photo')
    x.well()

def damaged_photo(x):
    "The frame whose photo is damaged, and the one before it."
    x['look-camera'].locator('select').select_option('400042')
    if '2 of 2' not in x.look('look-info'): x.changes(x['look-frame-next'].first.click, ('look-info',))
    n = x['look-frame'].locator('.widget-readout').inner_text()
    x.until(lambda: f'400042/{n}.png' in x['look-photo'].inner_text(), 'the photo is not named')
    assert 'Missing' in x.look('look-info') and not x['look-photo'].locator('img').is_visible()
    assert x['look-texture'].first.evaluate(DRAWN)
    x.fits((1280,))
    x.well()
    x.changes(x['look-frame-previous'].first.click, ('look-photo',))
    assert x['look-photo'].first.evaluate(DRAWN) and 'Missing' not in x.look('look-info')

def as_page(browser, args, results, work):
    "Serves the explorer as a page of its own, takes the tour."
    home = work/'page'
    home.mkdir()
    port, results.log = free_port(), work/'page.log'
    command, url = [c.format(port=port) for c in shlex.split(args.page)], f'http://127.0.0.1:{port}/'
    running = server(command, url, home, environment(home/'settings'), results.log)
    with running, new_page(browser, results) as page:
        x = Explorer(page)
        with results.check('page: opens'):
            page.goto(url, timeout=START*1000)
            x.until(lambda: page.locator('.dam-explorer').count(), 'the explorer does not appear', START)
            x.well()
        if page.locator('.dam-explorer').count(): tour(x, results, 'page', SIZES, args.shots)
    return x.times

# in the page: what of a table cannot be seen, even when it is moved sideways
TABLE = '''t => { const bad = [], box = () => t.getBoundingClientRect(), cells = [...t.querySelectorAll('th, td')]
  if (document.documentElement.scrollWidth > innerWidth) bad.push('the page is wider than the window')
  if (innerWidth > 1000 && t.scrollWidth > t.clientWidth) bad.push('the table does not fit')
  for (const c of cells) if (c.scrollWidth > c.clientWidth + 1) bad.push(`"${c.innerText}" is cut`)
  t.scrollLeft = t.scrollWidth
  for (const row of t.rows) { const [first, last] = [row.cells[0], row.cells[row.cells.length - 1]].map(c => c.getBoundingClientRect())
    if (last.right > box().right + 1) bad.push('the last column is out of reach')
    if (first.left < box().left - 1 || first.left > box().left + 1) bad.push('the first column does not stay') }
  t.scrollLeft = 0
  return [...new Set(bad)] }'''

def reports(browser, args, results, work):
    "A wide table of a report, on a laptop and on a phone."
    from multiface_dam.base.page import html_head, html_table
    head = ['run', 'set', 'images', 'screen loss', 'texture loss', 'vertex loss', 'PSNR [dB]', 'JOD (VR headset)', 'what happened']
    numbers = '560', '0.1465', '0.1555 ± 0.0044', '(tracked)', '34.69', '8.48'
    rows = [['warp_integral-cam1-seed0', 'novel expression', *numbers, 'it ended early: out of memory, while the encoder was trained']]*3
    with new_page(browser, results) as page:
        for width, theme in ((1280, 'light'), (390, 'dark')):
            with results.check(f'report: a table of {len(head)} columns can be read at {width} pixels, {theme}'):
                page.emulate_media(color_scheme=theme)
                page.set_viewport_size(dict(width=width, height=SIZES[width]))
                page.set_content(html_head('Wide tables') + html_table(head, rows))
                page.screenshot(path=args.shots/f'report_{width}.png')
                bad = page.locator('table').evaluate(TABLE)
                assert not bad, '; '.join(bad)
    return {}

@contextmanager
def new_page(browser, results):
    page = browser.new_page(viewport=dict(width=1280, height=900), device_scale_factor=1)
    page.set_default_timeout(WAIT*1000)
    page.route(re.compile(r'^https?://(?!127\.0\.0\.1)'), lambda r: r.abort())
    results.screen = page
    try: yield page
    finally:
        results.screen = None
        page.close()

def chromium():
    for name in ('chromium', 'google-chrome', 'google-chrome-stable', 'chromium-browser', 'chrome'):
        if found := shutil.which(name): return found
    sys.exit('No Chromium or Chrome on PATH: install one, for example with "apt-get install chromium"')

def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--shots', type=Path, help='folder for pictures of the panes (default: a temporary one)')
    p.add_argument('--only', choices=('reports', 'look', 'lab', 'page'), help='one of these instead of all')
    p.add_argument('--notebook', type=Path, default=REPO/'nbs/show/01_explorer.ipynb')
    p.add_argument('--page', default='dam_explore --port {port} --no_browser', help='command that serves the page')
    p.add_argument('--failures', type=Path, default=Path(tempfile.gettempdir())/'explorer_failures',
                   help='folder for what is kept when a check fails')
    args = p.parse_args()
    args.notebook = args.notebook.resolve()
    return args

def main():
    args = arguments()
    # servers are stopped then, too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('ended by SIGTERM'))
    results, began = Results(args.failures.resolve()), time.time()
    with tempfile.TemporaryDirectory() as work, sync_playwright() as driver:
        work = Path(work)
        args.shots = (args.shots or work/'shots').resolve()
        args.shots.mkdir(parents=True, exist_ok=True)
        browser = driver.chromium.launch(executable_path=chromium(), timeout=60_000)
        try:
            for name, visit in dict(reports=reports, look=look, lab=in_lab, page=as_page).items():
                if args.only not in (None, name): continue
                try: times = visit(browser, args, results, work)
                except (OSError, BrowserError) as e:
                    with results.check(f'{name}: the server runs'): raise e
                else: report(times)
        finally: browser.close()
    print(f'{time.time() - began:.0f} s\n{results.passed} passed, {results.failed} failed')
    sys.exit(results.failed > 0)

def report(times):
    "How long it took from a key to the picture"
    for pane, ms in times.items():
        name = PANES.get(pane, 'Capture browser')
        print(f'        {name}: from key to picture {min(ms):.0f} to {max(ms):.0f} ms, {len(ms)} times')

if __name__ == '__main__': main()
