#!/usr/bin/env bash
# Passes the tests: style, types, the fast tests, then the slow ones with a smoke run of all notebooks.
# bash tests/run.sh --fast leaves the slow ones out; other arguments go to pytest.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$root/environment.sh"
use_environment "$root" test
cd "$root"
"$PYTHON" -m ruff check .
"$PYTHON" -m mypy
# Two processes, each of which takes whole files, so that what a file makes for its tests is made once.
tests=("$PYTHON" -m pytest -n 2 --dist loadfile)
if [ "${1:-}" = "--fast" ]; then
  exec "${tests[@]}" -m "not slow" "${@:2}"
elif [ "$#" -gt 0 ]; then
  exec "${tests[@]}" "$@"
fi
"${tests[@]}" -m "not slow"
exec "${tests[@]}" -m slow
