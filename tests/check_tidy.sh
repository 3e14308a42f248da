#!/usr/bin/env bash
# Runs clang-tidy over the libraries above the kernels, with those checks of .clang-tidy that find most
# for their time: a few minutes. Kernels and programs are given by name; --all makes all checks, and
# takes several times as long.
#
#   tests/check_tidy.sh [--all] [FILES...]     after cmake --preset clang
set -euo pipefail
cd "$(dirname "$0")/.."

checks=-*,bugprone-use-after-move,bugprone-dangling-handle,bugprone-infinite-loop,bugprone-sizeof-expression
checks+=,performance-for-range-copy,performance-unnecessary-copy-initialization
checks+=,performance-unnecessary-value-param,modernize-use-override,misc-unused-parameters
if [ "${1:-}" = --all ]; then
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
