"""Renderer on a CPU: time of the forward and the forward + backward pass, beside DRTK's CPU kernels + grid_sample.

Without arguments it draws a sphere of about the size of a Multiface mesh. With a real mesh, calibration and the peer:

    python benchmarks/renderer_cpu.py --obj face_topology.obj --bin 021924.bin --krt KRT --drtk path/to/drtk \
        --out nbs/results/renderer_cpu.json

`--drtk` is the folder that holds the importable package `drtk` (built from github.com/facebookresearch/DRTK; the
package of that name on PyPI is another one); leave it out and only our times are taken. Rounds of all contestants
alternate, so that a busy machine is unfair to nobody; the table shows medians, and minima in brackets.
"""
import argparse, json, os, platform, statistics, sys, time
from pathlib import Path

import numba, numpy as np, torch
import torch.nn.functional as F

from multiface_dam.base.geometry import Topology, projection_matrix, read_krt, read_obj, read_verts, rig_v1
from multiface_dam.rendering.renderer import barycentrics, interpolate, rasterize, render, sample_texture, unwrap_texture

SIZE, TEX = (2048, 1334), 1024


def sphere(rows=77, cols=76):
    "A sphere the size of a head, with one UV rectangle: verts (V,3) mm, Topology."
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, cols), indexing='ij')
    a, h = (u - .5) * 2 * np.pi, (v - .5) * np.pi
    verts = 120 * np.stack([np.sin(a) * np.cos(h), 1.2 * np.sin(h), np.cos(a) * np.cos(h)], -1)
    n = np.arange(rows*cols).reshape(rows, cols)
    corners = np.stack([n[:-1, :-1], n[:-1, 1:], n[1:, 1:], n[1:, :-1]], -1).reshape(-1, 4)
    faces, uvs = corners[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3), np.stack([u, v], -1).reshape(-1, 2)
    return verts.reshape(-1, 3).astype(np.float32), Topology(faces, uvs, faces)


def place(camera, verts, topology, coverage=.78):
    "The camera's matrix for a head in front of it, upright, at the distance where it covers so much of the image."
    near, far = 300., 5000.
    verts = torch.from_numpy(verts)[None]
    upright = np.diag([1., -1, -1])    # mesh y up, camera y down
    middle = np.linalg.solve(camera.K, [SIZE[1]/2, SIZE[0]/2, 1])
    for _ in range(25):
        z = (near + far)/2
        center = camera.R.T @ (middle*z - camera.t)
        R = camera.R.T @ upright
        pose = np.c_[R, center - R @ verts[0].mean(0).numpy()]
        M = torch.from_numpy(projection_matrix(camera, pose, SIZE))[None]
        covered = float((rasterize(verts, topology, M, SIZE)[0] >= 0).float().mean())
        near, far = (z, far) if covered > coverage else (near, z)
    return M, covered


def ours(verts, tex, topology, M):
    image, mask = render(verts, tex, topology, M, SIZE)
    return image


class Drtk:
    "DRTK's stages, each on what the one before gave."
    def __init__(self, topology, M):
        import drtk
        self.drtk, self.M = drtk, M
        self.faces = torch.from_numpy(topology.faces)
        self.uvs = torch.from_numpy(topology.uvs)[None] * 2 - 1                  # for grid_sample
        self.uv_faces = torch.from_numpy(topology.uv_faces)

    def project(self, verts):
        "Pixels and depths; its pixel centres are integers."
        p = verts @ self.M[:, :, :3].mT + self.M[:, None, :, 3]
        return torch.cat([p[..., :2] / p[..., 2:] - .5, p[..., 2:]], -1)

    def rasterize(self, p): return self.drtk.rasterize(p, self.faces, *SIZE)
    def barycentrics(self, p, index): return self.drtk.render(p, self.faces, index)[1]

    def uv(self, index, bary):
        return self.drtk.interpolate(self.uvs, self.uv_faces, index, bary).permute(0, 2, 3, 1)

    def sample(self, tex, uv):
        return F.grid_sample(tex, uv, mode='bilinear', padding_mode='border', align_corners=False)

    def __call__(self, verts, tex, *_):
        p = self.project(verts)
        index = self.rasterize(p)
        return self.sample(tex, self.uv(index, self.barycentrics(p, index))) * (index >= 0)[:, None]


def contestants(verts, tex, topology, M, drtk):
    "Name -> function to time."
    leaves = [verts.clone().requires_grad_(), tex.clone().requires_grad_()]
    grad = torch.randn(1, 3, *SIZE)

    def both(draw): return lambda: torch.autograd.grad(draw(*leaves, topology, M), leaves, grad)
    image = ours(verts, tex, topology, M)
    tests = {
        'ours: forward': lambda: ours(verts, tex, topology, M),
        'ours: forward + backward': both(ours),
        'ours: rasterize (triangles + barycentrics)': lambda: rasterize(verts, topology, M, SIZE),
        'ours: unwrap_texture': lambda: unwrap_texture(image, verts, topology, M, TEX)}
    if drtk:
        peer = Drtk(topology, M)
        p = peer.project(verts)
        index = peer.rasterize(p)
        bary = peer.barycentrics(p, index)
        uv = peer.uv(index, bary)
        tests |= {
            'DRTK: forward': lambda: peer(verts, tex),
            'DRTK: forward + backward': both(peer),
            'DRTK: rasterize': lambda: peer.rasterize(p),
            'DRTK: barycentrics': lambda: peer.barycentrics(p, index),
            'DRTK: interpolate UVs': lambda: peer.uv(index, bary),
            'grid_sample': lambda: peer.sample(tex, uv)}
    return tests


