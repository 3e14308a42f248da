#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests.
#
#   tests/run.sh [PRESET] [CTEST OPTIONS...]     PRESET: release (default), debug, asan, tsan,
#                                                      emulated, emulated-check
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/packages.sh

preset=release
if [ $# -gt 0 ] && [[ $1 != -* ]]; then
  preset=$1
  shift
fi
install_missing "${build_packages[@]}" libgtest-dev libbenchmark-dev
cmake --preset "$preset" -DTRIFOLD_WERROR=${TRIFOLD_WERROR:-OFF} >/dev/null
cmake --build --preset "$preset" -j "$(nproc)"
# The tests are timed and threaded themselves, so they run one at a time.
ctest --preset "$preset" "$@"
