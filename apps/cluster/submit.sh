#!/usr/bin/env bash
# Submits a pruning run to SLURM: a job that plans it, an array of WORKERS jobs that collect its data
# points together, and a job that does the rest. Each begins when the one before it has succeeded.
#
#   apps/cluster/submit.sh WORKERS [SBATCH OPTIONS...] -- --out DIR [OPTIONS OF PRUNE...]
#   apps/cluster/submit.sh 8 --time=4:00:00 --cpus-per-task=16 -- --out /shared/runs/resnet56 \
#     --model /shared/resnet56.safetensors --arch resnet56 --data cifar10:/shared/cifar-10-batches-bin
#
# All machines have to see DIR and the files under the same paths. Prints the jobs' numbers.
set -euo pipefail
script=$(dirname "$(realpath "$0")")/prune.sbatch
workers=${1:?the first argument is how many jobs collect}
shift
command -v sbatch >/dev/null || {
  echo "error: there is no sbatch here; call this where SLURM's commands are (Debian: slurm-client)" >&2
  exit 1
}

sbatch=()
while [ "${1:?no -- before the options of prune}" != -- ]; do
  sbatch+=("$1")
  shift
done
shift

sbatch+=(--parsable --kill-on-invalid-dep=yes)
planned=$(sbatch "${sbatch[@]}" "$script" plan,sparsify "$@")
collected=$(sbatch "${sbatch[@]}" --dependency="afterok:$planned" --array="1-$workers" \
  "$script" collect --worker "$@")
finished=$(sbatch "${sbatch[@]}" --dependency="afterok:$collected" "$script" run --resume "$@")
echo "planning $planned, collecting $collected, finishing $finished"
