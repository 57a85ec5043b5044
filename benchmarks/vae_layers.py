"""Large layers of the base model at paper scale: the library's kernels beside `vae_gpu`, and the time their bytes need.

    python benchmarks/vae_layers.py OUT.json [--batch 16]      # one GPU, about 40 s
"""
import argparse, json, platform
import torch, torch.nn.functional as F, triton
from multiface_dam import vae_gpu
from multiface_dam.geometry import atomic_path

LAYERS = dict(  # name: kind, channels in and out, side of the input, is it the first or the last
    **{f'encoder {i}': ('down', a, b, s) for i, a, b, s in ((1, 3, 16, 1024), (2, 16, 16, 512), (3, 16, 32, 256), (4, 32, 32, 128))},
    **{f'decoder {i}': ('up', a, b, s) for i, a, b, s in ((5, 32, 32, 64), (6, 32, 16, 128), (7, 16, 16, 256), (8, 16, 3, 512))})

def time(f): return triton.testing.do_bench(f, warmup=30, rep=150, return_mode='median')

def captured(f):  # as a CUDA graph: what the GPU takes, not what the host takes to ask for it
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3): f()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph): f()
    return graph.replay

def copy_rate():  # bytes a millisecond, read and written
    a = torch.empty(2**30, dtype=torch.uint8, device='cuda'); b = torch.empty_like(a)
    return 2*2**30/time(lambda: b.copy_(a))

def floor_bytes(kind, n_in, n_out, side, batch):
    "Forward and backward: input and output once each in bfloat16; in between, the output's gradient and the input once more, and the input's gradient"
    x, y = batch*n_in*side**2*2, batch*n_out*(side//2 if kind == 'down' else side*2)**2*(4 if n_out == 3 else 2)
    bias = 0 if kind == 'down' else 2*y//batch
    return x + y + bias//2, (x + y + bias//2) + (0 if n_in == 3 else x)

def contest(kind, n_in, n_out, side, batch):
    x = torch.randn(batch, n_in, side, side, device='cuda').bfloat16().to(memory_format=torch.channels_last)
    w = torch.randn(*((n_out, n_in) if kind == 'down' else (n_in, n_out)), 4, 4, device='cuda')*.1
    b = torch.randn(n_out, device='cuda') if kind == 'down' else torch.randn(1, n_out, 2*side, 2*side, device='cuda')
    last = n_out == 3
    w.requires_grad_(); b.requires_grad_()
    if n_in > 3: x.requires_grad_()
    def library():
        with torch.autocast('cuda', torch.bfloat16):
            if kind == 'down': return F.leaky_relu(F.conv2d(x, w, b, 2, 1), .2, inplace=True)
            y = F.conv_transpose2d(x, w, None, 2, 1).add_(b)
            return y if last else F.leaky_relu(y, .2, inplace=True)
    rows = x.detach().permute(0, 2, 3, 1)
    rows = F.pad(rows, (0, 1)).contiguous() if n_in == 3 else rows.contiguous().requires_grad_()
    def ours():
        if kind == 'down': return vae_gpu._Down.apply(rows, vae_gpu._padded(w, 1), b, False, n_in > 3)
        total = vae_gpu._padded(b[0].permute(1, 2, 0), 2).contiguous()
        return vae_gpu._Up.apply(rows, vae_gpu._padded(w, 1), total, not last, False, True, last)
    result = {}
    for name, f, inputs in (('library', library, [x, w, b]), ('ours', ours, [rows, w, b])):
        inputs = [t for t in inputs if t.requires_grad]
        g = torch.randn_like(f())
        result[f'{name} forward'] = time(captured(f))
        result[f'{name} forward + backward'] = time(captured(lambda: torch.autograd.grad(f(), inputs, g)))
    return result

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('out'); p.add_argument('--batch', type=int, default=16)
    a = p.parse_args()
    torch.backends.cudnn.benchmark = True
    rate, rows = copy_rate(), []
    for name, layer in LAYERS.items():
        fwd, bwd = floor_bytes(*layer, a.batch)
        row = dict(layer=name, kind=layer[0], channels=layer[1:3], side=layer[3], **{'floor forward': fwd/rate, 'floor forward + backward': (fwd + bwd)/rate}, **contest(*layer, a.batch))
        rows.append(row)
        print(name, ' '.join(f'{k} {v:.3f}' for k, v in row.items() if isinstance(v, float)), flush=True)
        torch.cuda.empty_cache()
    info = dict(device=torch.cuda.get_device_name(), torch=torch.__version__, triton=triton.__version__, cudnn=torch.backends.cudnn.version(), python=platform.python_version(),
                batch=a.batch, copy_TB_s=rate/1e9, command=f'python benchmarks/vae_layers.py OUT.json --batch {a.batch}', unit='ms, medians')
    with atomic_path(a.out) as tmp: tmp.write_text(json.dumps(dict(info=info, layers=rows), indent=1))

if __name__ == '__main__': main()