def agreement(verts, tex, topology, M):
    "Relative errors against the same composition in float64, where both see the same triangle."
    peer = Drtk(topology, M)
    tri, index = rasterize(verts, topology, M, SIZE)[0], peer.rasterize(peer.project(verts))
    same = (index == tri)[:, None]
    grad = torch.randn(1, 3, *SIZE) * same

    def exact(verts, tex, topology, M):
        bary = barycentrics(verts, topology.faces, M, tri)
        uv = interpolate(torch.from_numpy(topology.uvs).to(tex)[None], topology.uv_faces, tri, bary)
        return sample_texture(tex, uv) * (tri >= 0)[:, None]

    def draw(f, dtype=torch.float32):
        leaves = [x.detach().clone().to(dtype).requires_grad_() for x in (verts, tex)]
        image = f(*leaves, topology, M.to(dtype))
        return [image.detach() * same, *torch.autograd.grad(image, leaves, grad.to(dtype))]

    truth = draw(exact, torch.float64)
    def error(f):
        names = 'picture', 'gradient to vertices', 'gradient to texture'
        return {n: float(f'{float((a - b).norm()/b.norm()):.1e}') for n, a, b in zip(names, draw(f), truth)}

    return {
        'pixels with another triangle': int((index != tri).sum()),
        'relative error, ours': error(ours),
        'relative error, DRTK': error(peer)}


def measure(tests, rounds):
    "Milliseconds of each test, the rounds alternating."
    times = {name: [] for name in tests}
    for f in tests.values(): f()
    for _ in range(rounds):
        for name, f in tests.items():
            start = time.perf_counter()
            f()
            times[name].append((time.perf_counter() - start) * 1e3)
    return {name: dict(median=round(statistics.median(t), 1), min=round(min(t), 1)) for name, t in times.items()}


def cpu_model():
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.exists() else []
    return next((l.split(':')[1].strip() for l in lines if l.startswith('model name')), platform.processor())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--obj', help='topology (.obj); a sphere if not given')
    parser.add_argument('--bin', help='vertices (.bin) for --obj')
    parser.add_argument('--krt', help='calibration; the built-in rig if not given')
    parser.add_argument('--camera', help='name of the camera; the first if not given')
    parser.add_argument('--drtk', help="folder of DRTK's package, or 'installed'")
    parser.add_argument('--rounds', type=int, default=25)
    parser.add_argument('--out', help='write the results here, as JSON')
    args = parser.parse_args()

    torch.manual_seed(0)
    verts, topology = read_obj(args.obj) if args.obj else sphere()
    if args.bin: verts = read_verts(args.bin, len(verts))
    cameras = read_krt(args.krt) if args.krt else rig_v1()
    camera = cameras[args.camera or next(iter(cameras))]
    M, covered = place(camera, verts, topology)
    scene = torch.from_numpy(verts)[None], torch.rand(1, 3, TEX, TEX), topology, M
    if args.drtk and args.drtk != 'installed': sys.path.insert(0, args.drtk)

    ms = measure(contestants(*scene, args.drtk), args.rounds)
    what = (
        f'milliseconds, batch 1, {SIZE[0]} x {SIZE[1]} pixels, {TEX} texture, {len(verts)} vertices, '
        f'{len(topology.faces)} triangles, {covered:.0%} of the image covered, float32, {args.rounds} alternating rounds')
    result = dict(what=what, mesh=Path(args.obj).name if args.obj else 'sphere', ms=ms)
    if args.drtk:
        def ratio(k, s): return round(ms[f'DRTK: {k}'][s]/ms[f'ours: {k}'][s], 1)
        passes = 'forward', 'forward + backward'
        result['ratios'] = {k: {s: ratio(k, s) for s in ('median', 'min')} for k in passes}
        result['agreement'] = agreement(*scene)
    result['machine'] = {
        'cpu': cpu_model(),
        'cores': os.cpu_count(),
        'torch threads': torch.get_num_threads(),
        'system': platform.system()}
    result['versions'] = dict(
        python=platform.python_version(), torch=torch.__version__, numba=numba.__version__, numpy=np.__version__)
    if args.drtk:
        result['versions']['drtk'] = 'github.com/facebookresearch/DRTK, CPU kernels, g++ -O3 --fast-math -fopenmp'
    def shown(k, v): return Path(v).name if k in ('obj', 'bin', 'krt', 'drtk') else v
    options = [f'--{k} {shown(k, v)}' for k, v in vars(args).items() if v is not None and k != 'out']
    words = ['python benchmarks/renderer_cpu.py', *options, '--out nbs/results/renderer_cpu.json']
    result['command'] = ' '.join(words)
    print(json.dumps(result, indent=1))
    if args.out:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        Path(args.out).write_text(json.dumps(result, indent=1) + '\n')


if __name__ == '__main__': main()
