"""Jobs in several processes, and how a command ends: well, by an error, by a signal, unread."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from types import FrameType
from typing import TypeVar

from spfem.errors import SpfemError, missing_package

Job = TypeVar("Job")
Answer = TypeVar("Answer")


def run_jobs(
    work: Callable[[Job], Answer],
    jobs: Sequence[Job],
    processes: int,
    *,
    answer_death: Callable[[Job], Answer] | None = None,
) -> Iterator[tuple[Job, Answer]]:
    """Give each job with its answer, in the order of completion.

    Processes are not forked from this one, because trackers and GPU libraries do not survive that,
    but from a server that has imported the module of `work` and done nothing else, since imports
    take seconds. A single job is worked off here.

    When a process dies (most often the system ended it for want of memory), the jobs under way
    are tried again, one at a time, and the others go on. So a job may begin twice. No process
    outlives the one that started it, whatever ends that.

    Args:
        work: a function of a module, called with one job.
        jobs: picklable.
        processes: how many at a time.
        answer_death: gives the answer of a job whose process died even when it ran alone;
            default: an error.

    Raises:
        SpfemError: if a process dies on a job alone and `answer_death` is not given.
    """
    if processes < 2 or len(jobs) < 2:
        for job in jobs:
            yield job, work(job)
        return
    waiting = deque(jobs)
    while waiting:
        running: dict[Future[Answer], Job] = {}
        try:
            with open_pool(min(processes, len(waiting)), _prepare, _module_of(work)) as pool:
                while waiting or running:
                    # No more than can run, so that few jobs are suspected of a death.
                    while waiting and len(running) < processes:
                        running[pool.submit(work, waiting[0])] = waiting[0]
                        waiting.popleft()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        answer = future.result()
                        yield running.pop(future), answer
        except BrokenProcessPool:
            for job in running.values():
                yield job, _run_alone(work, job, answer_death)


def _run_alone(
    work: Callable[[Job], Answer], job: Job, answer_death: Callable[[Job], Answer] | None
) -> Answer:
    try:
        with open_pool(1, _prepare, _module_of(work)) as pool:
            return pool.submit(work, job).result()
    except BrokenProcessPool:
        if answer_death is None:
            raise SpfemError(
                f"the process that worked on {str(job)[:200]} died twice, often for want of "
                "memory; close other programs and run again"
            ) from None
        return answer_death(job)


def _module_of(work: Callable[..., object]) -> str:
    function: Callable[..., object] = getattr(work, "func", work)  # of a partial
    return function.__module__


@contextmanager
def open_pool(
    processes: int, prepare: Callable[[], None] | None = None, module: str = "__main__"
) -> Iterator[ProcessPoolExecutor]:
    """Open a pool of processes, each of which begins with `prepare`; `module` is imported once.

    An error of the block waits for what runs already. When the block is stopped from outside (by
    Ctrl-C, a signal, or who closes an iterator), its processes are killed.
    """
    before = set(multiprocessing.active_children())
    there = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context(
        "forkserver" if there and module != "__main__" else "spawn"
    )
    if there and module != "__main__":
        context.set_forkserver_preload([module])  # counts for the first pool of a process
    pool = ProcessPoolExecutor(processes, context, _begin, (prepare,))
    with pool:
        try:
            yield pool
        except Exception:
            pool.shutdown(cancel_futures=True)
            raise
        except BaseException:
            for process in set(multiprocessing.active_children()) - before:
                process.kill()
            raise


def _begin(prepare: Callable[[], None] | None) -> None:
    """Start a process of a pool: it ends with its parent, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the parent ends us
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()
    if prepare is not None:
        prepare()


def _end_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _prepare() -> None:
    import cv2
    import torch

    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


BROKEN_PIPE = 13  # SIGPIPE, which Windows does not name
GO_ON = "run the same command again to go on where it was"


class Stopped(BaseException):
    """The process was told to end by the signal of a `number`."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


def run_command(command: Callable[[], object]) -> int:
    """Run one command and give its exit status; errors that spfem expects become one line and 1.

    A command that a signal ends gives 128 and the number of the signal, as shells do; one whose
    output nobody reads any more ends without a word.
    """
    try:
        with stopping_raises():
            command()
            sys.stdout.flush()
    except KeyboardInterrupt:
        return say_stopped(signal.SIGINT)
    except Stopped as stopped:
        return say_stopped(stopped.number)
    except BrokenPipeError:
        drop_output()
        return 128 + BROKEN_PIPE
    except (SpfemError, ModuleNotFoundError) as error:
        told = missing_package(error) if isinstance(error, ModuleNotFoundError) else error
        if told is None:
            raise
        print(f"spfem: {type(told).__name__}: {told}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(
            f"spfem: the system refused: {error.strerror or error}{where}; free the disk or check "
            "the permissions, then run the same command again",
            file=sys.stderr,
        )
        return 1
    return 0


@contextmanager
def stopping_raises() -> Iterator[None]:
    """Let SIGTERM and SIGHUP (a closed terminal) raise `Stopped`, so that what is open is closed.

    A second one ends the process at once. Signals that the caller ignores, as `nohup` does, and
    those with a handler stay as they are.
    """
    names = ("SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    ours = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise Stopped(number)


def say_stopped(number: int) -> int:
    """Write the last line of a command that a signal ended; gives its exit status."""
    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    try:
        print(f"\nspfem: stopped by {name}; {GO_ON}", file=sys.stderr, flush=True)
    except OSError:  # the terminal is gone
        drop_output()
    return 128 + number


def drop_output() -> None:
    """Let what is still to be written go nowhere, since nobody reads it any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
