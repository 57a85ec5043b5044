"""Opening a capture of half a million files: the release's dataset, `Capture` without and with its index, and a pack.

    python benchmarks/startup.py --release path/to/multiface --out startup.json

A tree in Multiface layout is made in a temporary folder: `--frames` frames of 38 cameras, every photo, texture and
mesh a hard link to one tiny file of its kind (a file has so many links that it is written again now and then). The
release asks the disk once for every average texture and every texture; `Capture` lists each folder once, and the
second time only asks each folder whether it changed; a pack is its own index. The number of questions is counted
beside the time, because on a network disk each one is a round trip, while the tree of this benchmark is local and in
the system's cache. The pack's shard is made of one tiny record written for every sample, which is what opening sees;
it cannot be trained on.
"""
import argparse, contextlib, importlib.util, io, json, os, shutil, sys, tempfile, time, zlib
from pathlib import Path
from unittest import mock

import numpy as np

from multiface_dam.base.geometry import Camera, Topology, look_at, write_krt
from multiface_dam.capture import pack as P
from multiface_dam.capture.capture import (
    Capture, Statistics, photo_path, texture_path, topology_path, transform_path, verts_path,
    write_frame_list, write_mesh, write_photo, write_statistics, write_texture)
from multiface_dam.capture.dataset import CaptureDataset


class Links:
    "Hard links to one file; a fresh copy where the file system allows no more"
    def __init__(self, path): self.path, self.n = path, 0
    def to(self, path):
        if self.n >= 60_000:
            new = self.path.with_name(f'{self.path.name}.{time.time_ns()}')
            shutil.copyfile(self.path, new)
            self.path, self.n = new, 0
        os.link(self.path, path)
        self.n += 1


def generate(root, frames, cams, segments=12, T=64, size=(16, 10)):
    "Write the tree; how many files"
    cameras, K = {}, np.array([[40., 0, size[1]/2], [0, 40., size[0]/2], [0, 0, 1]])
    for k in range(cams):
        name, a = f'40{k:04d}', 2*np.pi*k/cams
        place = look_at(np.array([900*np.sin(a), 0, 900*np.cos(a)]), np.zeros(3))
        cameras[name] = Camera(name, K, *place, size=size)
    write_krt(root/'KRT', cameras)
    names = [(f'E{k % segments:03d}_Segment', f'{k:06d}') for k in range(frames)]
    write_frame_list(root, names)
    seeds, verts = root.parent/'seeds', np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    topo = Topology(np.array([[0, 1, 2]]), np.array([[0, 0], [1, 0], [0, 1.]]), np.array([[0, 1, 2]]))
    write_photo(seeds, 's', 'c', 'f', np.full((*size, 3), 9, np.uint8))
    write_texture(seeds, 's', 'c', 'f', np.full((T, T, 3), 9, np.uint8))
    write_mesh(seeds, 's', 'f', verts, np.eye(3, 4), topo)
    photo, tex = (Links(path(seeds, 's', 'c', 'f')) for path in (photo_path, texture_path))
    bins, pose = (Links(path(seeds, 's', 'f')) for path in (verts_path, transform_path))
    for s in {s for s, _ in names}:
        for c in cameras: photo_path(root, s, c, 'x').parent.mkdir(parents=True)
        for c in [*cameras, 'average']: texture_path(root, s, c, 'x').parent.mkdir(parents=True)
        verts_path(root, s, 'x').parent.mkdir(parents=True)
    for s, f in names:
        for c in cameras:
            photo.to(photo_path(root, s, c, f))
            tex.to(texture_path(root, s, c, f))
        tex.to(texture_path(root, s, 'average', f))
        bins.to(verts_path(root, s, f))
        pose.to(transform_path(root, s, f))
    os.link(topology_path(seeds, 's', 'f'), topology_path(root, *names[0]))
    write_statistics(root, Statistics(np.full((3, T, T), 9., np.float32), 900., verts, 400.))
    return frames * (2 * cams + 3)


