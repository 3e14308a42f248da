#!/usr/bin/env bash
# Runs clang-tidy, with the checks of .clang-tidy, over the libraries above the kernels: what fits into
# a few minutes. Kernels and programs are given by name, and so is --analyzer for the checks that
# follow values through a function, which take three times as long as all others:
#
#   tests/check_tidy.sh [--analyzer] [FILES...]     after cmake --preset clang
set -euo pipefail
cd "$(dirname "$0")/.."

checks=-clang-analyzer-*
if [ "${1:-}" = --analyzer ]; then
  checks=
  shift
fi
[ $# -gt 0 ] || mapfile -t files < <(git ls-files 'engine/*.cpp' 'nn/*.cpp' 'map/*.cpp' 'pruning/*.cpp')
[ $# -eq 0 ] || files=("$@")
# Warnings that it counts but doesn't show are of other projects' headers.
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" \
  clang-tidy -p build/clang --quiet --warnings-as-errors='*' --checks="$checks" \
  2> >(grep -v 'warnings\? generated\.$' >&2)
echo "clang-tidy finds nothing in ${#files[@]} files"
