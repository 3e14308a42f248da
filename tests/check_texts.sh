#!/usr/bin/env bash
# Libraries say what is wrong, the programs which flag helps: prints every text of a library that names
# a flag, and then fails.
set -euo pipefail
cd "$(dirname "$0")/.."

found=$(grep -rnE --include='*.h' --include='*.cpp' --include='*.cu' --include='*.cuh' \
  '"([^"\\]|\\.)*--[a-z]' kernels engine nn map pruning || true)
if [ -n "$found" ]; then
  echo "$found"
  echo "the programs in apps/ name flags, the libraries don't"
  exit 1
fi
echo "no library names a flag"
