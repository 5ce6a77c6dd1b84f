"""Where the checkout lies: notebooks, committed data and results are below it."""

from __future__ import annotations

from pathlib import Path


def project_folder() -> Path:
    """The checkout, or the current folder when the package is installed elsewhere."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()
