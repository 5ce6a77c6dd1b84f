# Sourced by run_all.sh and tests/run.sh: sets PYTHON to an interpreter that has spfem, making or
# reusing .venv when no environment with spfem is active. Needs bash, Python 3.11 to 3.13 and pip.

find_python() {
  local candidate
  for candidate in python3.11 python3.12 python3.13 python3 python; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
      2>/dev/null; then
      command -v "$candidate"
      return 0
    fi
  done
  echo "spfem needs Python 3.11, 3.12 or 3.13 with venv and pip; none of python3.11, python3.12," \
    "python3.13, python3 on the PATH is one. Install one (for example python3.11) and run again." >&2
  return 1
}

use_environment() {
  local root="$1" stamp
  if [ -n "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ] && python -c 'import spfem, papermill, pytest' 2>/dev/null; then
    PYTHON=python
    return 0
  fi
  PYTHON="$root/.venv/bin/python"
  stamp="$root/.venv/.spfem-$(cat "$root/pyproject.toml" "$root/constraints.txt" | cksum | tr -d ' ')"
  if [ -e "$stamp" ] && "$PYTHON" -c 'import spfem, papermill, pytest' 2>/dev/null; then
    return 0
  fi
  local base
  base="$(find_python)" || return 1
  echo "Setting up $root/.venv with $("$base" --version) (a few minutes, once) ..."
  [ -x "$PYTHON" ] || "$base" -m venv --clear "$root/.venv" || return 1
  "$PYTHON" -m pip install --quiet --disable-pip-version-check -c "$root/constraints.txt" \
    -e "$root[test]" || {
    echo "The packages of spfem could not be installed (see above); check the network and run again." >&2
    return 1
  }
  touch "$stamp"
}
