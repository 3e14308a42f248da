#!/usr/bin/env bash
# Checks that the README's two commands get on with each other: in either order, repeated, after a stop
# in the middle, in a folder with a space. Nothing is compiled, so it takes seconds: a stand-in for
# cmake configures as ever, but writes programs that do nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
cat >"$work/bin/cmake" <<'STANDIN'
#!/usr/bin/env bash
set -euo pipefail
PATH=${PATH#*:}
[ "$1" = --build ] || exec cmake "$@"
sed -n 's/^build \([^ ]*\): .*EXECUTABLE_LINKER.*/\1/p' build/release/build.ninja | while read -r program; do
  mkdir -p "build/release/${program%/*}"
  printf '#!/bin/sh\n[ "$1" != --gtest_list_tests ] || printf "%s.\\n  Passes\\n"\n' "${program##*/}" \
    >"build/release/$program"
  chmod +x "build/release/$program"
done
STANDIN
chmod +x "$work/bin/cmake"
export PATH="$work/bin:$PATH"

checkout() {  # NAME: goes to a new copy of this checkout
  mkdir "$work/$1"
  git ls-files -z | tar -c --null -T - | tar -x -C "$work/$1"
  cd "$work/$1"
}
expect() {  # STATUS TEXT COMMAND...: COMMAND ends with STATUS (0 or failure), and prints a line like TEXT
  local expected=$1 text=$2 status=0
  shift 2
  "$@" >"$work/log" 2>&1 || status=failure
  [ "$status" = "$expected" ] && grep -qE "$text" "$work/log" && return
  tail -40 "$work/log"
  echo "error: $* ended with $status, not with $expected and \"$text\""
  exit 1
}
# All but those that run the compiler.
tests=(tests/run.sh -E '^AnOp')
all_passed='100% tests passed, 0 tests failed out of ([6-9]|[1-9][0-9])'

(
  checkout "first the demo"
  for _ in once again; do
    expect 0 "Pruning it" apps/demo.sh "runs of mine"
    expect 0 "$all_passed" "${tests[@]}"
  done
  expect failure "No tests were found" tests/run.sh -R no-test-is-called-this
)
(
  checkout "first the tests"
  { timeout --signal=KILL 1 tests/run.sh; } >/dev/null 2>&1 || true
  expect 0 "$all_passed" "${tests[@]}"
  expect 0 "Pruning it" apps/demo.sh
  # As it was left by a build that somebody configured without tests.
  cmake --preset release -DTRIFOLD_TESTS=OFF >/dev/null
  expect 0 "$all_passed" "${tests[@]}"
)
echo "the two commands get on with each other"
