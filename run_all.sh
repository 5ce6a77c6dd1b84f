#!/usr/bin/env bash
# Regenerates every table and figure: sets the environment up, then runs the numbered notebooks.
# bash run_all.sh --help lists the options.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$root/environment.sh"
use_environment "$root" run
cd "$root"
exec "$PYTHON" -m spfem reproduce "$@"
