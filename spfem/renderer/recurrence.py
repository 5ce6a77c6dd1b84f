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
    numbers because its norms are per picture. When learning, the pictures are first made one
    after the other without gradient, and then all at once with it: a convolution's gradient of
    four pictures costs little more than that of one.
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
    known = [*previous.unbind(1)]  # own pictures so far, oldest first
    learning = torch.is_grad_enabled()
    # Without `no_grad`, under which every call would cast the weights anew: each frame's graph
    # is gone once its picture is detached. The last picture is in none of the windows.
    for frame in range(frames - 1 if learning else frames):
        now = [features[:, frame] for features in encoded]
        before = torch.stack(known[frame:], dim=1)
        known.append(generator.finish(now, windows[:, frame, -1], before).detach())
    if learning:
        before = torch.stack(known, dim=1).unfold(1, window - 1, 1).movedim(-1, 2)
        pictures = generator.finish(
            [features.flatten(0, 1) for features in encoded],
            windows[:, :, -1].flatten(0, 1),
            before.flatten(0, 1),
        ).unflatten(0, (batch, frames))
    else:
        pictures = torch.stack(known[window - 1 :], dim=1)
    following = torch.cat([previous, pictures.detach()], dim=1)[:, frames:]
    return pictures, following
