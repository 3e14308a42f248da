#!/usr/bin/env bash
# Includes point one way: apps -> pruning -> nn -> engine -> kernels; apps, pruning -> map.
# Nothing includes tests/ or bench/. Prints every include that does not, and then fails.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
check() {  # FOLDER ALLOWED...: the folders whose headers FOLDER may include
  local folder=$1 wrong allowed
  shift
  allowed=$(IFS='|'; echo "$*")
  wrong=$(grep -rnE '#include "(kernels|engine|nn|map|pruning|apps|tests|bench)/' "$folder" |
    grep -vE "#include \"($allowed)/" || true)
  if [ -n "$wrong" ]; then
    echo "$wrong"
    status=1
  fi
}
check kernels kernels
check engine engine kernels
check nn nn engine kernels
check map map
check pruning pruning map nn engine kernels
check apps apps pruning map nn engine kernels
[ $status -eq 0 ] && echo "includes point one way"
exit $status
