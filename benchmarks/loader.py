"""Reading training data: samples a second of the release's loader, of PNG files read by threads, and of packs.

    python benchmarks/loader.py --release path/to/multiface --threads 16 --out loader.json

A synthetic capture at paper scale is written to a temporary folder: photos of 2048 x 1334 with sensor noise and
textures of 1024 squared, a few of them unique, the others hard links (of the files; a pack holds every sample for
itself). All of it is in the page cache, so what is measured is reading and decoding, not a disk; `cold` asks the
system to forget the pack's files first. `--release` is a checkout of github.com/facebookresearch/multiface: its
dataset.py is run as it is (np.str, which numpy dropped, is given back), in torch's DataLoader with as many worker
processes as we use threads; its batches are counted as they come out, in host memory; ours when they are on the
device. `--obj` may name a mesh (the release parses one in each worker).
"""
import argparse, importlib.util, json, os, platform, shutil, statistics, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path

import cv2, numpy as np, torch

from multiface_dam.base.geometry import Camera, Topology, look_at, read_obj, write_krt
from multiface_dam.capture.capture import (
    Capture, Statistics, photo_path, texture_path, topology_path, transform_path, verts_path,
    write_frame_list, write_mesh, write_photo, write_statistics, write_texture)
from multiface_dam.capture.dataset import CaptureDataset
from multiface_dam.capture.loader import batches, decodable
from multiface_dam.capture.pack import PackedDataset, pack


def noisy(h, w, seed, gain=.035, read=.7):
    "A shaded ellipse with fine structure on dark ground; noise of variance gain*x + read² levels²"
    r = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    rr = ((x - w / 2) / (.36 * w))**2 + ((y - h / 2) / (.42 * h))**2
    light = np.where(rr < 1, np.sqrt(np.maximum(1 - rr, 0)) * .8 + .2, .03).astype(np.float32)
    detail = cv2.GaussianBlur(r.standard_normal((h, w), np.float32), (0, 0), 1.5) * .06
    clean = (light * (1 + detail * (rr < 1)))[..., None] * np.float32([200, 150, 130])
    noise = r.standard_normal(clean.shape, np.float32) * np.sqrt(gain*clean + read**2)
    return np.clip(clean + noise + .5, 0, 255).astype(np.uint8)


def texture(T, seed):
    "The same as a texture, about half of it unseen"
    t = np.maximum(noisy(T, T, seed), 1)
    y, x = np.mgrid[0:T, 0:T] / T
    t[(x + .3 * np.sin(6 * y + seed) < .35) | ((x - .5)**2 + (y - .5)**2 > .24)] = 0
    return t


def sphere(n=86):
    "7,396 vertices, mm"
    v, u = (a.ravel() for a in np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n), indexing='ij'))
    a, h = (u - .5) * 2 * np.pi, (v - .5) * np.pi
    i = np.arange(n * (n - 1)).reshape(n - 1, n)[:, :-1].ravel()
    faces = np.concatenate([np.column_stack([i, i + 1, i + n]), np.column_stack([i + 1, i + n + 1, i + n])])
    verts = np.column_stack([90 * np.sin(a) * np.cos(h), 130 * np.sin(h), 90 * np.cos(a) * np.cos(h)])
    return verts.astype(np.float32), Topology(faces, np.column_stack([u, v]), faces)


def generate(root, size, T, cams, unique, frames, obj=None):
    "Write the capture: `unique` frames, linked to make `frames`"
    verts, topo = read_obj(obj) if obj else sphere()
    verts = verts - verts.mean(0)
    cameras, f = {}, 4.9*size[0]
    K = np.array([[f, 0, size[1]/2], [0, f, size[0]/2], [0, 0, 1.]])
    for k in range(cams):
        name, a = f'40{k:04d}', 2*np.pi*(k + .5)/cams
        place = look_at(np.array([1800*np.sin(a), 0, 1800*np.cos(a)]), np.zeros(3))
        cameras[name] = Camera(name, K, *place, size=size)
    write_krt(root/'KRT', cameras)
    s, names = 'E001_Synthetic', [f'{k:06d}' for k in range(frames)]
    write_frame_list(root, [(s, n) for n in names])

    def make(job):
        k, j = job
        if j == cams: write_texture(root, s, 'average', names[k], texture(T, 1000 * k + 999))
        else:
            c = list(cameras)[j]
            write_photo(root, s, c, names[k], noisy(*size, 1000*k + j))
            write_texture(root, s, c, names[k], texture(T, 1000*k + j))

    with ThreadPoolExecutor() as pool:
        list(pool.map(make, [(k, j) for k in range(unique) for j in range(cams + 1)]))
    r = np.random.default_rng(0)
    for k in range(unique):
        moved = verts + r.normal(size=3)
        write_mesh(root, s, names[k], moved, np.column_stack([np.eye(3), r.normal(size=3)]), topo)
    for k in range(unique, frames):
        for c in [*cameras, 'average']:
            for path in (texture_path,) if c == 'average' else (texture_path, photo_path):
                os.link(path(root, s, c, names[k % unique]), path(root, s, c, names[k]))
        for path in (verts_path, transform_path, topology_path):
            os.link(path(root, s, names[k % unique]), path(root, s, names[k]))
    mean = texture(T, 7).astype(np.float32)
    # mm², as the meshes differ: what an untrained model decodes stays a head
    write_statistics(root, Statistics(np.moveaxis(mean, -1, 0), 900., verts, 1.))
    return Capture(root, cache=False)


