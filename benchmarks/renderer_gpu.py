"""The GPU renderer beside nvdiffrast: triangles, gradients, milliseconds; 16 items, 2048 x 1334 pixels, 1024 texture.

    python benchmarks/renderer_gpu.py --obj face_topology.obj --bin 021924.bin --krt KRT --out nbs/results/renderer_h100.json

Two scenes: a head that covers 78 % of the image ('head78'), and 16 cameras of the calibration around it ('rig'). nvdiffrast is
timed where it is installed: rasterize, interpolate and texture, without a loss.
"""
import argparse, sys, time, json
from pathlib import Path
import numpy as np, torch, torch.nn.functional as F
sys.path.insert(0, str(Path(__file__).parent))
from multiface_dam import renderer as R, renderer_gpu as G
from multiface_dam.geometry import projection_matrix, read_krt, read_obj, read_verts, rig_v1
from renderer_cpu import place
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
for name in ('obj', 'bin', 'krt', 'out'): parser.add_argument(f'--{name}', required=True)
args = parser.parse_args(); dev = torch.device('cuda')
SIZE, T, B = (2048, 1334), 1024, 16
v0, topo = read_obj(args.obj); v0 = read_verts(args.bin, len(v0))
cams = read_krt(args.krt)
torch.manual_seed(0)
t_start = time.time()
def lap(s): print(f'[{time.time()-t_start:.1f}s] {s}', flush=True)
M78, cov = place(cams[next(iter(cams))], v0, topo)
verts = torch.from_numpy(v0)[None].repeat(B, 1, 1); verts += torch.randn_like(verts[:, :1]) * 3        # a shift each
M78 = M78.repeat(B, 1, 1)
# real rig: head where the axes meet, facing the mean of the cameras
names = list(cams)[:: max(1, len(cams) // B)][:B]
o = np.stack([-c.R.T @ c.t for c in cams.values()]); d = np.stack([c.R[2] for c in cams.values()])
P = np.eye(3) - d[:, :, None] * d[:, None]; focus = np.linalg.solve(P.sum(0), (P @ o[..., None]).sum(0)[:, 0])
z = (o - focus).mean(0); z /= np.linalg.norm(z); up = -np.mean([c.R[1] for c in cams.values()], 0); x = np.cross(up, z); x /= np.linalg.norm(x)
Rh = np.stack([x, np.cross(z, x), z], 1); pose = np.c_[Rh, focus - Rh @ v0.mean(0)]
Mrig = torch.stack([torch.from_numpy(projection_matrix(cams[n], pose, SIZE)) for n in names])
lap(f'covered {cov:.3f}')
g = torch.Generator().manual_seed(1)
tex = torch.randn(B, 3, T, T, generator=g).to(dev)
mean = (torch.rand(3, T, T, generator=g) * 255).to(dev); weight = torch.rand(1, T, T, generator=g).to(dev); std = 40.
photo = torch.randint(0, 256, (B, *SIZE, 3), generator=g, dtype=torch.uint8).to(dev)
target = torch.randint(0, 256, (B, 3, T, T), generator=g, dtype=torch.uint8).to(dev)
verts = verts.to(dev); scenes = dict(head78=M78.to(dev), rig=Mrig.to(dev))
res = dict(device=torch.cuda.get_device_name())
def ms(f, n=10, rounds=3):
    for _ in range(3): f()
    ts = []
    for _ in range(rounds):
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize(); a.record()
        for _ in range(n): f()
        b.record(); torch.cuda.synchronize(); ts.append(a.elapsed_time(b) / n)
    return round(sorted(ts)[len(ts)//2], 3)
def graphed(f):
    s = torch.cuda.Stream()
    with torch.cuda.stream(s):
        for _ in range(2): f()
    torch.cuda.synchronize(); gr = torch.cuda.CUDAGraph()
    with torch.cuda.graph(gr): f()
    return gr.replay
def rel(a, b): return float(f'{float((a.double() - b.double()).norm() / b.double().norm()):.2e}')

def fused(M, tx, grad=True, texture=False):
    kw = dict(target=target) if texture else {}
    if not grad:
        def f():
            with torch.no_grad(): return G.fused_losses(tx, mean, std, verts, topo, M, photo, weight, **kw)
        return f
    v, t = verts.detach().clone().requires_grad_(), tx.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    def f():
        s, tt, _ = G.fused_losses(t, mean, std, v, topo, M, photo, weight, **kw)
        return torch.autograd.grad(s.mean() + (tt.mean() if texture else 0), [v, t])
    return f
def ours_fwd(M):
    def f():
        with torch.no_grad(): return G.triton_render(verts, tex, topo, M, SIZE)
    return f
try:
    import nvdiffrast.torch as dr
    ctx = dr.RasterizeCudaContext(dev)
except Exception as e: dr = None; lap(f'no nvdiffrast {e!r}')
if dr:
    faces = torch.from_numpy(topo.faces).to(dev); uvs = torch.from_numpy(topo.uvs).to(dev)[None].contiguous(); uvf = torch.from_numpy(topo.uv_faces).to(dev)
    def nvd(pos, tx):
        rast, _ = dr.rasterize(ctx, pos, faces, SIZE)
        uv, _ = dr.interpolate(uvs, rast, uvf)
        return rast, dr.texture(tx, uv, filter_mode='linear', boundary_mode='clamp')

# correctness
for name, M in scenes.items():
    r = res.setdefault(name, {})
    cpu = torch.cat([R.rasterize(verts[i:i+1].cpu(), topo, M[i:i+1].cpu(), SIZE, 'numba')[0] for i in range(B)])
    tri, bary = G.triton_rasterize(verts, topo.faces, M, SIZE)
    r['covered'] = round(float((cpu >= 0).float().mean()), 4)
    r['pixels unlike the CPU'] = int((tri.cpu() != cpu).sum())
    if dr:
        with torch.no_grad():
            n = dr.rasterize(ctx, G.clip_positions(verts, M, SIZE), faces, SIZE)[0][..., 3].int() - 1
        r['same as nvdiffrast'] = float((n == tri).double().mean())
        p = R._project(verts, M); w = (p[..., 2:] / 4).round() * 4; xy = (p[..., :2] / p[..., 2:] * 16).round() / 16
        grid = torch.cat([xy * w, w], -1).float(); I = torch.eye(3, 4, device=dev).repeat(B, 1, 1)
        with torch.no_grad():
            n = dr.rasterize(ctx, G.clip_positions(grid, I, SIZE), faces, SIZE)[0][..., 3].int() - 1
            r['same as nvdiffrast, vertices on its grid'] = float((n == G.triton_rasterize(grid, topo.faces, I, SIZE)[0]).double().mean())
    lap((name, r))
# gradients: fused against the plain path on 2 items in float64 with the same triangles, and against nvdiffrast on the same triangles
M = scenes['head78'][:2]; tri = G.triton_rasterize(verts[:2], topo.faces, M, SIZE)[0]
def plain(v, t, M, dt=torch.float64, tri=tri):
    rgbw = torch.cat([mean.to(dt) / 255 + t * (std / 255), weight.to(dt).expand(len(t), -1, -1, -1)], 1)
    uv = R.interpolate(torch.from_numpy(topo.uvs).to(rgbw)[None], topo.uv_faces, tri, R.barycentrics(v, topo.faces, M, tri))
    im = R.sample_texture(rgbw, uv) * (tri >= 0)[:, None]
    ph = photo[:2].to(dt).permute(0, 3, 1, 2) / 255
    return ((im[:, :3] - ph) * im[:, 3:].detach().sqrt()).square().mean() * (255 / std) ** 2
lv = [verts[:2].double().requires_grad_(), tex[:2].double().requires_grad_(), M.double().requires_grad_()]
L = plain(*lv); gd = torch.autograd.grad(L, lv)
l2 = [verts[:2].clone().requires_grad_(), tex[:2].clone().requires_grad_(), M.clone().requires_grad_()]
s, _, c = G.fused_losses(l2[1], mean, std, l2[0], topo, l2[2], photo[:2], weight); gf = torch.autograd.grad(s.mean(), l2)
res['fused against float64: loss, grads of verts, tex, M'] = [rel(s.mean().detach(), L.detach()), *[rel(a, b) for a, b in zip(gf, gd)]]
lb = tex[:2].bfloat16().contiguous(memory_format=torch.channels_last).requires_grad_()
s, _, c = G.fused_losses(lb, mean, std, verts[:2], topo, M, photo[:2], weight); gb, = torch.autograd.grad(s.mean(), lb)
res['bf16 channels_last grad'] = [rel(gb, gd[1])]
G0 = torch.randn(2, *SIZE, 3, device=dev)
if dr:
  for kind, tt in (('noise', tex[:2]), ('smooth', F.interpolate(tex[:2, :, :64, :64], T, mode='bicubic'))):
    tn = tt.permute(0, 2, 3, 1).contiguous().requires_grad_(); vn = verts[:2].clone().requires_grad_()
    rast, im = nvd(G.clip_positions(vn, M, SIZE), tn)
    same = (rast[..., 3].int() - 1 == tri) & (tri >= 0)
    gn = torch.autograd.grad(im, [vn, tn], G0 * same[..., None])
    lo = [verts[:2].clone().requires_grad_(), tt.clone().requires_grad_()]
    im2 = G.triton_render(lo[0], lo[1], topo, M, SIZE)[0]
    go = torch.autograd.grad(im2, lo, (G0 * same[..., None]).permute(0, 3, 1, 2))
    l64 = [verts[:2].double().requires_grad_(), tt.double().requires_grad_()]
    uv = R.interpolate(torch.from_numpy(topo.uvs).to(l64[1])[None], topo.uv_faces, tri, R.barycentrics(l64[0], topo.faces, M.double(), tri))
    im3 = R.sample_texture(l64[1], uv) * (tri >= 0)[:, None]
    g3 = torch.autograd.grad(im3, l64, (G0 * same[..., None]).permute(0, 3, 1, 2).double())
    m = same[:, None]
    res[f'{kind}: render against float64: image, grads'] = [rel(im2 * m, im3 * m), rel(go[0], g3[0]), rel(go[1], g3[1])]
    res[f'{kind}: nvdiffrast against float64: image, grads'] = [rel(im.permute(0, 3, 1, 2) * m, im3 * m), rel(gn[0], g3[0]), rel(gn[1].permute(0, 3, 1, 2), g3[1])]
    res[f'{kind}: render against nvdiffrast: image, grads'] = [rel(im2 * m, im.permute(0, 3, 1, 2) * m), rel(go[0], gn[0]), rel(go[1], gn[1].permute(0, 3, 1, 2))]
    del uv, im3, g3, l64
lap({k: v for k, v in res.items() if 'grad' in k})
del lv, l2, gd
torch.cuda.empty_cache()
# times
texb = tex.bfloat16().contiguous(memory_format=torch.channels_last)
rows = []
for name, M in scenes.items():
    r = res[name]
    if dr:
        pos = G.clip_positions(verts, M, SIZE).contiguous(); tn = tex.permute(0, 2, 3, 1).contiguous()
        GI = torch.randn(B, *SIZE, 3, device=dev)
        def nf():
            with torch.no_grad(): nvd(pos, tn)
        pl, tl_ = pos.clone().requires_grad_(), tn.clone().requires_grad_()
        def nb(): torch.autograd.grad(nvd(pl, tl_)[1], [pl, tl_], GI)
        r['nvdiffrast fwd'], r['nvdiffrast fwd+bwd'] = ms(nf), ms(nb)
        del GI, pl, tl_; torch.cuda.empty_cache()
    f, fb = fused(M, tex, False), fused(M, tex)
    r['fused fwd'], r['fused fwd+bwd'] = ms(f), ms(fb)
    r['render fwd'] = ms(ours_fwd(M))
    def rast():
        with torch.no_grad(): G.triton_rasterize(verts, topo.faces, M, SIZE)
    r['rasterize fwd'] = ms(rast)
    r['fused fwd graph'], r['fused fwd+bwd graph'] = ms(graphed(f)), ms(graphed(fb))
    r['bf16 cl: fwd, fwd+bwd graph'] = ms(graphed(fused(M, texb, False))), ms(graphed(fused(M, texb)))
    r['bf16 cl + texture term: fwd, fwd+bwd graph'] = ms(graphed(fused(M, texb, False, True))), ms(graphed(fused(M, texb, True, True)))
    lap((name, r))
json.dump(res, open(args.out, 'w'), indent=1)
