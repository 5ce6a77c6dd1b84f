"""The environment is set up once: what stands is taken without a word to pip or the network."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.conftest import ROOT

FILES = ("environment.sh", "pyproject.toml", "constraints.txt")
SCRIPT = 'source "$1/environment.sh"; use_environment "$1" "$2" && echo "takes $PYTHON"'
PYTHON = """#!/usr/bin/env bash
echo "$*" >> "{calls}"
case "$*" in "-m pip "*) exit {pip} ;; esac
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose interpreter only writes down what it is asked."""
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    return tmp_path


def _use(checkout, needs="run", *, pip=0):
    """What the script says, and what the interpreter was asked."""
    python, calls = checkout / ".venv" / "bin" / "python", checkout / "calls"
    python.write_text(PYTHON.format(calls=calls, pip=pip))
    python.chmod(0o755)
    calls.write_text("")
    active = ("VIRTUAL_ENV", "CONDA_PREFIX")
    answer = subprocess.run(
        ["bash", "-c", SCRIPT, "bash", str(checkout), needs],
        env={name: value for name, value in os.environ.items() if name not in active},
        capture_output=True,
        text=True,
        check=False,
    )
    return answer, calls.read_text()


def test_what_stands_is_taken_as_it_is(checkout):
    first, calls = _use(checkout)
    assert first.returncode == 0, first.stderr
    assert "-m pip install" in calls
    second, calls = _use(checkout)
    assert second.stdout == f"takes {checkout}/.venv/bin/python\n"
    assert "pip" not in calls


def test_other_pins_are_installed(checkout):
    _use(checkout)
    (checkout / "constraints.txt").write_text("numpy==2.0.0\n")
    _, calls = _use(checkout)
    assert "-m pip install" in calls


def test_without_a_network_the_first_time_says_what_to_do(checkout):
    answer, _ = _use(checkout, pip=1)
    assert answer.returncode != 0
    assert "takes" not in answer.stdout
    assert "check the network and run again" in answer.stderr
    again, calls = _use(checkout)  # a broken installation is not taken for a whole one
    assert again.returncode == 0
    assert "-m pip install" in calls


def test_what_the_tests_need_is_enough_for_a_run_but_not_the_reverse(checkout):
    _, calls = _use(checkout)
    assert f"-e {checkout}[run,explore]" in calls
    _, calls = _use(checkout, "test")
    assert f"-e {checkout}[test]" in calls
    for stamp in (checkout / ".venv").glob(".spfem-run-*"):
        stamp.unlink()
    _, calls = _use(checkout)
    assert "pip" not in calls
