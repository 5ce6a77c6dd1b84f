import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spfem.errors import SpfemError
from spfem.processes import run_jobs
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
