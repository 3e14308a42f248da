#!/usr/bin/env bash
# Trains a small ResNet on Fashion-MNIST, prunes it to half its multiply-accumulates in depth, width
# and resolution, fine-tunes it and writes a report.
#
#   apps/demo.sh [FOLDER]     FOLDER: where the runs go; runs/demo by default
#
# Installs missing Debian packages (it says which) and builds first. A second call finds everything
# done and prints the result again.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/prepare.sh

out=${1:-runs/demo}
prepare release
cmake --build --preset release -j "$(nproc)" --target train prune evaluate inspect export-model >&2
bin=build/release/bin

echo "== Training ResNet-14 on Fashion-MNIST" >&2
"$bin/train" --arch resnet14 --data fashion-mnist --epochs 3 --batch 128 --lr 0.1 \
  --schedule one-cycle --out "$out/train" --resume
echo "== Pruning it to half its multiply-accumulates" >&2
"$bin/prune" run --model "$out/train/model.safetensors" --data fashion-mnist --target 0.5 \
  --rounds 3 --round-images 15000 --finetune-epochs 3 --out "$out/prune" --resume