def fake_pack(capture, out):
    "A pack of the capture's size: one tiny record of each kind, for every sample"
    out.mkdir()
    record = {k: P.make_record(k, 0, -1 if k < 2 else 0, [np.zeros(16, np.uint8)]) for k in range(4)}
    shards = P.Shards(out, 2**30)
    def write(kind, row, cam):
        r = record[kind]
        h = r[:64].view(P.HEADER)
        h['row'], h['cam'] = row, cam
        h['crc'] = zlib.crc32(r[:60])
        shards.write(r)
    for row in range(len(capture.frame_list)):
        write(P.AVERAGE, row, -1)
        write(P.MESH, row, -1)
        for cam in range(len(capture.cameras)):
            write(P.TEXTURE, row, cam)
            write(P.PHOTO, row, cam)
    shards.close()
    options = dict(max_error=0, jpeg=0, tex_size=capture.tex_size)
    P.finish_pack(capture, out, P.plan_of(capture, capture.cameras, options), shards, [])


@contextlib.contextmanager
def questions(latency):
    "Count what Python code asks of the disk (stat, listing, opening); each waits so many seconds, as on a network disk"
    n = [0]
    def slow(f):
        def g(*a, **k):
            n[0] += 1
            if latency: time.sleep(latency)
            return f(*a, **k)
        return g

    asked = mock.patch('os.stat', slow(os.stat)), mock.patch('os.scandir', slow(os.scandir))
    with asked[0], asked[1], mock.patch('builtins.open', slow(open)): yield n


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--release', help='checkout of the release; left out, only our times are taken')
    a.add_argument('--frames', type=int, default=6000)
    a.add_argument('--cams', type=int, default=38)
    a.add_argument('--latency_ms', type=float, default=.5, help='of the simulated network disk')
    a.add_argument('--folder', help='where to write (default: a temporary folder)')
    a.add_argument('--out', help='JSON file')
    a = a.parse_args()
    root, rows = Path(tempfile.mkdtemp(dir=a.folder)), []

    def note(name, f):
        t = time.perf_counter()
        n = f()
        s, asked, slow = time.perf_counter() - t, None, None
        if not name.endswith('first time'):
            t = time.perf_counter()
            with questions(a.latency_ms / 1e3) as counter: f()
            asked, slow = counter[0], round(time.perf_counter() - t, 3)
        rows.append(dict(name=name, seconds=round(s, 3), samples=n, questions=asked, seconds_with_latency=slow))
        more = f'{asked:9,} questions; {slow:9.2f} s where each takes {a.latency_ms} ms more' if asked else ''
        print(f'{name:38}{s:9.3f} s {n:9,} samples{more}', flush=True)
    try:
        os.environ['XDG_CACHE_HOME'] = str(root/'cache')
        t = time.perf_counter()
        files = generate(root/'capture', a.frames, a.cams)
        print(f'{files:,} files written in {time.perf_counter() - t:.0f} s')
        capture, packed = root/'capture', root/'pack'
        def samples(folder, **options): return len(CaptureDataset(Capture(folder, **options)))
        if a.release: note('release: its dataset', release_samples(a.release, capture))
        note('Capture and dataset, no index', lambda: samples(capture, cache=False))
        time.sleep(2.1)    # folders that changed a moment ago are not kept in the index
        note('Capture and dataset, first time', lambda: samples(capture))
        note('Capture and dataset, with its index', lambda: samples(capture))
        fake_pack(Capture(capture), packed)
        note('pack and dataset', lambda: samples(packed))
    finally: shutil.rmtree(root, ignore_errors=True)
    if a.release:
        for k in ('seconds', 'seconds_with_latency'):
            times = [f'{r["name"]} {rows[0][k]/r[k]:.1f}' for r in rows[1:] if r[k]]
            print(f'times faster than the release, {k}: {", ".join(times)}')
    if a.out:
        found = dict(what='hard links to tiny files, local disk, cached', files=files, frames=a.frames, cameras=a.cams,
                     latency_ms=a.latency_ms, python=sys.version.split()[0], rows=rows)
        Path(a.out).write_text(json.dumps(found, indent=1))


def release_samples(folder, capture):
    "A function that opens the release's dataset and tells how many samples it has"
    np.str = str    # it was written for numpy below 1.24
    spec = importlib.util.spec_from_file_location('release_dataset', Path(folder)/'dataset.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    def opened():
        with contextlib.redirect_stdout(io.StringIO()):
            return len(module.Dataset(str(capture), str(capture/'KRT'), str(capture/'frame_list.txt'), 64))
    return opened


if __name__ == '__main__': main()
