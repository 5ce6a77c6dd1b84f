"""Where the checkout lies: notebooks, committed data and results are below it."""

from __future__ import annotations

from pathlib import Path


def project_folder() -> Path:
    """The checkout; if the package is installed elsewhere, the current folder or the one above.

    Notebooks run in `notebooks/`, so the checkout may be the folder above. Where none of these
    holds notebooks, it is the current folder.
    """
    here = Path.cwd()
    for folder in (Path(__file__).resolve().parent.parent, here, here.parent):
        if (folder / "notebooks").is_dir():
            return folder
    return here
