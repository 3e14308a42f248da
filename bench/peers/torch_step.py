"""Times PyTorch on the networks of bench_train, in the same way; prints one JSON object.

Denormals are flushed. Run it with an allocator that keeps its pages, as compare.py does: it pays
for fresh pages at each step otherwise.
"""
import argparse
import json
import resource
import time

import torch
import torch.nn.functional as F

from peer_networks import make_network


def process_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6


imported_mb = process_mb()


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--network", default="resnet20")
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--side", type=int, default=32)
parser.add_argument("--classes", type=int, default=10)
parser.add_argument("--threads", type=int, default=0)
parser.add_argument("--seconds", type=float, default=5)
parser.add_argument("--warmup", type=float, default=2)
parser.add_argument("--inference", action="store_true", help="batch norms folded where they follow")
parser.add_argument("--channels-last", action="store_true")
parser.add_argument("--compile", action="store_true")
parser.add_argument("--graph", action="store_true", help="repeat a step as a CUDA graph")
parser.add_argument("--device", default="cpu")
parser.add_argument("--precision", default="fp32", choices=["fp32", "tf32", "bf16"])
o = parser.parse_args()
if o.graph and not o.device.startswith("cuda"):
    parser.error("--graph needs --device cuda")

if o.threads:
    torch.set_num_threads(o.threads)
torch.set_flush_denormal(True)
torch.manual_seed(1)
layout = torch.channels_last if o.channels_last else torch.contiguous_format
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = o.precision == "tf32"
torch.backends.cudnn.benchmark = True
mixed = torch.autocast(o.device.split(":")[0], torch.bfloat16, enabled=o.precision == "bf16",
                       cache_enabled=not o.graph)  # a graph can't keep weights from before it
network = make_network(o.network, o.classes).to(o.device)
images = (torch.rand(o.batch, 3, o.side, o.side) * 2 - 1).to(o.device, memory_format=layout)
labels = (torch.arange(o.batch) % o.classes).to(o.device)

if o.inference:
    from torch.fx.experimental.optimization import fuse
    network = fuse(network.eval()).to(memory_format=layout)
    if o.compile:
        torch._inductor.config.freezing = True
    run = torch.compile(network) if o.compile else network

    def step():
        with torch.inference_mode() if not o.compile else torch.no_grad(), mixed:
            run(images)
else:
    network = network.train().to(memory_format=layout)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, nesterov=True,
                                weight_decay=1e-4, foreach=True)
    run = torch.compile(network) if o.compile else network

    def step():
        optimiser.zero_grad(set_to_none=True)
        with mixed:
            loss = F.cross_entropy(run(images), labels)
        loss.backward()
        optimiser.step()


def captured(plain_step):
    """The step as a CUDA graph, captured after three on a stream of their own, as PyTorch asks for."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            plain_step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        plain_step()
    return graph.replay


step()  # compiles
if o.graph:
    step = captured(step)
start = time.perf_counter()
while time.perf_counter() - start < o.warmup:
    step()
times = []
start = time.perf_counter()
while time.perf_counter() - start < o.seconds or len(times) < 3:
    begin = time.perf_counter()
    step()
    if images.is_cuda:
        torch.cuda.synchronize()
    times.append(time.perf_counter() - begin)
times.sort()
median = times[len(times) // 2]
print(json.dumps({
    "network": o.network,
    "mode": "inference" if o.inference else "training",
    "batch": o.batch,
    "side": o.side,
    "threads": torch.get_num_threads(),
    "device": o.device,
    "precision": o.precision,
    "variant": ("channels_last" if o.channels_last else "nchw") + ("+compile" if o.compile else "")
               + ("+graph" if o.graph else "") + ("" if o.precision == "fp32" else "+" + o.precision),
    "version": torch.__version__,
    "steps": len(times),
    "median_ms": 1e3 * median,
    "fastest_ms": 1e3 * times[0],
    "images_per_s": o.batch / median,
    # The process, and what it took beyond the interpreter and the libraries.
    "peak_process_mb": process_mb(),
    "peak_memory_mb": process_mb() - imported_mb,
}))
