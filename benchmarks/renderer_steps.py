"""The NED renderer: a training step, plain and supervised, and rendering of clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from benchmarks.clock import median_seconds
from benchmarks.limits import Peaks, count_work, tell_share
from benchmarks.made_up import made_up_face_clip
from benchmarks.networks import own_steps, released_steps, sequence_tensors
from benchmarks.record import Record
from benchmarks.rows import Row, Step, reference
from benchmarks.sizes import Sizes
from benchmarks.waits import count_waits
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.stccl import TemporalCoherence
from spfem.precision import autocast
from spfem.renderer import render
from spfem.renderer.data import RendererClip, Sequences, cover_outside
from spfem.renderer.learn import (
    RendererSupervision,
    renderer_optimisers,
    supervising_terms,
    update_renderer,
)
from spfem.renderer.losses import renderer_losses
from spfem.renderer.networks import TrainedRenderer, copy_renderer, new_renderer
from spfem.renderer.render import generate_chunk, render_clips
from spfem.settings import RendererSettings
from spfem.supervision.renderer import spatial_term, window_term
from spfem.training import step_random

PRECISIONS = ("float32", "bfloat16")
STEPS = 3  # of a sequence
LITERAL_FRAMES = 12  # rendered in the released way, whose time does not depend on the length
LITERAL, ONE_CLIP, MANY_CLIPS = 3.0, 60.0, 250.0  # aims: times the literal, frames a second


def training_steps(record: Record, device: str, sizes: Sizes, peaks: Peaks) -> None:
    """Rows of a training step of one clip's chunk; no VGG19, no augmentation."""
    settings = sizes.renderer
    clip = made_up_face_clip(STEPS * settings.chunk_frames, settings)
    start = new_renderer(settings, 0)
    ways: dict[str, Step] = {"literal": released_steps(start, clip, device)}
    work = {}
    for precision in PRECISIONS:
        renderer = copy_renderer(start, replace(settings, precision=precision))
        ways[precision] = own_steps(renderer, clip, device)
        silent = _silent_step(renderer, clip, device)
        peak = peaks.of(precision)
        work[precision] = count_work(renderer.generator, silent, peaks, peak)
        waits = count_waits(silent, device)
        record.check(f"renderer_step, {precision}, waits in a step", waits, 0)
    seconds = median_seconds(ways, device=device, repeats=sizes.repeats)
    plain = seconds["literal"] / STEPS
    for precision in PRECISIONS:
        own = seconds[precision] / STEPS
        share = tell_share(
            record, f"renderer_step, {precision}", work[precision], own, peaks.of(precision)
        )
        text = (
            f"a step of {settings.chunk_frames} frames of {settings.image_size} px, mean of "
            f"{STEPS}; {share.split(',')[0]}"
        )
        record.row(
            Row(f"renderer_step_{settings.image_size}px", device, precision, text, plain, own)
        )
    best = min(seconds[precision] for precision in PRECISIONS) / STEPS
    record.aim("renderer_step, times the literal", plain / best, LITERAL)


def supervised_steps(record: Record, device: str, sizes: Sizes) -> None:
    """Time that a metric adds to a training step, against the step without."""
    settings = replace(sizes.renderer, precision="bfloat16")
    frames = max(sizes.windows[0].window_frames, settings.chunk_frames)
    clip = made_up_face_clip(frames, settings)
    lead = clip.conditions[:1].repeat(settings.window_frames - 1, axis=0)
    seen = np.concatenate([lead, clip.conditions])[None]
    sequence = Sequences(seen, clip.faces[None], clip.mouth_centres[None], seen)
    spatial = SpatialCoherence(sizes.spatial).to(device).supervise()
    temporal = TemporalCoherence(sizes.windows[0]).to(device).supervise()
    renderer = new_renderer(settings, 0)
    ways: dict[str, Step] = {"plain": _silent_step(renderer, clip, device)}
    for name, term in (
        ("ASCCL", spatial_term(spatial, 1.0, 1)),
        ("STCCL", window_term("temporal_vd", temporal, 1.0)),
    ):
        supervision = RendererSupervision(faces=(term,))
        ways[name] = _silent_step(renderer, clip, device, supervision, sequence)
    seconds = median_seconds(ways, device=device, repeats=sizes.repeats)
    for name in ("ASCCL", "STCCL"):
        work = f"a training step with {name} beside one without"
        bench = f"renderer_step_{name}"
        record.row(Row(bench, device, "bfloat16", work, seconds["plain"], seconds[name]))


