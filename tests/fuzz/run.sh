#!/usr/bin/env bash
# Builds the fuzzers and runs each of them, as many at a time as there are processors:
# tests/fuzz/run.sh [SECONDS [TARGET...]]; 20 seconds unless said otherwise. What they learn stays in
# build/fuzz/corpus, for the next time. Where one finds something, which memory beyond the limits and
# half a minute for one input are, too, its input and how to run it again are printed, and the script
# fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
export seconds=${1:-20}
[ $# -gt 0 ] && shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] ||
  targets=(safetensors graph model checkpoint journal log toml idx cifar image onnx pytorch)

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "$(nproc)" --target "${targets[@]/#/fuzz_}"
tests/fuzz/make_seeds.py build/fuzz/seeds
mkdir -p build/fuzz/found

fuzz() {
  local target=$1 corpus=build/fuzz/corpus/$1 log=build/fuzz/$1.log dictionary=()
  mkdir -p "$corpus"
  case $target in
  toml | image | onnx) dictionary=(-dict=tests/fuzz/"$target".dict) ;;
  idx | cifar | pytorch) ;;
  *) dictionary=(-dict=tests/fuzz/json.dict) ;;
  esac
  if build/fuzz/tests/fuzz/fuzz_"$target" -max_total_time="$seconds" -rss_limit_mb=2560 \
    -malloc_limit_mb=1024 -timeout=30 -max_len=20000 "${dictionary[@]}" \
    -artifact_prefix="build/fuzz/found/$target-" -print_final_stats=1 \
    "$corpus" "build/fuzz/seeds/$target" >"$log" 2>&1; then
    printf '%-12s %s inputs\n' "$target" "$(sed -n 's/.*number_of_executed_units: *//p' "$log")"
  else
    printf '%-12s found something:\n' "$target"
    grep -E 'ERROR|SUMMARY|runtime error|Test unit written' "$log" || true
    echo "again: build/fuzz/tests/fuzz/fuzz_$target FILE"
    return 1
  fi
}
export -f fuzz
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}'
