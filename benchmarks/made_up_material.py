"""What is carried to a GPU, made up: for rehearsals, and for runs that learn nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.faces import FACES, CarriedFaces, write_faces
from benchmarks.made_up import made_up_images
from benchmarks.sizes import Sizes
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.frames import ClipPair, FramePairs
from spfem.renderer.networks import new_renderer, save_renderer

FRAMES = 12
SPEAKERS = ("a", "b")  # one to learn from, one held out


def made_up_pairs(side: int, speaker: str = "a") -> FramePairs:
    """Smooth frames of two clips of one speaker that say the same."""
    keys = (f"{speaker}/neutral/0", f"{speaker}/happy/0")
    frames = {}
    for number, key in enumerate(keys):
        images = made_up_images(FRAMES, side, 2 * SPEAKERS.index(speaker) + number)
        frames[key] = ((images + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()
    path = np.stack([np.arange(FRAMES)] * 2, axis=1)
    return FramePairs(frames, (ClipPair(*keys, path),))


def make_up_material(folder: Path, sizes: Sizes) -> None:
    """Faces and untrained weights in a folder, named as what is carried."""
    side = sizes.spatial.image_size
    train, held_out = (made_up_pairs(side, speaker) for speaker in SPEAKERS)
    visemes = {key: np.arange(FRAMES) // 3 for pairs in (train, held_out) for key in pairs.faces}
    path = folder / FACES
    write_faces(path, CarriedFaces(train, held_out, visemes))
    torch.manual_seed(0)
    SpatialCoherence(sizes.checked_spatial).save(folder / "spatial.safetensors")
    save_renderer(new_renderer(sizes.checked_renderer, 0), folder / "renderer.safetensors")
