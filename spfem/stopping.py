"""How a command ends: well, by an expected error, by a signal, or as nobody reads its output."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from spfem.errors import SpfemError, missing_package

BROKEN_PIPE = 13  # SIGPIPE, which Windows does not name
GO_ON = "run the same command again to go on where it was"


class Stopped(BaseException):
    """The process was told to end.

    Attributes:
        number: of the signal.
    """

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
