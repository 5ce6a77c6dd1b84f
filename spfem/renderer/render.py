"""Run the generator along frames: condition windows, and its own last pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from spfem.errors import InputError, ShapeError
from spfem.precision import Captured, autocast
from spfem.renderer.data import to_network, to_pictures
from spfem.renderer.networks import FaceGenerator, cast_once


def generate_chunk(
    generator: FaceGenerator, conditions: Tensor, previous: Tensor | None
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


CHUNK_FRAMES = 8
CAPTURED_CHUNKS = 6  # to record a chunk costs about four of them


@torch.inference_mode()
def render_clips(
    generator: FaceGenerator,
    conditions: Sequence[np.ndarray],
    *,
    device: torch.device | str = "cpu",
    clips_at_once: int = 8,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> list[np.ndarray]:
    """Render every frame of every clip; each clip has its own recurrence.

    Args:
        generator: trained; it is moved to `device`.
        conditions: a clip each, (T, S, S, C) uint8; lengths may differ, memory maps are fine.
        device: to render on.
        clips_at_once: clips in one batch, longest first.
        progress: wraps the batches.

    Returns:
        For each clip (T, S, S, 3) uint8 RGB, black outside the mask.

    Raises:
        InputError: if a clip has no frame.
        ShapeError: if a clip does not fit the generator.

    Source: NED. Departs from the released code, which loses the first two frames, by repeating
    the first condition before the start; the recurrence starts without own pictures.
    """
    side, channels = generator.settings.image_size, generator.settings.condition_channels
    for number, clip in enumerate(conditions):
        if len(clip) == 0:
            raise InputError(f"clip {number} has no frame to render; leave it out")
        if clip.dtype != np.uint8 or clip.shape[1:] != (side, side, channels):
            raise ShapeError(
                f"conditions of clip {number} are {clip.dtype} {clip.shape}; this generator needs "
                f"uint8 (T, {side}, {side}, {channels})"
            )
    generator.to(device)
    order = sorted(range(len(conditions)), key=lambda number: -len(conditions[number]))
    results: list[np.ndarray] = [np.empty(0, np.uint8)] * len(conditions)
    for start in progress(range(0, len(order), clips_at_once)):
        batch = order[start : start + clips_at_once]
        made = _render_batch(generator, [conditions[number] for number in batch], device)
        for number, pictures in zip(batch, made, strict=True):
            results[number] = pictures
    return results


def _render_batch(
    generator: FaceGenerator, clips: list[np.ndarray], device: torch.device | str
) -> list[np.ndarray]:
    """Render clips, longest first, in lockstep; ended clips leave the batch."""
    settings = generator.settings
    side, lead = settings.image_size, settings.window_frames - 1
    results = [np.empty((len(clip), side, side, 3), np.uint8) for clip in clips]
    with autocast(device, settings.precision):
        generator = cast_once(generator, settings.width)
    previous: Tensor | None = None
    recorded: Captured | None = None
    on_gpu = torch.device(device).type == "cuda"
    capture = on_gpu and len(clips[0]) >= CAPTURED_CHUNKS * CHUNK_FRAMES
    for start in range(0, len(clips[0]), CHUNK_FRAMES):
        active = sum(len(clip) > start for clip in clips)
        index = np.arange(start - lead, min(start + CHUNK_FRAMES, len(clips[0])))
        stacked = np.stack(  # a clip that ends within the chunk holds its last frame
            [clip[np.clip(index, 0, len(clip) - 1)] for clip in clips[:active]]
        )
        if previous is not None:
            previous = previous[:active]
        seen = to_network(stacked, device)
        with autocast(device, settings.precision):
            if capture and seen.shape[:2] == (len(clips), lead + CHUNK_FRAMES):
                if previous is None:
                    previous = seen.new_zeros((len(clips), lead, 3, side, side))
                if recorded is None:
                    recorded = Captured(partial(generate_chunk, generator), seen, previous)
                pictures, previous = recorded(seen, previous)
            else:
                pictures, previous = generate_chunk(generator, seen, previous)
        for result, made in zip(results[:active], to_pictures(pictures), strict=True):
            count = min(len(result) - start, CHUNK_FRAMES)
            result[start : start + count] = made[:count]
    return results
