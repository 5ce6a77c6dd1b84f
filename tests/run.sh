#!/usr/bin/env bash
# Passes the tests: style, types, the fast tests, then a smoke run of all notebooks.
# bash tests/run.sh --fast leaves the smoke run out; other arguments go to pytest.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$root/environment.sh"
use_environment "$root" test
cd "$root"
marker=""
if [ "${1:-}" = "--fast" ]; then
  marker="not slow"
  shift
fi
"$PYTHON" -m ruff check .
"$PYTHON" -m mypy
exec "$PYTHON" -m pytest -m "$marker" "$@"
