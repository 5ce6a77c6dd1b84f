"""A folder of small untrained models, and clips of drawn and empty frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from spfem.head import load_head_model
from spfem.head.names import FACE_UNIT_NAMES
from spfem.manipulator import ExpressionSpace, Manipulator
from spfem.manipulator.networks import save_manipulator
from spfem.media.video import write_video
from spfem.renderer.networks import new_renderer, save_renderer
from spfem.run.artifacts import MANIPULATOR_NAME
from spfem.run.edit_models import RENDERER_NAME
from spfem.settings import ManipulatorSettings
from spfem.studio.cast import Appearance
from spfem.studio.render import portrait
from tests.renderer.planted import SETTINGS

MANIPULATOR = ManipulatorSettings(width=16, encoder_width=16, mapping_width=16)
RENDERER = replace(SETTINGS, image_size=64, mouth_size=32, adapt_steps=1, discriminator_width=16)


def save_models(folder: Path, *, names=FACE_UNIT_NAMES, method: str = "ned") -> Path:
    """Untrained models in the layout of a finished run."""
    torch.manual_seed(0)
    manipulator = Manipulator(MANIPULATOR, ExpressionSpace(names, (0.0, 1.0))).eval()
    save_manipulator(folder / "manipulator" / method / "seed0" / MANIPULATOR_NAME, manipulator)
    save_renderer(new_renderer(RENDERER, 0), folder / "renderer" / "base" / "seed0" / RENDERER_NAME)
    return folder


def speaking_frames(count: int, size: int = 160, **phenotypes: float) -> np.ndarray:
    """A drawn head that opens its mouth again and again, (T, size, size, 3)."""
    head = load_head_model()
    identity = head.identity_of(**phenotypes)
    look = Appearance(skin=(0.55, 0.38, 0.29)) if phenotypes else Appearance()
    pictures = []
    for opening in np.linspace(0, 0.5, 5):
        expression = np.zeros(len(head.expression_basis))
        expression[0] = opening
        pictures.append(portrait(head, identity, expression, size, look))
    cycle = [0, 1, 2, 3, 4, 3, 2, 1]
    return np.stack([pictures[cycle[index % 8]] for index in range(count)])


def tone(seconds: float, sample_rate: int = 16000) -> np.ndarray:
    """A quiet tone, (A,)."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


def write_clip(path: Path, frames: np.ndarray, fps: int = 25) -> Path:
    """Frames with a tone as an mp4 file."""
    write_video(path, frames, fps, audio=tone(len(frames) / fps), sample_rate=16000)
    return path
