#!/usr/bin/env bash
# On a machine with an NVIDIA GPU: runs the tests on it, some steps of training beside the CPU's, times whole
# steps beside PyTorch's and kernels beside cuDNN's where those are found, lets compute-sanitizer watch the
# kernels, and sets the time of every kind of kernel beside the predicted one. What decides most comes first;
# what is finished is written, whatever comes later.
#
#   bench/gpu.sh [--pack FOLDER] [--minutes N] [OUT]
#
# --pack     runs from what bench/gpu_pack.sh has built on another machine: nothing is installed or built.
#            The folder holds this script, too: FOLDER/bench/gpu.sh --pack FOLDER.
# --minutes  ends after so many, with what is finished by then; by default it runs to its end.
# OUT        where the table and the logs go; bench/results, or results in the pack, by default.
#
# Exit status 1: a test failed, a loss differs from the CPU's, or compute-sanitizer found something.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
fail() { echo "error: $*" >&2; exit 1; }

pack='' minutes='' out=''
while [ $# -gt 0 ]; do
  case $1 in
    --pack) pack=$(realpath "${2:?--pack needs a folder}"); shift 2 ;;
    --minutes) minutes=${2:?--minutes needs a number}; shift 2 ;;
    -*) fail "$1 isn't a flag; see the head of $0" ;;
    *) out=$(realpath -m "$1"); shift ;;
  esac
done
[[ $minutes =~ ^[0-9]*$ ]] || fail "--minutes is $minutes, but has to be a whole number"
end=$((minutes ? SECONDS + 60 * minutes : 1000000000))
command -v nvidia-smi >/dev/null || fail "nvidia-smi is missing; install NVIDIA's driver"
query() { nvidia-smi --query-gpu="$1" --format=csv,noheader | head -1; }
device=$(query name) || fail "the driver shows no GPU"
arch=$(query compute_cap | tr -d .)
if [ -z "$pack" ]; then
  cd "$here"
  . tests/packages.sh
  install_missing "${build_packages[@]}"
  pack=$here/build/gpu_pack_here
  rm -rf "$pack"
  bench/gpu_pack.sh --arch "$arch" "$pack"
  out=${out:-$here/bench/results}
