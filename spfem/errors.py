"""The errors of spfem. Each message says which argument or file, what was found, what to do."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any


class SpfemError(Exception):
    """Base of every error that spfem raises on purpose; the command line prints it as one line."""


class SettingsError(SpfemError):
    """A setting, option or notebook parameter is unknown or out of range."""


class InputError(SpfemError):
    """A file or folder given by the user is missing, damaged or not what it claims to be."""


class CorpusError(SpfemError):
    """A folder is not a corpus, or a corpus lacks what a stage needs."""


class FaceNotFoundError(InputError):
    """No face was found where one is needed."""


class ShapeError(SpfemError, ValueError):
    """An array or tensor has the wrong shape, type or range."""


class CheckpointError(SpfemError):
    """A checkpoint is missing, damaged or made for another network."""


class TrainingStateError(CheckpointError):
    """The kept state of a training is damaged or that of another training."""


class AssetError(SpfemError):
    """A model file that a package should ship, or that the user must supply, is missing."""


class ArtifactError(SpfemError):
    """A stage folder cannot be used or written."""


class MissingPackageError(SpfemError):
    """What was asked for needs packages that are not installed."""


def require(settings: Any, rules: dict[str, bool]) -> None:
    """Refuse settings by the first rule that does not hold, with the fields that it names."""
    for rule, holds in rules.items():
        if not holds:
            named = [one for one in fields(settings) if re.search(rf"\b{one.name}\b", rule)]
            found = ", ".join(f"{one.name}={getattr(settings, one.name)!r}" for one in named)
            raise SettingsError(f"{rule}; found {found}")


MODULES = {
    "run": (
        "IPython", "PIL", "av", "cv2", "espeakng_loader", "jinja2",
        "latex2mathml", "librosa", "matplotlib", "mediapipe", "nbclient", "nbconvert", "nbformat",
        "pandas", "papermill", "scipy", "seaborn", "sklearn", "tqdm", "warp",
    ),
    "explore": ("anywidget", "ipywidgets", "traitlets"),
    "test": ("playwright",),
}  # fmt: skip
"""Modules that spfem imports where it uses them, by the extra that brings each."""


def install_line(extra: str = "") -> str:
    """What to type to get spfem with an extra."""
    return f'pip install "spfem[{extra}]"' if extra else "pip install spfem"


def missing_package(error: ModuleNotFoundError) -> MissingPackageError | None:
    """The same error with what to install; None if no extra brings the module."""
    module = (error.name or "").partition(".")[0]
    for extra, modules in MODULES.items():
        if module in modules:
            return MissingPackageError(
                f"this needs the package of {module}, which is not installed; run: "
                f"{install_line(extra)} (in a checkout: pip install -e '.[{extra}]')"
            )
    return None
