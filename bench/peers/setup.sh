#!/usr/bin/env bash
# Makes the virtual environment build/peers with PyTorch, for compare.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/packages.sh
install_missing python3-venv
[ -x build/peers/bin/python ] || python3 -m venv build/peers
build/peers/bin/pip install --quiet torch torchvision numpy
build/peers/bin/python -c 'import torch; print("PyTorch", torch.__version__)'
