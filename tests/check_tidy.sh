#!/usr/bin/env bash
# Runs clang-tidy over the libraries above the kernels, with those checks of .clang-tidy that find most
# for their time: a few minutes. Kernels and programs are given by name; --all makes all checks, and
# takes several times as long.
#
#   tests/check_tidy.sh [--all] [FILES...]       after cmake --preset clang
#   tests/check_tidy.sh [--all] --changed N      those that the last N commits have touched, or all
#                                                where there aren't so many
set -euo pipefail
cd "$(dirname "$0")/.."

checks=-*,bugprone-use-after-move,bugprone-dangling-handle,bugprone-infinite-loop,bugprone-sizeof-expression
checks+=,performance-for-range-copy,performance-unnecessary-copy-initialization
checks+=,performance-unnecessary-value-param,modernize-use-override,misc-unused-parameters
if [ "${1:-}" = --all ]; then
  checks=
  shift
fi
mapfile -t files < <(git ls-files 'engine/*.cpp' 'nn/*.cpp' 'map/*.cpp' 'pruning/*.cpp')
if [ "${1:-}" = --changed ]; then
  if touched=$(git diff --name-only "HEAD~$2" 2>/dev/null) && ! grep -qx '\.clang-tidy' <<<"$touched"; then
    # A header's own source stands for all that include it.
    mapfile -t files < <(printf '%s\n' "${files[@]}" | grep -xFf <(sed 's/\.[a-z]*$/.cpp/' <<<"$touched"))
  fi
elif [ $# -gt 0 ]; then
  files=("$@")
fi
# Warnings that it counts but doesn't show are of other projects' headers.
printf '%s\0' "${files[@]}" | xargs -0 -r -n 1 -P "$(nproc)" \
  clang-tidy -p build/clang --quiet --warnings-as-errors='*' --checks="$checks" \
  2> >(grep -v 'warnings\? generated\.$' >&2)
echo "clang-tidy finds nothing in ${#files[@]} files"
