#!/usr/bin/env bash
# Makes the virtual environment build/peers with PyTorch, ONNX Runtime and OpenVINO, for compare.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/packages.sh
install_missing python3-venv
[ -x build/peers/bin/python ] || python3 -m venv build/peers
build/peers/bin/pip install --quiet torch torchvision numpy onnx onnxruntime openvino
build/peers/bin/python -c 'import onnxruntime, openvino, torch
print("PyTorch", torch.__version__, "ONNX Runtime", onnxruntime.__version__, "OpenVINO",
      openvino.__version__)'
