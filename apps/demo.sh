#!/usr/bin/env bash
# Trains a small ResNet on Fashion-MNIST, prunes it to half its multiply-accumulates in depth, width
# and resolution, fine-tunes it and writes a report.
#
#   apps/demo.sh [--quick] [FOLDER]     FOLDER: where the runs go; runs/demo by default
#                                       --quick: a fifth of the training, to see that all of it runs
#
# Installs missing Debian packages (it says which) and builds first. A second call finds everything
# done and prints the result again.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/prepare.sh

epochs=3 rounds=3 images=15000
if [ "${1:-}" = --quick ]; then
  epochs=1 rounds=2 images=3000
  shift
fi
out=${1:-runs/demo}
prepare release
cmake --build --preset release -j "$(nproc)" --target train prune evaluate inspect export-model >&2
bin=build/release/bin

echo "== Training ResNet-14 on Fashion-MNIST" >&2
"$bin/train" --arch resnet14 --data fashion-mnist --epochs "$epochs" --batch 128 --lr 0.1 \
  --schedule one-cycle --out "$out/train" --resume
echo "== Pruning it to half its multiply-accumulates" >&2
"$bin/prune" run --model "$out/train/model.safetensors" --data fashion-mnist --target 0.5 \
  --rounds "$rounds" --round-images "$images" --finetune-epochs "$epochs" --out "$out/prune" --resume
