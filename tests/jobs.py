"""Jobs for the tests of processes, in a module that loads as fast as a process starts."""

from __future__ import annotations

import os
import signal
import time


def nothing():
    """In place of the import of large libraries in each process."""


def square(number):
    return number * number, os.getpid()


def fail(number):
    raise ValueError(f"job {number}")


def die_of_three(number):
    """Ends its own process at 3, as the system does for want of memory."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)  # so that others are under way at the same time
    return f"answer {number}"


def die_in_company(job):
    """Ends its process the first time only."""
    number, folder = job
    began = folder / f"{number}"
    if number == 1 and not began.exists():
        began.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number
