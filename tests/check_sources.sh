#!/usr/bin/env bash
# Every source of the libraries, programs and benchmarks stands in the CMakeLists.txt above it. Tests are
# found by a pattern: one that nobody lists would pass in silence. Prints each source that no list
# names, and where it belongs, and then fails.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
while read -r source; do
  [ -e "$source" ] || continue  # removed, but not yet from git
  folder=$(dirname "$source")
  while [ ! -e "$folder/CMakeLists.txt" ]; do folder=$(dirname "$folder"); done
  name=${source#"$folder/"}
  grep -qxF -- "$name" < <(tr -s '() \t' '\n' <"$folder/CMakeLists.txt") && continue
  echo "$source: $folder/CMakeLists.txt doesn't list $name"
  status=1
done < <(git ls-files -co --exclude-standard kernels engine nn map pruning apps bench | grep -E '\.(cpp|cu)$')
[ $status -eq 0 ] && echo "all sources are listed"
exit $status
