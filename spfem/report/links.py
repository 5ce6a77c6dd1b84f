"""Which files a page may link to: those that exist, and will still exist where the page goes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

PAGE_NAME = "index.html"


def linkable(results: Path, names: Iterable[str]) -> set[str]:
    """Names of files that exist; of a page that git keeps, only those that git keeps too.

    The checkout leaves the PDF twins of figures and the HTML copies of notebooks out; a committed
    page that links to them would be broken for everyone but its maker.

    Args:
        results: folder of the page.
        names: of files, relative to it.
    """
    there = [name for name in dict.fromkeys(names) if (results / name).is_file()]
    ignored = _ignored(results, [PAGE_NAME, *there])
    return set(there) if PAGE_NAME in ignored else set(there) - ignored


def _ignored(results: Path, names: list[str]) -> set[str]:
    """Names that git is told to ignore; none outside a checkout."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(results), "check-ignore", "--stdin", "-z"],
            input="\0".join(names),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return set()
    return set(filter(None, answer.stdout.split("\0")))
