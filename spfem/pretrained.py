"""The models that come with the package: where each lies, and whether it is still what it was.

Files are safetensors in half precision below `spfem/weights`, each with its SHA-256 (`NAME.sha256`,
for `sha256sum --check` too) and a card (`NAME.json`, and to read `NAME.md`). They load into the
single precision of their networks. `python -m spfem.weights make` makes all of them anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from spfem.errors import CheckpointError, SettingsError

WEIGHTS_FOLDER = Path(__file__).resolve().parent / "weights"
REMEDY = "install spfem again, or make it with `python -m spfem.weights make`"

PRETRAINED: Mapping[str, Mapping[str, str]] = {
    "face reader": {"units": "reader"},
    "spatial coherence": {"paper": "spatial", "speech": "spatial_speech"},
    "spatial-temporal coherence": {"vd": "spatial_temporal_vd"},
    "cross-modal coherence": {"expression": "cross_modal_expression"},
    "manipulator": {"ned": "manipulator"},
}
"""Kind of checkpoint to variant to name of the file; the first variant of a kind is the default."""


def pretrained_file(kind: str, variant: str | None = None, *, folder: Path | None = None) -> Path:
    """Checkpoint of a shipped model, its bytes checked against its hash.

    Args:
        kind: of checkpoint, a key of `PRETRAINED`.
        variant: one of the kind's; None for the first.
        folder: of the files; None for the package's.

    Raises:
        SettingsError: if there is no such model, naming those that are.
        CheckpointError: if the file or its hash is missing, or they do not belong together.
    """
    variants = PRETRAINED.get(kind, {})
    if not variants:
        raise SettingsError(
            f"no {kind} comes with the package, only: {', '.join(PRETRAINED)}; learn one with "
            "`python -m spfem stage` and load its checkpoint"
        )
    if variant is None:
        variant = next(iter(variants))
    if variant not in variants:
        raise SettingsError(
            f"no {kind} of the variant {variant!r} comes with the package; choose one of "
            f"{', '.join(variants)}"
        )
    path = shipped_path(variants[variant], folder or WEIGHTS_FOLDER)
    check_hash(path)
    return path


def shipped_path(name: str, folder: Path = WEIGHTS_FOLDER) -> Path:
    """Where a shipped model lies, whether or not it is there."""
    return folder / f"{name}.safetensors"


def hash_file(path: Path) -> Path:
    """Where the SHA-256 of a model is written."""
    return path.with_suffix(".sha256")


def sha256_of(path: Path) -> str:
    """SHA-256 of the bytes of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_hash(path: Path) -> str:
    """SHA-256 of a model, once it is sure that it is the file that was shipped.

    Raises:
        CheckpointError: if the file or its hash is missing, or they do not belong together.
    """
    beside = hash_file(path)
    for wanted in (path, beside):
        if not wanted.is_file():
            raise CheckpointError(f"{wanted} should come with the package and is missing; {REMEDY}")
    found = sha256_of(path)
    told = beside.read_text(encoding="utf-8").split()
    if not told or told[0] != found:
        raise CheckpointError(
            f"{path} is not the file that was shipped: its SHA-256 is {found}, {beside.name} says "
            f"{told[0] if told else 'nothing'}; {REMEDY}"
        )
    return found
