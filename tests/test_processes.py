import os

import pytest

from spfem.processes import run_jobs


def square(number):
    return number * number, os.getpid()


def fail(number):
    raise ValueError(f"job {number}")


def test_one_process_works_in_order_here():
    answers = list(run_jobs(square, [3, 1, 2], 1))
    assert [(job, answer[0]) for job, answer in answers] == [(3, 9), (1, 1), (2, 4)]
    assert {answer[1] for _, answer in answers} == {os.getpid()}


def test_several_processes_do_every_job_once():
    answers = dict(run_jobs(square, [1, 2, 3, 4], 2))
    assert {job: answer[0] for job, answer in answers.items()} == {1: 1, 2: 4, 3: 9, 4: 16}
    assert os.getpid() not in {answer[1] for answer in answers.values()}


def test_errors_of_jobs_arrive():
    with pytest.raises(ValueError, match=r"job [12]"):  # whichever fails first
        list(run_jobs(fail, [1, 2], 2))


def test_no_job_is_no_work():
    assert list(run_jobs(square, [], 2)) == []
