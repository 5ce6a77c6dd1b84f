"""Manipulator checkpoints: networks, scale of the expression space and what made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, settings_from_facts
from spfem.errors import CheckpointError
from spfem.manipulator.model import ExpressionSpace, Manipulator
from spfem.pretrained import pretrained_file
from spfem.settings import ManipulatorSettings

CHECKPOINT_KIND = "manipulator"


def save_manipulator(
    path: Path, manipulator: Manipulator, *, provenance: Mapping[str, Any] | None = None
) -> None:
    """Write the networks, the scale of the expression space and what made them to `path`."""
    space = manipulator.space
    facts = {
        "settings": asdict(manipulator.settings),
        "expression_names": space.names,
        "value_range": space.value_range,
        "emotions": manipulator.emotions,
        "provenance": dict(provenance or {}),
    }
    save_checkpoint(path, manipulator.state_dict(), kind=CHECKPOINT_KIND, facts=facts)


def load_manipulator(path: Path, *, device: str = "cpu") -> Manipulator:
    """Read the manipulator of `save_manipulator`, in evaluation mode, without gradients.

    Raises:
        CheckpointError: if the file is missing, damaged, of another kind, or its tensors do
            not fit its own settings.
    """
    tensors, facts = load_checkpoint(path, kind=CHECKPOINT_KIND)
    settings = settings_from_facts(ManipulatorSettings, facts.get("settings"), path)
    try:
        value_range = facts["value_range"]
        space = ExpressionSpace(
            tuple(facts["expression_names"]),
            None if value_range is None else (value_range[0], value_range[1]),
        )
        manipulator = Manipulator(settings, space, emotions=int(facts["emotions"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"{path} does not describe its expression space ({error}); train again"
        ) from error
    load_weights(manipulator, tensors, path)
    return manipulator.to(device).eval().requires_grad_(False)


def pretrained_manipulator(variant: str | None = None, *, device: str = "cpu") -> Manipulator:
    """The manipulator that comes with the package, as `load_manipulator` gives it.

    Its expression space are the 52 face units; `spfem/weights` says what it was learned from.

    Args:
        variant: name of the method it was learned with, see `spfem.pretrained.PRETRAINED`; None
            for the only one.
        device: where to put it.

    Raises:
        SettingsError: if there is none of this variant.
        CheckpointError: if the file is missing or not the one that was shipped.
    """
    return load_manipulator(pretrained_file(CHECKPOINT_KIND, variant), device=device)
