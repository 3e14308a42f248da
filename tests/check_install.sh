#!/usr/bin/env bash
# Checks `cmake --install`, find_package(trifold) and add_subdirectory by the project in tests/install.
#
#   tests/check_install.sh [build/release]     a finished build
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "error: $*"; exit 1; }
build=${1:-build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
configure() {  # FOLDER OPTIONS...
  cmake -S tests/install -B "$work/$1" -G Ninja -DCMAKE_BUILD_TYPE=Release "${@:2}" >/dev/null
}

cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/a prefix"  # nothing installed may know where it was put
prefix="$work/a prefix"
for program in train prune evaluate inspect export-model; do
  "$prefix/bin/trifold-$program" --version | grep -q "(Trifold)" || fail "trifold-$program doesn't run"
  grep -q '^\.BR .*version' "$prefix/share/man/man1/trifold-$program.1" ||
    fail "trifold-$program has no manual page with its options"
done
tests/check_completion.sh "$prefix"
others=$(find "$prefix/bin" -type f ! -name 'trifold-*')
[ -z "$others" ] || fail "installed without a prefix: $others"

(cd "$prefix/include/trifold" && find . -name '*.h' -printf '#include "%P"\n') >"$work/all_headers.cpp"
configure found -DCMAKE_PREFIX_PATH="$prefix" -DALL_HEADERS="$work/all_headers.cpp"
cmake --build "$work/found"
"$work/found/consumer" | grep -qx "Trifold 0.*: resnet20 has [0-9]* nodes and 40[0-9]* MACs; 0.9" ||
  fail "the project that uses the installed libraries prints $("$work/found/consumer")"

configure part -DTRIFOLD_SOURCE="$PWD" -DTRIFOLD_CUDA=OFF
targets=$(ninja -C "$work/part" -t targets all)
grep -q "^trifold/nn/libtrifold_nn.a:" <<<"$targets" || fail "add_subdirectory builds no libraries"
! grep -E '^trifold/(bin|tests|bench)/' <<<"$targets" || fail "add_subdirectory builds programs or tests"
echo "installed, found and included"
