"""What the metadata of each kind of checkpoint holds, seen in small files made anew."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

FOLDER_START = "spfem-surface-"


def checkpoint_lines() -> Iterator[str]:
    """A line for each kind: its name and the keys of its facts."""
    from safetensors import safe_open

    with tempfile.TemporaryDirectory(prefix=FOLDER_START) as folder:
        for path in _make_files(Path(folder)):
            with safe_open(str(path), framework="pt") as file:
                metadata = file.metadata()
            facts = ", ".join(sorted(json.loads(metadata["facts"])))
            yield f"checkpoint {metadata['kind']}: {facts}"


def _make_files(folder: Path) -> Iterator[Path]:
    from spfem.correlation import (
        CrossModalCoherence,
        SpatialCoherence,
        SpatialTemporalCoherence,
        TemporalCoherence,
    )
    from spfem.correlation.crossmodal.encoder_files import ENCODERS, save_encoder
    from spfem.evaluation.lip_sync.checkpoint import save_lip_sync
    from spfem.evaluation.lip_sync.network import LipSyncNetwork
    from spfem.manipulator import FLAME_SPACE, Manipulator, save_manipulator
    from spfem.renderer.checkpoint import new_renderer, save_renderer
    from spfem.scales import load_scale

    scale = load_scale("smoke")
    for number, metric in enumerate(
        (
            SpatialCoherence(scale.spatial),
            TemporalCoherence(scale.temporal),
            SpatialTemporalCoherence(scale.temporal),
            CrossModalCoherence(scale.cross_modal),
        )
    ):
        path = folder / f"metric{number}.safetensors"
        metric.save(path)
        yield path
    path = folder / "encoder.safetensors"
    save_encoder(ENCODERS["audio"](scale.cross_modal), scale.cross_modal, path)
    yield path
    path = folder / "manipulator.safetensors"
    save_manipulator(path, Manipulator(scale.manipulator, FLAME_SPACE))
    yield path
    path = folder / "renderer.safetensors"
    save_renderer(new_renderer(scale.renderer, 0), path)
    yield path
    path = folder / "lip_sync.safetensors"
    save_lip_sync(path, LipSyncNetwork(scale.lip_sync))
    yield path
