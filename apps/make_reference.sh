#!/usr/bin/env bash
# Prints apps/REFERENCE.md: what the programs say of themselves, and what holds for all of them.
#
#   apps/make_reference.sh > apps/REFERENCE.md      after a build; .ci/run checks that it is up to date
set -euo pipefail
cd "$(dirname "$0")/.."
bin=build/release/bin

cat <<'TEXT'
# Reference

Made by `apps/make_reference.sh` from the programs' own help.

## Exit codes

| code | meaning |
|--:|---|
| 0 | done |
| 1 | failed at run time: a full disk, a run folder that another process works in |
| 2 | usage or configuration |
| 3 | bad input file |
| 4 | the target can't be met |
| 5 | training diverged: a value is not finite; no model is written |
| 6 | a result differs from what was recorded of it |
| 75 | stopped after a checkpoint (SIGTERM, SIGINT, SIGUSR1, SIGHUP, `--time-limit`): run again with `--resume` |

Data goes to standard output, progress and messages to standard error. There is colour only at a terminal, and none
where `NO_COLOR` is set.

## Where options come from

From flags, then the environment (`TRIFOLD_ROUND_EPOCHS=2`; an empty variable is none), then a file (`--config
run.toml` with `round-epochs = 2`), else they keep their built-in values. The resolved ones are written into the run
folder as `config.toml`, paths as absolute ones, so that a later stage, or `--resume`, needs `--out` alone, from any
folder.

## Run folders

A run folder belongs to one process at a time, which `run.lock` in it names; a second one is refused (exit code 1).
What a killed process leaves there is taken over, its temporary files (`NAME.XXXXXX.partial`) go. Only of one that ran
on another machine can't be told whether it still does: the error then names the file to remove. `evaluate` and
`inspect` read a run's models at any time.

`prune collect --worker` and `prune compare --worker` don't ask for the folder: they join in the work of a planned run,
beside its holder, other workers or alone. A file in `leases/` names the process that does a piece of work. It is taken
over at once where that process has ended, or, of a process on another machine, when the file hasn't changed for as long
as it says, a minute. The tables of `compare` are written by `prune compare` without `--worker`, which finds the
trainings done.

## Environment

| variable | meaning |
|---|---|
| `TRIFOLD_<OPTION>` | the option `--<option>`, with `_` for `-` |
| `TRIFOLD_FASHION_MNIST` | the folder of Fashion-MNIST, where it isn't Debian's |
| `TRIFOLD_ISA` | the most of `avx512`, `avx2` and `baseline` that kernels may use |
| `TRIFOLD_CONV2D` | `direct` or `winograd`: forces the algorithm of convolutions that can be computed so |

Those of the CUDA backend are in `kernels/cuda/README.md`, those of the emulator in `kernels/simt/README.md`.
TEXT
for program in train prune evaluate inspect export-model; do
  printf '\n## %s\n\n```\n' "$program"
  "$bin/$program" --help | sed 's/[[:space:]]*$//' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'
  printf '```\n'
done