fi
[ -r "$pack/ABOUT" ] || fail "$pack is no pack of bench/gpu_pack.sh"
about() { sed -n "s/^$1=//p" "$pack/ABOUT"; }
[ "$(about arch)" = "$arch" ] || fail "the pack is for sm_$(about arch), but $device is sm_$arch: pack anew with --arch $arch"
out=${out:-$pack/results}
mkdir -p "$out"
cd "$pack"
name=$(echo "$device" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-')
table=$out/$name.md logs=$out/$name-logs
rm -rf "$logs"
mkdir "$logs"
status=0

# Seconds for a part of the run: a share of the whole time in percent, and no more than is left.
seconds_for() {
  local left=$((end - SECONDS))
  [ -z "$minutes" ] || [ $left -lt $((60 * minutes * $1 / 100)) ] || left=$((60 * minutes * $1 / 100))
  echo $((left > 1 ? left : 1))
}
within() { timeout --kill-after=5 "$@"; }  # SECONDS COMMAND...
write() { printf '%s\n' "$@" | tee -a "$table"; }
section() {  # TITLE, or says that the time is up
  write "" "## $1" ""
  [ $SECONDS -lt $end ] || { write "Left out: the time was up."; return 1; }
}
field() { sed -nE "s/.*\"$1\":\"?([^,}\"]*).*/\1/p"; }  # of a JSON object on a line

tests_on_device() {
  # Left out are those of the CPU alone.
  local filter='-*InstructionSet*:*ThreadPool*:Winograd*:*Conv2dPacked*:*AlgorithmRule*:PixelPasses*' seconds shards program i failures log
  shards=$(nproc)
  # The programs one after the other: each has a shard for every core.
  for program in test_kernels:25 test_engine:7 test_nn:8; do
    seconds=$(seconds_for "${program#*:}")
    program=${program%:*}
    local running=()
    for ((i = 0; i < shards; ++i)); do
      GTEST_TOTAL_SHARDS=$shards GTEST_SHARD_INDEX=$i within "$seconds" "bin/$program" \
        --gtest_filter="$filter" >"$logs/$program-$i.txt" 2>&1 &
      running+=($!)
    done
    for i in "${running[@]}"; do wait "$i" || :; done
  done
  write "| program | passed | skipped | failed | not finished |" "|---|--:|--:|--:|---|"
  for program in test_kernels test_engine test_nn; do
    local unfinished=()
    for log in "$logs/$program"-*.txt; do
      grep -q '^\[  PASSED  \]\|tests\? from 0 test suites ran' "$log" && continue
      unfinished+=("$(sed -n 's/^\[ RUN      \] //p' "$log" | tail -1)")
    done
    count() { cat "$logs/$program"-*.txt | grep -c "$1" || :; }
    write "| $program | $(count '^\[       OK \]') | $(count '^\[  SKIPPED \] .*ms)') | $(count '^\[  FAILED  \] .*ms)') | ${unfinished[*]} |"
    [ ${#unfinished[@]} -eq 0 ] || status=1
  done
  failures=$(cat "$logs"/test_*.txt | sed -nE 's/^\[  FAILED  \] (.*) \([0-9]+ ms\)$/\1/p' | sort -u)
  [ -n "$failures" ] || { write "" "No test failed."; return; }
  status=1
  write "" "These failed:" '```' "$failures" '```'
}

steps_beside_cpu() {
  write "| network | batch | side | precision | largest difference of a loss | |" "|---|--:|--:|---|--:|---|"
  local network batch side precision json verdict
  while read -r network batch side; do
    for precision in fp32:1e-3 bf16:5e-2; do
      verdict=good
      json=$(within "$(seconds_for 10)" bin/device_steps --network "$network" --batch "$batch" --side "$side" \
        --device cuda --precision "${precision%:*}" --tolerance "${precision#*:}" 2>>"$logs/steps.txt") ||
        { verdict="**not the CPU's**, or out of time"; status=1; }
      write "| $network | $batch | $side | ${precision%:*} | $(field largest_difference <<<"$json") | $verdict |"
    done
  done <<'CASES'
resnet20 16 32
densenet40 8 32
resnet50 4 224
CASES
}

ours_ms() {  # FLAGS...: or -, where there is no time or a step was to be a graph and couldn't
  local json
  json=$(within "$(seconds_for 5)" bin/bench_train --seconds 1 --warmup 0.5 "$@" 2>>"$logs/times.txt") || { echo -; return; }
  case " $* " in *" --graph "*) [ "$(field graph <<<"$json")" = true ] || { echo -; return; } ;; esac
  field median_ms <<<"$json"
}
# shellcheck disable=SC2086  # a variant is none, one or two flags
torch_ms() {  # FLAGS...: the best variant of PyTorch, or -
  local variant json variants=("" --channels-last)
  # To compile takes a minute a network: only where there is time.
  [ -n "$minutes" ] || variants+=("--channels-last --compile")
  [ -n "$python" ] || { echo -; return; }
  for variant in "${variants[@]}"; do
    json=$(within "$(seconds_for 5)" "$python" bench/peers/torch_step.py --seconds 1 --warmup 0.5 "$@" $variant \
      2>>"$logs/torch.txt") || continue
    tail -1 <<<"$json" | sed 's/": /":/g' | field median_ms
  done | sort -g | head -1 | grep . || echo -
}
find_python() {  # one that has PyTorch and sees the GPU, or nothing
  local candidate
  for candidate in "$here/build/peers/bin/python" python3 python; do
    command -v "$candidate" >/dev/null || continue
    "$candidate" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null || continue
    command -v "$candidate"
    return
  done
}
whole_steps() {
  local network mode batch side precision flags
  write "Medians in milliseconds; PyTorch: its best variant. Each side launches its kernels one by one, and then a" \
    "whole step as a CUDA graph." "" \
    "| network | mode | batch | side | precision | Trifold | PyTorch | Trifold, graph | PyTorch, graph |" \
    "|---|---|--:|--:|---|--:|--:|--:|--:|"
  while read -r network mode batch side precision; do
    [ $SECONDS -lt $end ] || break
    flags=(--network "$network" --batch "$batch" --side "$side" --device cuda --precision "$precision")
    [ "$mode" = training ] || flags+=(--inference)
    write "| $network | $mode | $batch | $side | $precision | $(ours_ms "${flags[@]}") | $(torch_ms "${flags[@]}") | $(
      ours_ms "${flags[@]}" --graph) | $(torch_ms "${flags[@]}" --graph) |"
  done <<'CASES'
resnet20 training 128 32 bf16
resnet50 training 64 224 bf16
densenet40 training 128 32 bf16
resnet20 inference 128 32 bf16
resnet20 training 512 32 fp32
resnet20 training 512 32 tf32
resnet56 training 128 32 bf16
resnet56 training 512 32 bf16
resnet50 training 64 224 tf32
densenet40 training 128 32 tf32
resnet56 inference 1 32 bf16
resnet50 inference 64 224 bf16
CASES
}

kernels_beside_cudnn() {
  local libraries="" kernels own=lib/libtrifold_kernels.so cudnn=lib/providers/libtrifold_kernels.so
  write "A training step of ResNet-20 at batch 512, op by op: this project's kernels, then cuDNN's and cuBLAS's."
  [ -z "$python" ] || libraries=$("$python" -c 'import glob, os, site, torch
print(":".join(glob.glob(os.path.join(os.path.dirname(torch.__path__[0]), "nvidia/*/lib"))))')
  for kernels in $own $cudnn; do
    write "" '```'
    if [ -e "$kernels" ] && [[ $(LD_LIBRARY_PATH=$libraries ldd "$kernels") != *"not found"* ]]; then
      # Loaded first, the library stands in for the one that the program names.
      LD_PRELOAD="$PWD/$kernels" LD_LIBRARY_PATH=$libraries \
        TRIFOLD_CUDA_PROVIDER=$([ "$kernels" = $own ] || echo cublas,cudnn) within "$(seconds_for 5)" \
        bin/bench_train --network resnet20 --batch 512 --plain --device cuda --precision tf32 --seconds 1 \
        --profile "$logs/$(basename "$(dirname "$kernels")").json" 2>&1 >/dev/null || echo "out of time, or failed"
    else
      echo "cuDNN or cuBLAS isn't here"
    fi | tee -a "$table"
    write '```'
  done
}

sanitizers() {
  local tool verdict
  # One family for each kind of kernel, in small.
  local filter='*OnGpu.*RepeatsItsBits*:BatchNorm*:ChannelGather*:Linear*:Optimizer*:*Pool.*:SoftmaxCrossEntropy*'
  if ! command -v compute-sanitizer >/dev/null; then
    write "Left out: compute-sanitizer isn't here."
    return
  fi
  for tool in memcheck racecheck; do
    verdict="found nothing"
    TRIFOLD_CUDA_CACHE=0 within "$(seconds_for 12)" compute-sanitizer --tool $tool --error-exitcode 9 \
      bin/test_kernels --gtest_filter="$filter" --gtest_brief=1 >"$logs/$tool.txt" 2>&1 || {
      case $? in
        124 | 137) verdict="ran out of time, and had found $(grep -c '^========= .*\(Invalid\|Race\|hazard\)' "$logs/$tool.txt" || :) until then" ;;
        *) verdict="**failed**: $(grep -m1 -E 'ERROR SUMMARY|RACECHECK SUMMARY|[Ee]rror' "$logs/$tool.txt" || :)"; status=1 ;;
      esac
    }
    write "- $tool: $verdict"
  done
}

kernels_beside_roofline() {
  local batch
  for batch in 128 512; do
    within "$(seconds_for 5)" bin/cuda_roofline --measure resnet20 --batch $batch 2>>"$logs/roofline.txt" |
      tee -a "$table" || write "Out of time."
    write ""
  done
}

python=$(find_python)
rm -f "$table"
write "# $device" "" \
  "Measured $(date -u +%F) by bench/gpu.sh at commit $(about commit), driver $(query driver_version), compiled by" \
  "nvcc $(about compiler)${python:+; $("$python" -c 'import torch; print("PyTorch", torch.__version__)')}."
section "Tests on the device" && tests_on_device
section "Ten steps beside the CPU's" && steps_beside_cpu
section "Whole steps" && whole_steps
section "Kernels beside cuDNN's" && kernels_beside_cudnn
section "compute-sanitizer" && sanitizers
section "Kernels beside their roofline" && kernels_beside_roofline
echo "written to $table; logs in $logs" >&2
exit $status
