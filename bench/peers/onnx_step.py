"""Times ONNX Runtime or OpenVINO on the networks of bench_train; prints one JSON object.

PyTorch writes the network as ONNX for exactly the batch and the side that are asked for, which is
what either does best with; folding batch norms and choosing layouts is left to them.
"""
import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy
import torch

from peer_networks import make_network


def process_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6


def onnxruntime_step(file, images, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: images}
    return lambda: session.run(None, feed), onnxruntime.__version__


def openvino_step(file, images, threads):
    import openvino
    core = openvino.Core()
    model = core.compile_model(file, "CPU", {"PERFORMANCE_HINT": "LATENCY",
                                             "INFERENCE_PRECISION_HINT": "f32",
                                             "INFERENCE_NUM_THREADS": threads})
    request = model.create_infer_request()
    # The images are taken from where they are, as the others take them.
    request.set_input_tensor(openvino.Tensor(images, shared_memory=True))
    return request.infer, openvino.__version__.split("-")[0]


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--runtime", choices=["onnxruntime", "openvino"], required=True)
parser.add_argument("--network", default="resnet20")
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--side", type=int, default=32)
parser.add_argument("--classes", type=int, default=10)
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--seconds", type=float, default=5)
parser.add_argument("--warmup", type=float, default=2)
parser.add_argument("--inference", action="store_true", required=True)
o = parser.parse_args()

torch.manual_seed(1)
network = make_network(o.network, o.classes).eval()
images = torch.rand(o.batch, 3, o.side, o.side) * 2 - 1
with tempfile.TemporaryDirectory() as folder:
    path = str(Path(folder) / "network.onnx")
    torch.onnx.export(network, (images,), path, opset_version=17, dynamo=False)
    start = {"onnxruntime": onnxruntime_step, "openvino": openvino_step}[o.runtime]
    step, version = start(path, images.numpy(), o.threads)
    with torch.no_grad():
        expected = network(images).numpy()
    result = step()
    logits = result[0] if isinstance(result, list) else next(iter(result.values()))
    difference = numpy.abs(logits - expected).max() / numpy.abs(expected).max()
    if not difference < 1e-3:
        raise SystemExit(f"{o.runtime} answers otherwise than PyTorch, by {difference}")

begin = time.perf_counter()
while time.perf_counter() - begin < o.warmup:
    step()
times = []
begin = time.perf_counter()
while time.perf_counter() - begin < o.seconds or len(times) < 3:
    now = time.perf_counter()
    step()
    times.append(time.perf_counter() - now)
times.sort()
median = times[len(times) // 2]
print(json.dumps({
    "network": o.network, "mode": "inference", "batch": o.batch, "side": o.side,
    "threads": o.threads, "variant": o.runtime, "version": version, "steps": len(times),
    "median_ms": 1e3 * median, "fastest_ms": 1e3 * times[0], "images_per_s": o.batch / median,
    "peak_process_mb": process_mb(), "peak_memory_mb": None,
}))
