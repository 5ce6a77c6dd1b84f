"""Jobs in processes that may die, signals, and output that nobody reads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spfem import __main__ as command_line
from spfem.__main__ import main
from spfem.errors import SpfemError
from spfem.processes import Stopped, run_jobs, stopping_raises
from tests.conftest import ROOT
from tests.jobs import die_in_company, die_of_three, fail, nothing, square


@pytest.fixture(autouse=True)
def _light_processes(monkeypatch):
    monkeypatch.setattr("spfem.processes._prepare", nothing)


def test_several_processes_do_every_job_once():
    answers = dict(run_jobs(square, [1, 2, 3, 4], 2))
    assert {job: answer[0] for job, answer in answers.items()} == {1: 1, 2: 4, 3: 9, 4: 16}
    assert os.getpid() not in {answer[1] for answer in answers.values()}


def test_errors_of_jobs_arrive():
    with pytest.raises(ValueError, match=r"job [12]"):  # whichever fails first
        list(run_jobs(fail, [1, 2], 2))


def test_a_process_that_dies_names_its_job_and_loses_no_other():
    jobs = [1, 2, 3, 4, 5]
    answers = list(run_jobs(die_of_three, jobs, 2, answer_death=lambda job: f"died of {job}"))
    assert sorted(answers) == [(job, "died of 3" if job == 3 else f"answer {job}") for job in jobs]


def test_a_death_without_an_answer_is_an_error_that_names_the_job():
    with pytest.raises(SpfemError, match="worked on 3 died"):
        list(run_jobs(die_of_three, [3, 1], 2))


def test_a_job_that_dies_once_is_tried_again_alone(tmp_path):
    answers = dict(run_jobs(die_in_company, [(1, tmp_path), (2, tmp_path)], 2))
    assert answers == {(1, tmp_path): 1, (2, tmp_path): 2}


PARENT = """
import os, signal, sys, time
from pathlib import Path
from spfem import processes

folder = Path(sys.argv[1])

def nothing():
    pass

def sleep(number):
    (folder / f"{number}.{os.getpid()}").touch()
    time.sleep(60)

def work():
    try:
        with processes.stopping_raises():
            list(processes.run_jobs(sleep, [1, 2], 2))
    except KeyboardInterrupt:
        return processes.say_stopped(2)
    except processes.Stopped as stopped:
        return processes.say_stopped(stopped.number)

if __name__ == "__main__":
    processes._prepare = nothing
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
    sys.exit(work())
"""


def _lives(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def _wait(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_no_process_outlives_its_parent(tmp_path, name):
    script, folder = tmp_path / "parent.py", tmp_path / "jobs"
    script.write_text(PARENT)
    folder.mkdir()
    parent = subprocess.Popen(
        [sys.executable, script, folder],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Jobs in the background of a shell ignore Ctrl-C, and their children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert _wait(lambda: len(list(folder.iterdir())) == 2, 60)
    workers = [int(path.suffix[1:]) for path in folder.iterdir()]
    assert all(map(_lives, workers))
    parent.send_signal(signal.Signals[name])
    said = parent.communicate(timeout=30)[1]  # returns only when nobody holds the pipe any more
    assert _wait(lambda: not any(map(_lives, workers)), 30)
    if name == "SIGKILL":
        assert parent.returncode == -signal.SIGKILL
    else:
        word = "Ctrl-C" if name == "SIGINT" else name
        assert said.splitlines()[-1].startswith(f"spfem: stopped by {word}; run the same command")
        assert parent.returncode == 128 + signal.Signals[name]


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
