"""Manipulator checkpoints: networks, scale of the expression space and what made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, settings_from_facts
from spfem.errors import CheckpointError
from spfem.manipulator.model import ExpressionSpace, Manipulator
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


def load_manipulator(
    path: Path, *, space: ExpressionSpace | None = None, device: str = "cpu"
) -> Manipulator:
    """Read the manipulator of `save_manipulator`, in evaluation mode, without gradients.

    Args:
        path: the file.
        space: expression space that the caller will feed; None for any.
        device: where to put it.

    Raises:
        CheckpointError: if the file is missing, damaged, of another kind, made for another
            expression space, or its tensors do not fit its own settings.
    """
    tensors, facts = load_checkpoint(path, kind=CHECKPOINT_KIND)
    settings = settings_from_facts(ManipulatorSettings, facts.get("settings"), path)
    try:
        value_range = facts["value_range"]
        own_space = ExpressionSpace(
            tuple(facts["expression_names"]),
            None if value_range is None else (value_range[0], value_range[1]),
        )
        manipulator = Manipulator(settings, own_space, emotions=int(facts["emotions"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"{path} does not describe its expression space ({error}); train again"
        ) from error
    if space is not None and own_space != space:
        raise CheckpointError(
            f"{path} was made for {_describe(own_space)}, wanted {_describe(space)}; "
            "choose a manipulator of the same head model"
        )
    load_weights(manipulator, tensors, path)
    return manipulator.to(device).eval().requires_grad_(False)


def _describe(space: ExpressionSpace) -> str:
    names = ", ".join(space.names[:2])
    return f"{space.size} coefficients ({names}, ... in {space.value_range or 'any range'})"
