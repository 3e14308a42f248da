#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests, or those that CTest's options choose. That no
# test is found is a failure.
#
#   tests/run.sh [PRESET] [CTEST OPTIONS...]     PRESET: release (default), debug, asan, tsan,
#                                                      emulated, emulated-check
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/prepare.sh

preset=release
if [ $# -gt 0 ] && [[ $1 != -* ]]; then
  preset=$1
  shift
fi
prepare "$preset"
cmake --build --preset "$preset" -j "$(nproc)"
# The tests are threaded themselves: one at a time, where -j does not say otherwise.
ctest --preset "$preset" "$@"
