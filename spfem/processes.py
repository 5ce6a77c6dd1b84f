"""Run independent jobs in several processes, one core each."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

Job = TypeVar("Job")
Answer = TypeVar("Answer")


def run_jobs(
    work: Callable[[Job], Answer], jobs: Sequence[Job], processes: int
) -> Iterator[tuple[Job, Answer]]:
    """Give each job with its answer, in the order of completion.

    Processes are spawned, not forked, because trackers and GPU libraries do not survive a fork;
    few jobs are worked off here, since starting a process takes seconds.

    Args:
        work: a function of a module, called with one job.
        jobs: picklable.
        processes: how many at a time.
    """
    if processes < 2 or len(jobs) < 2:
        for job in jobs:
            yield job, work(job)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(processes, len(jobs)), mp_context=context, initializer=_use_one_core
    ) as pool:
        waiting = {pool.submit(work, job): job for job in jobs}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _use_one_core() -> None:
    import cv2
    import torch

    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
