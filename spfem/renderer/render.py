"""Render clips: recurrent inference, several clips at once, every frame kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from spfem.captured import Captured
from spfem.errors import InputError, ShapeError
from spfem.precision import autocast
from spfem.renderer.conditions import to_network, to_pictures
from spfem.renderer.generator import Generator
from spfem.renderer.layout import cast_once
from spfem.renderer.recurrence import generate_chunk

CHUNK_FRAMES = 8
CAPTURED_CHUNKS = 6  # to record a chunk costs about four of them


@torch.inference_mode()
def render_clips(
    generator: Generator,
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
    settings = generator.settings
    side, channels = settings.image_size, settings.condition_channels
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
        for number, pictures in zip(
            batch, _render_batch(generator, [conditions[n] for n in batch], device), strict=True
        ):
            results[number] = pictures
    return results


def _render_batch(
    generator: Generator, clips: list[np.ndarray], device: torch.device | str
) -> list[np.ndarray]:
    """Render clips, longest first, in lockstep; ended clips leave the batch."""
    side, lead = generator.settings.image_size, generator.settings.window_frames - 1
    results = [np.empty((len(clip), side, side, 3), np.uint8) for clip in clips]
    previous: Tensor | None = None
    settings = generator.settings
    with autocast(device, settings.precision):
        generator = cast_once(generator, settings.width)
    chunk: Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]
    chunk = partial(generate_chunk, generator)
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
                    recorded = Captured(chunk, seen, previous)
                pictures, previous = recorded(seen, previous)
            else:
                pictures, previous = chunk(seen, previous)
        for result, made in zip(results[:active], to_pictures(pictures), strict=True):
            count = min(len(result) - start, CHUNK_FRAMES)
            result[start : start + count] = made[:count]
    return results
