#!/usr/bin/env bash
# Builds the fuzzers and runs each of them: tests/fuzz/run.sh [SECONDS [TARGET...]]; 20 seconds unless
# said otherwise. What they learn stays in build/fuzz/corpus, for the next time. Where one finds
# something, it prints the input's file and how to run it again, and the script fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-20}
[ $# -gt 0 ] && shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] ||
  targets=(safetensors graph model checkpoint journal log toml idx cifar image onnx)

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "$(nproc)" --target "${targets[@]/#/fuzz_}"
tests/fuzz/make_seeds.py build/fuzz/seeds
status=0
for target in "${targets[@]}"; do
  corpus=build/fuzz/corpus/$target
  mkdir -p "$corpus" build/fuzz/found
  case $target in
  toml) dictionary=(-dict=tests/fuzz/toml.dict) ;;
  idx | cifar | image | onnx) dictionary=() ;;
  *) dictionary=(-dict=tests/fuzz/json.dict) ;;
  esac
  printf '%-12s ' "$target"
  if build/fuzz/tests/fuzz/fuzz_"$target" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 \
    -max_len=20000 "${dictionary[@]}" -artifact_prefix="build/fuzz/found/$target-" -print_final_stats=1 \
    "$corpus" "build/fuzz/seeds/$target" >build/fuzz/"$target".log 2>&1; then
    grep -oE 'number_of_executed_units: *[0-9]+' build/fuzz/"$target".log
  else
    status=1
    echo "found something:"
    grep -E 'ERROR|SUMMARY|runtime error|Test unit written' build/fuzz/"$target".log || true
    echo "again: build/fuzz/tests/fuzz/fuzz_$target FILE"
  fi
done
exit $status
