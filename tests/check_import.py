#!/usr/bin/env python3
"""Checks that networks which PyTorch exports as ONNX are read, computed and written as they were.

    tests/check_import.py [build/release]     a finished build

torchvision's ResNets, ResNeXt and RegNet, a DenseNet, MobileNetV2 and V3, VGG-16 and EfficientNet-B0 with random values, by both of torch.onnx's exporters, batch
norms folded and kept: read by this project and written again, they give PyTorch's logits in ONNX Runtime, and
their blocks are found. Of those networks that are built in, the weights alone, too, as PyTorch saves them.
Needs the packages torch, torchvision, onnx, onnxscript and onnxruntime; not part of .ci/run, for their size.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy
import onnxruntime
import torch
import torchvision

BOUND = 1e-4  # of the largest logit
NORMALISATION = ["--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25"]
# By name: blocks that the graph shows, and the image side.
NETWORKS = {"resnet18": (8, 64), "resnet50": (16, 64), "densenet121": (58, 64),
            "mobilenet_v2": (10, 224), "vgg16_bn": (0, 224), "resnext50_32x4d": (16, 64), "regnet_x_400mf": (22, 64),
            "efficientnet_b0": (9, 224), "mobilenet_v3_small": (6, 224)}


BUILT_IN = {"resnet18": "resnet18", "resnet50": "resnet50", "efficientnet_b0": "efficientnet-b0",
            "resnext50_32x4d": "resnext50-32x4d"}


def network(name):
    torch.manual_seed(0)
    result = getattr(torchvision.models, name)(weights=None)
    for module in result.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 1.5)
    return result.eval()


def export(model, images, path, form):
    if form == "dynamo":
        torch.onnx.export(model, (images,), path, dynamo=True, external_data=False, verbose=False,
                          dynamic_shapes=({0: torch.export.Dim("N")},))
        return
    kept = {} if form == "folded" else {"do_constant_folding": False,
                                        "training": torch.onnx.TrainingMode.PRESERVE}
    torch.onnx.export(model, images, path, dynamo=False, opset_version=17, input_names=["x"],
                      dynamic_axes={"x": {0: "N"}}, **kept)


def main():
    warnings.filterwarnings("ignore")
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/release")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for arch, (blocks, side) in NETWORKS.items():
            images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
            model = network(arch)
            with torch.no_grad():
                wanted = model(images).numpy()
            for form in ("folded", "kept", "dynamo", *(["weights"] if arch in BUILT_IN else [])):
                path, again = folder / f"{arch}-{form}.onnx", folder / "again.onnx"
                flags = NORMALISATION
                if form == "weights":
                    path = path.with_suffix(".pth")
                    torch.save(model.state_dict(), path)
                    flags = [*flags, "--arch", BUILT_IN[arch], "--resolution", str(side)]
                else:
                    export(model, images, str(path), form)
                subprocess.run([build / "bin" / "export-model", "--model", path, *flags,
                                "--out", again], check=True, capture_output=True)
                session = onnxruntime.InferenceSession(str(again), providers=["CPUExecutionProvider"])
                found = session.run(None, {"images": images.numpy()})[0]
                error = float(numpy.abs(found - wanted).max() / numpy.abs(wanted).max())
                assert error < BOUND, f"{arch}, {form}: logits differ by {error:.2e}"
                shown = json.loads(subprocess.run(
                    [build / "bin" / "inspect", path, *flags, "--json"],
                    check=True, capture_output=True).stdout)
                assert form == "weights" or len(shown["blocks"]) == blocks, (arch, form, len(shown["blocks"]))
                print(f"{arch}, {form}: logits differ by {error:.1e}, {blocks} blocks, "
                      f"{shown['macs']} MACs")


if __name__ == "__main__":
    main()
