"""Commands whose output is cut short, and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from spfem import __main__ as command_line
from spfem.__main__ import main
from spfem.processes import Stopped, stopping_raises
from tests.conftest import ROOT

MUCH = "import sys; from spfem import __main__ as c; c.COMMANDS['corpus'] = lambda _: "
MUCH += "[print('line', n) for n in range(100000)]; sys.exit(c.main(['corpus', '.']))"


def test_output_that_nobody_reads_ends_without_a_word():
    command = subprocess.Popen(
        [sys.executable, "-c", MUCH],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout.readline() == b"line 0\n"
    command.stdout.close()
    assert command.stderr.read() == b""
    assert command.wait(30) == 128 + signal.SIGPIPE


@pytest.mark.parametrize(
    ("raised", "status", "word"),
    [
        (KeyboardInterrupt(), 130, "Ctrl-C"),
        (Stopped(signal.SIGTERM), 143, "SIGTERM"),
        (Stopped(signal.SIGHUP), 129, "SIGHUP"),
    ],
)
def test_a_stopped_command_says_how_to_go_on(monkeypatch, capsys, raised, status, word):
    def stop(_):
        raise raised

    monkeypatch.setitem(command_line.COMMANDS, "corpus", stop)
    assert main(["corpus", "."]) == status
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"spfem: stopped by {word}; run the same command again to go on where it was"


def test_signals_raise_in_the_block_and_ignored_ones_stay_ignored():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped, match="SIGTERM"), stopping_raises():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
    held = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with stopping_raises():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, held)
