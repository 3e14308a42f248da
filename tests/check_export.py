#!/usr/bin/env python3
"""Checks what export-model writes by ONNX's checker, ONNX Runtime and, where it is there, PyTorch.

    tests/check_export.py [build/release]     a build with the target make_models

Needs the packages onnx and onnxruntime; for --pytorch's modules torch and safetensors. All built-in
networks and 64 random cuts have to give the same logits as this project's own inference.
"""
import concurrent.futures
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime

BOUND = 1e-4  # of the largest logit

DTYPES = {"F32": numpy.float32, "U8": numpy.uint8}


def read_safetensors(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length:]
    return {name: numpy.frombuffer(body[slice(*t["data_offsets"])], DTYPES[t["dtype"]])
            .reshape(t["shape"]) for name, t in header.items()}


def difference(found, wanted):
    return float(numpy.abs(found - wanted).max() / numpy.abs(wanted).max())


def run_onnx(path, images):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    metadata = {p.key: p.value for p in model.metadata_props}
    assert int(metadata["macs"]) > 0, path
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    together = session.run(["logits"], {"images": images})[0]
    alone = session.run(["logits"], {"images": images[:1]})[0]
    assert difference(alone, together[:1]) < BOUND, f"{path}: one image alone"
    return together


def run_pytorch(module, weights, images):
    import torch

    spec = importlib.util.spec_from_file_location("exported", module)
    exported = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(exported)
    with torch.no_grad():
        return exported.load(str(weights))(torch.from_numpy(images)).numpy()


def check(build, path):
    """{form: largest difference of the logits} of one model, by what it is exported to."""
    answers = read_safetensors(path.with_suffix(".answers.safetensors"))
    planes = numpy.ascontiguousarray(answers["images"].transpose(0, 3, 1, 2))
    out = str(path.with_suffix(".onnx"))
    forms = {"folded": ([], planes, "logits"),
             "batch norms kept": (["--keep-batch-norm"], planes, "logits"),
             "preprocessing": (["--with-preprocessing"], answers["bytes"], "byte_logits")}
    found = {}
    for form, (flags, images, wanted) in forms.items():
        subprocess.run([build / "bin" / "export-model", "--model", path, "--out", out, *flags],
                       check=True, capture_output=True)
        found[form] = difference(run_onnx(out, images), answers[wanted])
    if all(importlib.util.find_spec(name) for name in ("torch", "safetensors")):
        module = path.with_suffix(".py")
        subprocess.run([build / "bin" / "export-model", "--model", path, "--pytorch", module],
                       check=True, capture_output=True)
        found["PyTorch"] = difference(run_pytorch(module, path, planes), answers["logits"])
    for form, value in found.items():
        assert value < BOUND, f"{path.stem}, {form}: logits differ by {value:.2e}"
    return found


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/release")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([build / "tests" / "make_models", folder], check=True)
        models = sorted(p for p in folder.glob("*.safetensors") if ".answers" not in p.name)
        assert len(models) > 70, len(models)
        with concurrent.futures.ProcessPoolExecutor() as pool:
            results = list(pool.map(check, [build] * len(models), models))
    for form in results[0]:
        worst = max(result[form] for result in results)
        print(f"{len(models)} networks, {form}: logits differ by at most {worst:.1e}")


if __name__ == "__main__":
    main()
