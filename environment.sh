# Sourced by run_all.sh and tests/run.sh: sets PYTHON to an interpreter that has spfem and what the
# caller needs, making or reusing .venv when no such environment is active. Needs bash, Python 3.11 to
# 3.13 and pip.

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

# use_environment ROOT run|test: with what run_all.sh needs, or with what the tests need as well.
use_environment() {
  local root="$1" extras modules pins each
  case "$2" in
    run) extras=run,explore modules="spfem, papermill, anywidget" ;;
    test) extras=test modules="spfem, papermill, anywidget, pytest" ;;
  esac
  if [ -n "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ] && python -c "import $modules" 2>/dev/null; then
    PYTHON=python
    return 0
  fi
  PYTHON="$root/.venv/bin/python"
  pins="$(cat "$root/pyproject.toml" "$root/constraints.txt" | cksum | tr -d ' ')"
  for each in "$2" test; do
    if [ -e "$root/.venv/.spfem-$each-$pins" ] && "$PYTHON" -c "import $modules" 2>/dev/null; then
      return 0
    fi
  done
  local base
  base="$(find_python)" || return 1
  echo "Setting up $root/.venv with $("$base" --version) (a few minutes, once) ..."
  [ -x "$PYTHON" ] || "$base" -m venv --clear "$root/.venv" || return 1
  "$PYTHON" -m pip install --quiet --disable-pip-version-check -c "$root/constraints.txt" \
    -e "$root[$extras]" || {
    echo "The packages of spfem could not be installed (see above); check the network and run again." >&2
    return 1
  }
  touch "$root/.venv/.spfem-$2-$pins"
}
