"""Large layers of the base model at paper scale: the library's kernels beside `vae_gpu`, and the time their bytes need.

    python benchmarks/vae_layers.py OUT.json [--batch 16]      # one GPU, about 40 s
"""
import argparse, json, platform

import torch, torch.nn.functional as F, triton

from multiface_dam.base.files import atomic_path
from multiface_dam.model import vae_gpu

LAYERS = {  # name: kind, channels in and out, side of the input
    'encoder 1': ('down', 3, 16, 1024),
    'encoder 2': ('down', 16, 16, 512),
    'encoder 3': ('down', 16, 32, 256),
    'encoder 4': ('down', 32, 32, 128),
    'decoder 5': ('up', 32, 32, 64),
    'decoder 6': ('up', 32, 16, 128),
    'decoder 7': ('up', 16, 16, 256),
    'decoder 8': ('up', 16, 3, 512)}

def time(f): return triton.testing.do_bench(f, warmup=30, rep=150, return_mode='median')

def captured(f):  # as a CUDA graph: what the GPU takes, not what the host takes to ask for it
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3): f()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph): f()
    return graph.replay

def copy_rate():  # bytes a millisecond, read and written
    a = torch.empty(2**30, dtype=torch.uint8, device='cuda')
    b = torch.empty_like(a)
    return 2*2**30/time(lambda: b.copy_(a))

def floor_bytes(kind, n_in, n_out, side, batch):
    """Forward and backward: input and output once each in bfloat16, the last output in float32; spatial biases besides.

    Backward: the output's gradient and the input once more, and the input's gradient."""
    side_out = side//2 if kind == 'down' else 2*side
    x, y = batch*n_in*side**2*2, batch*n_out*side_out**2*(4 if n_out == 3 else 2)
    bias = 0 if kind == 'down' else 2*y//batch
    return x + y + bias//2, (x + y + bias//2) + (0 if n_in == 3 else x)

def contest(kind, n_in, n_out, side, batch):
    down, last = kind == 'down', n_out == 3
    x = torch.randn(batch, n_in, side, side, device='cuda').bfloat16().to(memory_format=torch.channels_last)
    w = torch.randn(*((n_out, n_in) if down else (n_in, n_out)), 4, 4, device='cuda')*.1
    b = torch.randn(*((n_out,) if down else (1, n_out, 2*side, 2*side)), device='cuda')
    for t in (w, b): t.requires_grad_()
    if n_in > 3: x.requires_grad_()
    def library():
        with torch.autocast('cuda', torch.bfloat16):
            if down: return F.leaky_relu(F.conv2d(x, w, b, 2, 1), .2, inplace=True)
            y = F.conv_transpose2d(x, w, None, 2, 1).add_(b)
            return y if last else F.leaky_relu(y, .2, inplace=True)
    rows = x.detach().permute(0, 2, 3, 1)
    rows = F.pad(rows, (0, 1)).contiguous() if n_in == 3 else rows.contiguous().requires_grad_()
    def ours():
        place = vae_gpu.Place(act=not last, own=False, before=n_in > 3, planar=last)
        return vae_gpu.strided(rows, w, b, place) if down else vae_gpu.transposed(rows, w, b[0], place)
    result = {}
    for name, f, inputs in (('library', library, [x, w, b]), ('ours', ours, [rows, w, b])):
        inputs = [t for t in inputs if t.requires_grad]
        g = torch.randn_like(f())
        result[f'{name} forward'] = time(captured(f))
        result[f'{name} forward + backward'] = time(captured(lambda: torch.autograd.grad(f(), inputs, g)))
    return result

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('out', help='JSON file')
    p.add_argument('--batch', type=int, default=16)
    a = p.parse_args()
    torch.backends.cudnn.benchmark = True
    rate, rows = copy_rate(), []
    for name, layer in LAYERS.items():
        fwd, bwd = floor_bytes(*layer, a.batch)
        floors = {'floor forward': fwd/rate, 'floor forward + backward': (fwd + bwd)/rate}
        row = dict(layer=name, kind=layer[0], channels=layer[1:3], side=layer[3], **floors, **contest(*layer, a.batch))
        rows.append(row)
        print(name, ' '.join(f'{k} {v:.3f}' for k, v in row.items() if isinstance(v, float)), flush=True)
        torch.cuda.empty_cache()
    info = dict(device=torch.cuda.get_device_name(), torch=torch.__version__,
                triton=triton.__version__, cudnn=torch.backends.cudnn.version(),
                python=platform.python_version(), batch=a.batch, copy_TB_s=rate / 1e9,
                command=f'python benchmarks/vae_layers.py OUT.json --batch {a.batch}',
                unit='ms, medians')
    with atomic_path(a.out) as tmp: tmp.write_text(json.dumps(dict(info=info, layers=rows), indent=1))

if __name__ == '__main__': main()
