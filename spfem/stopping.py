"""How a command ends from outside: by a signal, by Ctrl-C, or because nobody reads its output."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GO_ON = "run the same command again to go on where it was"


class Stopped(BaseException):
    """The process was told to end.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


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
