"""Manipulator checkpoints: one safetensors file with the settings in its metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from spfem.artifacts import writing
from spfem.errors import CheckpointError
from spfem.manipulator.model import ExpressionSpace, Manipulator
from spfem.settings import ManipulatorSettings

FORMAT = "spfem-manipulator-1"


def save_manipulator(path: Path, manipulator: Manipulator) -> None:
    """Write the networks, the scale of the expression space and what made them to `path`."""
    from safetensors.torch import save_file

    space = manipulator.space
    metadata = {
        "format": FORMAT,
        "settings": json.dumps(asdict(manipulator.settings)),
        "expression_names": json.dumps(space.names),
        "value_range": json.dumps(space.value_range),
        "emotions": str(manipulator.emotions),
    }
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in manipulator.state_dict().items()
    }
    with writing(path) as aside:
        save_file(tensors, aside, metadata=metadata)


def load_manipulator(path: Path, *, device: str = "cpu") -> Manipulator:
    """Read the manipulator of `save_manipulator`, in evaluation mode, without gradients.

    Raises:
        CheckpointError: if the file is missing, damaged, of another format, or its tensors do
            not fit its own settings.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; train the manipulator first")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged ({error}); remove it and train again") from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is no manipulator checkpoint (format {metadata.get('format')!r}, "
            f"{FORMAT!r} is needed)"
        )
    try:
        settings = ManipulatorSettings(**json.loads(metadata["settings"]))
        value_range = json.loads(metadata["value_range"])
        space = ExpressionSpace(
            tuple(json.loads(metadata["expression_names"])),
            None if value_range is None else (value_range[0], value_range[1]),
        )
        manipulator = Manipulator(settings, space, emotions=int(metadata["emotions"]))
        manipulator.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path} does not fit its own settings ({reason}); train again"
        ) from error
    return manipulator.to(device).eval().requires_grad_(False)