def rate(make_batches, seconds, device, least=1):
    "Samples a second of a stream of batches, the first left out"
    stream, n, t0 = iter(make_batches()), -1, None
    for k, batch in enumerate(stream):
        size = len(batch['cam_idx'])
        if k == 0:
            if device.type == 'cuda': torch.cuda.synchronize()
            t0, n = time.perf_counter(), 0
            continue
        n += size
        if k > least and time.perf_counter() - t0 > seconds: break
    if device.type == 'cuda': torch.cuda.synchronize()
    s = time.perf_counter() - t0
    if hasattr(stream, 'close'): stream.close()
    return n / s


def order(n, batch, seed=0):
    "Batches of shuffled samples, for ever"
    r = np.random.default_rng(seed)
    while True:
        p = r.permutation(n)
        yield from (p[i:i + batch] for i in range(0, n - batch + 1, batch))


def release_rate(folder, capture, threads, batch, seconds):
    "The release's own dataset in a DataLoader"
    np.str = str
    spec = importlib.util.spec_from_file_location('release_dataset', Path(folder) / 'dataset.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    root = capture.root
    with open(os.devnull, 'w') as nowhere, redirect_stdout(nowhere):
        d = module.Dataset(str(root), str(root/'KRT'), str(root/'frame_list.txt'), capture.tex_size)
    sampler = [b.tolist() for _, b in zip(range(4096), order(len(d), batch))]
    loader = torch.utils.data.DataLoader(d, batch_sampler=sampler, num_workers=threads)
    return rate(lambda: loader, seconds, torch.device('cpu'), least=max(threads, 2))


def main():
    a = arguments()
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    torch.set_num_threads(1)
    root = Path(tempfile.mkdtemp(dir=a.folder))
    try: rows = Rows(a, device, root).measure()
    finally: shutil.rmtree(root, ignore_errors=True)
    first = next((r['samples_per_second'] for r in rows if r['name'].startswith('release')), None)
    print(f'\n{"":46}samples/s   times the release')
    for r in rows:
        times = f'{r["samples_per_second"]/first:12.1f}' if first else ''
        print(f'{r["name"]:44}{r["samples_per_second"]:11.1f}{times}')


def arguments():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--release', help='checkout of the release; left out, only our times are taken')
    a.add_argument('--obj', help='a mesh with UVs')
    a.add_argument('--folder', help='where to write (default: a temporary folder)')
    a.add_argument('--threads', type=int, default=cores())
    a.add_argument('--frames', type=int, default=12)
    a.add_argument('--unique', type=int, default=2)
    a.add_argument('--cams', type=int, default=8)
    a.add_argument('--scale', type=int, default=1, help='divide photo and texture sizes by this')
    a.add_argument('--batch', type=int, default=16)
    a.add_argument('--seconds', type=float, default=2.5)
    a.add_argument('--only', help='comma-separated beginnings of the rows to measure: release, copy, files, pack')
    a.add_argument('--kinds', type=int, default=5, help='how many kinds of packs')
    a.add_argument('--out', help='JSON file')
    return a.parse_args()


def cores():
    "Processors that this process may use"
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()


def processor():
    "The processor's name"
    try: return next(l.split(':')[1].strip() for l in open('/proc/cpuinfo') if l.startswith('model name'))
    except (OSError, StopIteration): return platform.processor() or platform.machine()


class Rows:
    "What is measured, a row each; they are written after each"
    KINDS = {
        'pack': {},
        'pack --crop 0.05': dict(crop=.05),
        'pack --max_error 2': dict(max_error=2),
        'pack --jpeg 95 --max_error 2': dict(jpeg=95, max_error=2),
        'pack --codec raw': dict(codec='raw')}

    def __init__(self, a, device, root):
        self.a, self.device, self.root, self.rows, self.began = a, device, root, [], time.perf_counter()

    def measure(self):
        a, device, T = self.a, self.device, self.a.threads
        photo, tex = (2048//a.scale, 1334//a.scale), 1024//a.scale
        self.capture = generate(self.root/'capture', photo, tex, a.cams, a.unique, a.frames, a.obj)
        self.n = len(self.capture.samples)
        size = self.capture.cameras['400000'].size
        self.say(f'{self.n} synthetic samples, photos {size}, textures {self.capture.tex_size}')
        torch.zeros(1, device=device)
        if a.release and self.wanted('release'):
            value = release_rate(a.release, self.capture, T, a.batch, a.seconds*1.5)
            self.note(f'release, {T} workers', value, threads=T)
        if self.wanted('copy'): self.copy()
        if self.wanted('files'):
            raw = CaptureDataset(self.capture, raw=True)
            self.note(f'files (PNG), {T} threads', self.rate(raw, T), threads=T)
        for i, (name, kw) in enumerate(list(self.KINDS.items())[:a.kinds]):
            if self.wanted(name): self.packed(i, name, kw)
        return self.rows

    def say(self, text): print(f'[{time.perf_counter() - self.began:5.1f}s] {text}', flush=True)
    def wanted(self, name): return not self.a.only or name.startswith(tuple(self.a.only.split(',')))
    def wait(self):
        if self.device.type == 'cuda': torch.cuda.synchronize()

    def note(self, name, value, **more):
        self.rows.append(dict(name=name, samples_per_second=round(value, 1), **more))
        self.say(f'{name:44}{value:9.1f} samples/s' + ''.join(f'  {k} {v}' for k, v in more.items()))
        if not self.a.out: return
        gpu = torch.cuda.get_device_name() if self.device.type == 'cuda' else None
        found = dict(
            what='synthetic capture, hard links, in the page cache', size=[2048//self.a.scale, 1334//self.a.scale],
            tex_size=1024//self.a.scale, batch=self.a.batch, cores=cores(), gpu=gpu, cpu=processor(),
            torch=torch.__version__, rows=self.rows)
        Path(self.a.out).write_text(json.dumps(found, indent=1))

    def rate(self, data, threads, **options):
        def stream(): return batches(data, order(self.n, self.a.batch), self.device, threads, **options)
        return rate(stream, self.a.seconds, self.device, 2)

    def copy(self):
        "How fast threads copy in memory"
        T, big = self.a.threads, [np.ones(2**27, np.uint8) for _ in range(2)]
        t = time.perf_counter()
        with ThreadPoolExecutor(T) as pool:
            parts = [j << 23 for j in range(16)]*8
            list(pool.map(lambda k: np.copyto(big[1][k::1][:2**23], big[0][k:k + 2**23]), parts))
        print(f'copying in memory, {T} threads: {8*2**27/(time.perf_counter() - t)/1e9:.1f} GB/s', flush=True)

    def packed(self, i, name, kw):
        "A kind of pack, decoded in several ways"
        T, device, batch = self.a.threads, self.device, self.a.batch
        t = time.perf_counter()
        p = pack(self.capture, self.root/f'pack{i}', progress=False, **kw)
        t, d = time.perf_counter() - t, PackedDataset(p, raw=True)
        on_gpu = device.type == 'cuda' and decodable(d)
        more = dict(bytes_per_sample=int(sum(p.shards.values())/self.n), packed_per_second=round(self.n/t, 1))
        def measure(label, threads, decode, **more):
            value = self.rate(d, threads, decode=decode)
            self.note(f'{label}, {threads} threads', value, threads=threads, decoded_on=decode, **more)

        if on_gpu:
            for threads in (6, 2, 1) if i == 0 else (6,):
                measure(f'{name}, decoded on the GPU', min(threads, T), 'device', **more)
        if i == 0: by_threads = {T} if on_gpu else {1, T}
        else: by_threads = {T} if i in (3, 4) or not on_gpu else set()
        for threads in sorted(by_threads - {0}): measure(f'{name}, decoded by threads', threads, 'cpu', **more)
        if i == 0:
            forget(p)
            fresh = PackedDataset(p.root, raw=True)
            once = [b for _, b in zip(range(self.n//batch), order(self.n, batch))]
            t = time.perf_counter()
            for _ in batches(fresh, once, device, T): pass
            self.wait()
            self.note(f'{name}, cold, one pass', len(once)*batch/(time.perf_counter() - t), threads=T)
            if device.type == 'cuda':
                for decode in ('device', 'cpu'): compute(d, self.n, self.a, device, T, self.note, decode)
                measure(f'{name}, once more, decoded by threads', T, 'cpu')
        shutil.rmtree(p.root)


def forget(pack):
    "Ask the system to forget a pack's files"
    for file in pack.shards:
        with open(pack.root/file, 'rb') as f:
            os.fsync(f.fileno())
            if hasattr(os, 'posix_fadvise'): os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def compute(d, n, a, device, threads, note, decode, step_ms=10.):
    "Does a training step of 10 ms wait? The GPU is kept busy for that long a batch, without the loader and with it"
    x = torch.randn(4096, 4096, device=device, dtype=torch.bfloat16)
    def work(k):
        for _ in range(k): x @ x
    def timed(k):
        torch.cuda.synchronize()
        t = time.perf_counter()
        work(k)
        torch.cuda.synchronize()
        return time.perf_counter() - t
    timed(50)
    k = max(1, round(200 * step_ms * 1e-3 / timed(200)))
    alone = statistics.median(timed(k) for _ in range(9))
    note(f'a step of {1e3 * alone:.1f} ms alone', a.batch / alone)
    def steps():
        for batch in batches(d, order(n, a.batch), device, threads, decode=decode):
            work(k)
            torch.cuda.current_stream().synchronize()
            yield batch
    with_loader = rate(steps, a.seconds, device, 10)
    note(f'the same, fed by pack, decoded on {decode}', with_loader,
         share=round(with_loader * alone / a.batch, 3))


if __name__ == '__main__': main()