def _silent_step(
    renderer: TrainedRenderer,
    clip: RendererClip,
    device: str,
    supervision: RendererSupervision | None = None,
    sequence: Sequences | None = None,
) -> Step:
    """One chunk's step whose losses nobody reads."""
    settings = renderer.settings
    for network in renderer.networks().values():
        network.to(device).train()
    optimisers = renderer_optimisers(renderer, settings.learning_rate)
    conditions, faces, centres = sequence_tensors(clip, device)
    lead, frames = settings.window_frames - 1, settings.chunk_frames
    seen, faces, centres = conditions[: lead + frames], faces[:frames], centres[:frames]

    def step() -> None:
        with autocast(device, settings.precision):
            made, _ = generate_chunk(renderer.generator, seen[None], None)
            real = cover_outside(faces, seen[lead:, -1:])
            ours, theirs = renderer_losses(renderer, seen[lead:], made[0], real, centres)
            if supervision is not None and sequence is not None:
                ours |= supervising_terms(
                    renderer, supervision, sequence, 0, random=step_random(0, 0), device=device
                )
        update_renderer(optimisers, ours, theirs)

    return step


def rendering(record: Record, device: str, sizes: Sizes, peaks: Peaks) -> None:
    """Rows of a rendered frame: of one clip, and of several at once, files left out."""
    settings, frames = sizes.renderer, sizes.rendered_frames
    clip = made_up_face_clip(frames, settings)
    start = new_renderer(settings, 0)
    released = reference("renderer")
    plain = released.plain_copy(start.generator, settings).to(device)
    few = clip.conditions[: min(frames, LITERAL_FRAMES)]
    seconds = median_seconds(
        {"literal": lambda: released.render(plain, few)}, device=device, repeats=2
    )
    literal = seconds["literal"] / (len(few) - 2)  # the first two are never made
    for count, least in ((1, ONE_CLIP), (sizes.rendered_clips, MANY_CLIPS)):
        clips = [clip.conditions] * count
        for precision in PRECISIONS if count == 1 else ("bfloat16",):
            generator = copy_renderer(start, replace(settings, precision=precision)).generator

            def run(generator: torch.nn.Module = generator, clips: list = clips) -> None:
                render_clips(generator, clips, device=device, clips_at_once=len(clips))  # type: ignore[arg-type]

            repeats = min(2, sizes.repeats)
            own = median_seconds({"ours": run}, device=device, repeats=repeats)["ours"]
            a_frame = own / (frames * count)
            work = (
                f"a frame of {settings.image_size} px, {count} clips of {frames} at once; "
                f"{1 / a_frame:.0f} frames a second"
            )
            bench = f"renderer_inference_{count}_clips"
            record.row(Row(bench, device, precision, work, literal, a_frame))
            if precision == "bfloat16":
                record.aim(f"{bench}, frames a second", 1 / a_frame, least)
    if torch.device(device).type == "cuda":
        _compare_capture(record, device, settings, clip)
    else:
        record.leave_out("renderer, recorded chunk against the plain one", "no GPU")


def _compare_capture(
    record: Record, device: str, settings: RendererSettings, clip: RendererClip
) -> None:
    """Pictures of the recorded chunk and of the plain one, in grey levels."""
    generator = new_renderer(settings, 0).generator
    frames = clip.conditions[: render.CHUNK_FRAMES * render.CAPTURED_CHUNKS]
    recorded = render_clips(generator, [frames], device=device)[0]
    often, render.CAPTURED_CHUNKS = render.CAPTURED_CHUNKS, len(frames)
    try:
        plain = render_clips(generator, [frames], device=device)[0]
    finally:
        render.CAPTURED_CHUNKS = often
    apart = np.abs(recorded[: render.CHUNK_FRAMES].astype(int) - plain[: render.CHUNK_FRAMES])
    record.check("renderer, recorded chunk against the plain one, grey levels", apart.max(), 1)
