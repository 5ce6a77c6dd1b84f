"""Run the generator along frames: condition windows and its own last pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.renderer.generator import Generator


def generate_chunk(
    generator: Generator, conditions: Tensor, previous: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Make consecutive frames of several clips, each from the two pictures before it.

    Own pictures are fed back without gradient, as in NED (one frame of back-propagation).

    Args:
        generator: of window length W.
        conditions: (B, T + W - 1, C, S, S) in [0, 1]: W - 1 frames of lead, then T frames.
        previous: (B, W - 1, 3, S, S) last own pictures in [-1, 1]; None at the start of a clip.

    Returns:
        Pictures (B, T, 3, S, S) in [-1, 1] and the `previous` of the next chunk, detached.

    Source: NED; all frames of the chunk pass the condition branch together, which gives the same
    numbers because its norms are per picture.
    """
    window = generator.settings.window_frames
    windows = conditions.unfold(1, window, 1).movedim(-1, 2)  # (B, T, W, C, S, S)
    batch, frames = windows.shape[:2]
    encoded = [
        features.unflatten(0, (batch, frames))
        for features in generator.encode(windows.flatten(0, 1))
    ]
    if previous is None:
        previous = conditions.new_zeros((batch, window - 1, 3, *conditions.shape[-2:]))
    pictures = []
    for frame in range(frames):
        now = [features[:, frame] for features in encoded]
        picture = generator.finish(now, windows[:, frame, -1], previous)
        pictures.append(picture)
        previous = torch.cat([previous[:, 1:], picture.detach()[:, None]], dim=1)
    return torch.stack(pictures, dim=1), previous
