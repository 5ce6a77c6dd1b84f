"""Programs without a network: in a namespace of their own where the system permits, and guarded.

Two blocks, since each has a gap: the guard sees only what Python's sockets do, but names it; a
network namespace stops every library, but does not tell.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
LOG_VARIABLE = "SPFEM_NETWORK_LOG"


@dataclass(frozen=True)
class NoNetwork:
    """Runs programs without a network; `attempts` are what they tried all the same."""

    log: Path

    @property
    def way(self) -> str:
        """How the network is blocked, for the report of a test."""
        guard = "a guard in every Python process"
        return f"a network namespace and {guard}" if namespace() else guard

    @property
    def attempts(self) -> list[str]:
        """One line for every connection or look-up that was refused."""
        return self.log.read_text("utf-8").splitlines() if self.log.exists() else []

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a guarded process."""
        inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        paths = [str(FOLDER / "guard"), *filter(None, inherited)]
        return {
            **os.environ,
            **(more or {}),
            "PYTHONPATH": os.pathsep.join(paths),
            LOG_VARIABLE: str(self.log),
        }

    def command(self, words: Sequence[str | Path]) -> list[str]:
        """The words of a command that runs `words` without a network."""
        return [*namespace(), *map(str, words)]

    def run(self, words: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with what it printed as text."""
        return subprocess.run(
            self.command(words),
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            **options,
        )


@cache
def namespace() -> tuple[str, ...]:
    """Words that start a program in a network namespace with loopback only; none if forbidden."""
    if shutil.which("unshare") is None:
        return ()
    for options in ("--net",), ("--map-root-user", "--net"):  # as root; as anybody
        words = ("unshare", *options, "--", sys.executable, str(FOLDER / "loopback.py"))
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    return ()
