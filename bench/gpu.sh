#!/usr/bin/env bash
# On a machine with an NVIDIA GPU: builds, runs all tests on the device too, lets compute-sanitizer's
# tools watch the kernels' tests where it is installed, times whole steps beside PyTorch's where
# bench/peers/setup.sh has been run, and every kind of kernel beside cuDNN's. Writes one table.
#
#   bench/gpu.sh [FOLDER]     FOLDER: where the table and the logs go; bench/results by default
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/packages.sh

out=$(realpath -m "${1:-bench/results}")
fail() { echo "error: $*" >&2; exit 1; }
command -v nvidia-smi >/dev/null || fail "nvidia-smi is missing; install NVIDIA's driver"
device=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1) || fail "the driver shows no GPU"
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1)
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -1)
name=$(echo "$device" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-')
mkdir -p "$out"

echo "== Building for $device (sm_${capability/./})" >&2
install_missing "${build_packages[@]}" python3
build=build/gpu
cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DTRIFOLD_CUDA=ON \
  -DCMAKE_CUDA_ARCHITECTURES="${capability/./}" >/dev/null
cmake --build $build -j "$(nproc)" >&2

echo "== Tests, on the CPU and on the device" >&2
ctest --test-dir $build --no-tests=error --output-on-failure | tee "$out/$name-tests.txt" >&2

if command -v compute-sanitizer >/dev/null; then
  # The CPU's tests have nothing to watch.
  for tool in memcheck racecheck initcheck synccheck; do
    echo "== compute-sanitizer $tool" >&2
    TRIFOLD_CUDA_CACHE=0 compute-sanitizer --tool $tool --error-exitcode 1 \
      $build/tests/test_kernels --gtest_brief=1 >"$out/$name-$tool.txt" 2>&1 ||
      fail "$tool found something; see $out/$name-$tool.txt"
  done
fi

echo "== Whole steps" >&2
table=$out/$name.md
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
ours_ms() {  # FLAGS...: or -, where a step was to be a graph and couldn't
  local json
  json=$($build/bin/bench_train "$@")
  case " $* " in *" --graph "*) [ "$(field graph <<<"$json")" = True ] || { echo -; return; } ;; esac
  field median_ms <<<"$json"
}
torch_ms() {  # FLAGS...: the best variant of PyTorch, or -
  local python=build/peers/bin/python best=- variant ms
  [ -x $python ] || { echo -; return; }
  for variant in "" "--channels-last" "--channels-last --compile"; do
    # shellcheck disable=SC2086  # a variant is none, one or two flags
    ms=$($python bench/peers/torch_step.py "$@" $variant 2>/dev/null | tail -1 | field median_ms) || continue
    best=$(python3 -c 'import sys; b, m = sys.argv[1:]; print(m if b == "-" or float(m) < float(b) else b)' "$best" "$ms")
  done
  echo "$best"
}
{
  echo "# $device"
  echo
  echo "Measured $(date -u +%F) by bench/gpu.sh at commit $(git rev-parse --short HEAD), driver $driver,"
  echo "$(nvcc --version | tail -2 | head -1). Medians in milliseconds; PyTorch: its best variant."
  echo "Each side launches its kernels one by one, and then a whole step as a CUDA graph."
  echo
  echo "| network | mode | batch | side | precision | Trifold | PyTorch | Trifold, graph | PyTorch, graph |"
  echo "|---|---|--:|--:|---|--:|--:|--:|--:|"
  while read -r network mode batch side; do
    for precision in fp32 tf32 bf16; do
      flags=(--network "$network" --batch "$batch" --side "$side" --device cuda --precision $precision)
      [ "$mode" = inference ] && flags+=(--inference)
      ours=$(ours_ms "${flags[@]}")
      ours_graph=$(ours_ms "${flags[@]}" --graph)
      echo "| $network | $mode | $batch | $side | $precision | $ours | $(torch_ms "${flags[@]}") |" \
        "$ours_graph | $(torch_ms "${flags[@]}" --graph) |"
    done
  done <<'CASES'
resnet20 training 128 32
resnet20 training 512 32
resnet56 training 128 32
resnet56 training 512 32
densenet40 training 128 32
resnet50 training 64 224
resnet20 inference 128 32
resnet56 inference 1 32
CASES
  echo
  echo "## Kernels"
  echo
  echo "A training step of ResNet-20 at batch 512, op by op: this project's kernels, then cuDNN's and"
  echo "cuBLAS's in their place where those are built in."
  for providers in "" cublas,cudnn; do
    echo
    echo '```'
    TRIFOLD_CUDA_PROVIDER=$providers $build/bin/bench_train --network resnet20 --batch 512 --plain \
      --device cuda --precision tf32 --profile "$out/$name-${providers:-own}.json" 2>&1 >/dev/null ||
      echo "not built in"
    echo '```'
  done
} | tee "$table"
echo "written to $table" >&2
