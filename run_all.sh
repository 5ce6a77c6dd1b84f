#!/usr/bin/env bash
# Regenerates every table and figure: sets the environment up, then runs the numbered notebooks.
# bash run_all.sh --help lists the options.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$root/environment.sh"
use_environment "$root"
cd "$root"
# Idle threads sleep instead of spinning: other programs on the machine slow this down less.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"
exec "$PYTHON" -m spfem reproduce "$@"
