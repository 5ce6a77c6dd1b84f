"""Inputs of the right shapes: what is said in them does not change how long a step takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.learn_sound import initial_joint
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.sound import FrameSamples, FrameTable
from spfem.renderer.data import RendererClip
from spfem.settings import CrossModalSettings, RendererSettings

EXPRESSIONS = 51  # coefficients, as released


def made_up_images(count: int, side: int, seed: int) -> Tensor:
    """Smooth images (count, 3, side, side) in [-1, 1]."""
    coarse = torch.rand((count, 3, 9, 9), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")


def made_up_speech(seconds: float, seed: int) -> np.ndarray:
    """Noise (A,) in [-1, 1] at 16 kHz, louder and softer as syllables are."""
    random = np.random.default_rng(seed)
    time = np.arange(round(16000 * seconds)) / 16000
    loudness = 0.5 + 0.4 * np.sin(2 * np.pi * 4 * time + random.uniform(0, 6))
    return (loudness * random.uniform(-1, 1, len(time))).astype(np.float32)


def made_up_samples(
    settings: CrossModalSettings, *, actors: int, emotions: int, frames: int
) -> tuple[FrameTable, FrameSamples]:
    """One clip of `frames` frames an actor and emotion, and one neutral clip an actor."""
    random = np.random.default_rng(0)
    clips = actors * (emotions + 1)
    rows = clips * frames
    signals = {
        "audio": random.uniform(-1, 1, (rows, settings.frame_samples)).astype(np.float32),
        "expression": random.normal(size=(rows, EXPRESSIONS)).astype(np.float32),
    }
    keys = tuple(f"{a:02d}/{e}/0" for a in range(actors) for e in range(emotions + 1))
    starts = np.arange(clips + 1) * frames
    table = FrameTable(keys, starts, np.ones(rows, bool), signals)
    steps = np.arange(frames)
    neutral = np.repeat(np.arange(actors) * (emotions + 1), emotions)
    emotional = np.delete(np.arange(clips), np.arange(actors) * (emotions + 1))
    return table, FrameSamples(
        (starts[neutral][:, None] + steps).reshape(-1),
        (starts[emotional][:, None] + steps).reshape(-1),
        np.repeat(np.arange(actors * emotions), frames),
        tuple(keys[n].rsplit("/", 1)[0] for n in emotional),
    )


def made_up_metric(settings: CrossModalSettings) -> CrossModalCoherence:
    """The cross-modal metric of expressions with initial weights."""
    return initial_joint(settings, "expression", 0)


@dataclass(frozen=True)
class RetrievedWindows:
    """A batch of the manipulator with its retrieved pairs; windows are (B, 10, 51)."""

    generated: Tensor
    source: Tensor
    between: Tensor
    distance: Tensor
    between_distance: Tensor
    paired: Tensor
    source_label: Tensor
    target_label: Tensor


def retrieved_windows(count: int, eligible: int) -> RetrievedWindows:
    """Windows of which `eligible` have a pair in another emotion, a third of them crossing."""
    generator = torch.Generator().manual_seed(0)
    generated, source, between = torch.randn((3, count, 10, EXPRESSIONS), generator=generator)
    paired = torch.arange(count) < eligible
    distance, further = torch.rand((2, count), generator=generator) * 2
    crossing = torch.arange(count) % 3 == 0
    return RetrievedWindows(
        generated,
        source,
        between,
        distance.masked_fill(~paired, torch.inf),
        further,
        paired,
        torch.where(crossing, 1, 0),
        torch.full((count,), 2),
    )


def made_up_face_clip(frames: int, settings: RendererSettings) -> RendererClip:
    """A clip of smooth pictures: conditions, faces inside a round mask, mouths below the middle."""
    side, channels = settings.image_size, settings.condition_channels
    count = -(-channels // 3) + 1
    smooth = made_up_images(frames * count, side, 0).view(frames, count * 3, side, side)
    grey = ((smooth + 1) * 127.5).byte().movedim(1, -1).numpy()
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    conditions = grey[..., :channels].copy()
    conditions[..., -1] = 255 * (np.hypot(rows, columns) < 0.4)
    centres = np.tile(np.array([side / 2, 0.7 * side], np.float32), (frames, 1))
    return RendererClip(conditions, np.ascontiguousarray(grey[..., -3:]), centres)
