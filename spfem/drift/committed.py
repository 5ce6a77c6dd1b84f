"""The tables of a folder of results, as they lie there or as git keeps them."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pandas as pd

from spfem.errors import InputError


def read_tables(results: Path) -> dict[str, pd.DataFrame]:
    """The tables of `figures/<corpus>-<scale>` by name.

    Raises:
        InputError: if there is none, or one cannot be read.
    """
    paths = sorted((results / "tables").glob("*.csv"))
    if not paths:
        raise InputError(f"{results / 'tables'} holds no table; run the notebooks first")
    return {path.stem: _read(path.read_bytes(), str(path)) for path in paths}


def read_committed_tables(results: Path) -> dict[str, pd.DataFrame]:
    """The same, of the last commit.

    Raises:
        InputError: outside a checkout, or if the commit holds none.
    """
    listing = _git(results, "ls-tree", "--name-only", "-z", "HEAD", "./tables/")
    names = [name for name in listing.decode().split("\0") if name.endswith(".csv")]
    if not names:
        raise InputError(
            f"the last commit holds no tables of {results.name}; compare with a folder: "
            "--against DIR"
        )
    return {
        Path(name).stem: _read(_git(results, "show", f"HEAD:./{name}"), f"HEAD:{name}")
        for name in names
    }


def _git(folder: Path, *words: str) -> bytes:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(
            f"git cannot read the committed results of {folder}; compare with a folder: "
            "--against DIR"
        ) from error
    return answer.stdout


def _read(content: bytes, name: str) -> pd.DataFrame:
    try:
        return pd.read_csv(io.BytesIO(content))
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{name} is no table: {error}") from error
