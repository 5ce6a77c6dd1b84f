"""The stages of an edit, one after the other, on a clip of the embedded corpus."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from spfem.benchmarks.manipulator import made_up_manipulator
from spfem.benchmarks.table import Row
from spfem.benchmarks.timing import Step, median_seconds, reference
from spfem.chain import ConditionSource, put_back
from spfem.corpus.synthetic.build import film_take, plan_takes
from spfem.face.conditions import ConditionPainter
from spfem.face.texture import face_texture
from spfem.face.track import track_clip
from spfem.head import load_head_model
from spfem.manipulator import manipulate
from spfem.media.video import read_video, write_video
from spfem.renderer.checkpoint import new_renderer
from spfem.renderer.generator import Generator
from spfem.renderer.render import render_clips
from spfem.scales import load_scale
from spfem.settings import FaceSettings, ManipulatorSettings, RendererSettings

SHARED = ("track", "conditions", "encode")  # the same in both ways


@dataclass(frozen=True)
class EditStages:
    """What to call for each stage of an edit, in order.

    Attributes:
        frames: of the clip.
        ours: by stage: track (with fit and alignment), manipulate, conditions, render, blend,
            encode.
        released: the stages that are done in another way.
    """

    frames: int
    ours: Mapping[str, Step]
    released: Mapping[str, Step]


def edit_stages(
    folder: Path,
    device: str,
    manipulation: ManipulatorSettings,
    rendering: RendererSettings,
    frames: int,
) -> EditStages:
    """Film a clip, run all stages on it once with made-up weights, and return them as calls."""
    corpus = replace(load_scale("demo").corpus, frame_size=rendering.image_size)
    take = replace(plan_takes(folder, corpus)[0], counterparts=())
    film_take(take, corpus)
    video = read_video(take.clip.video)
    pictures = video.frames[:frames]
    face = FaceSettings(face_size=rendering.image_size)
    track = track_clip(pictures, face, fps=float(video.fps), name="bench")
    manipulator = made_up_manipulator(manipulation, track.expression.shape[1]).to(device)
    style = torch.zeros(manipulation.style_size, device=device)
    codes = torch.from_numpy(track.expression)
    painter = ConditionPainter(load_head_model(), rendering.image_size, device)
    texture = face_texture(painter, [track]) if rendering.use_texture else None
    source = ConditionSource(painter, track, texture)
    conditions = source.conditions(track.expression)
    generator = new_renderer(rendering, 0).generator.to(device)
    made = render_clips(generator, [conditions], device=device)[0]
    masks = conditions[..., -1]
    ours: dict[str, Step] = {
        "track": partial(track_clip, pictures, face, fps=float(video.fps), name="bench"),
        "manipulate": partial(manipulate, codes, manipulator=manipulator, style=style),
        "conditions": partial(source.conditions, track.expression),
        "render": partial(render_clips, generator, [conditions], device=device),
        "blend": partial(put_back, pictures, track, made, masks),
        "encode": partial(write_video, folder / "edited.mp4", pictures, video.fps),
    }
    plain_generator = _plain_generator(generator, rendering)
    blend = reference("blend").blend

    def blend_all() -> list[np.ndarray]:
        return [blend(*row) for row in zip(pictures, made, masks, track.align, strict=True)]

    released: dict[str, Step] = {
        "manipulate": partial(
            reference("manipulator").manipulate, manipulator.generator, style, expression=codes
        ),
        "render": partial(reference("renderer").render, plain_generator, conditions),
        "blend": blend_all,
    }
    return EditStages(len(pictures), ours, released)


def _plain_generator(generator: Generator, settings: RendererSettings) -> torch.nn.Module:
    """The literal network; ours, frame by frame, where the settings leave the published one."""
    published = not (settings.skips or settings.use_texture) and settings.fold == 1
    if published and settings.kernel == 7:
        return reference("renderer").plain_copy(generator, settings)  # type: ignore[no-any-return]
    return generator


def edit_paper(device: str, frames: int = 12, repeats: int = 1) -> list[Row]:
    """Rows at the published size, 256 px."""
    return _edit("paper", device, ManipulatorSettings(), RendererSettings(), frames, repeats)


def edit_demo(device: str, frames: int = 50, repeats: int = 3) -> list[Row]:
    """Rows of the demo's networks at its size."""
    scale = load_scale("demo")
    return _edit("demo", device, scale.manipulator, scale.renderer, frames, repeats)


def _edit(
    name: str,
    device: str,
    manipulation: ManipulatorSettings,
    rendering: RendererSettings,
    frames: int,
    repeats: int,
) -> list[Row]:
    rows = []
    for precision in ("float32", "bfloat16"):
        with tempfile.TemporaryDirectory() as folder:
            stages = edit_stages(
                Path(folder),
                device,
                manipulation,
                replace(rendering, precision=precision),
                frames,
            )
            rows += stage_rows(f"edit_{name}", device, precision, stages, repeats)
    return rows


def stage_rows(
    bench: str, device: str, precision: str, stages: EditStages, repeats: int
) -> list[Row]:
    """A row for each stage that differs, and one for all of them, seconds for the whole clip."""
    ours, released, rows = {}, {}, []
    for stage, step in stages.ours.items():
        plain = stages.released.get(stage)
        ways = {"ours": step} if plain is None else {"reference": plain, "ours": step}
        seconds = median_seconds(ways, device=device, repeats=repeats)
        ours[stage] = seconds["ours"]
        released[stage] = seconds.get("reference", seconds["ours"])
        if plain is not None:
            work = f"stage of an edit, {stages.frames} frames"
            rows.append(
                Row(f"{bench}_{stage}", device, precision, work, released[stage], ours[stage])
            )
    speeds = ", ".join(f"{s} {stages.frames / value:.3g}" for s, value in ours.items())
    total = sum(ours.values())
    work = (
        f"all stages, {stages.frames} frames; ours {stages.frames / total:.3g} frames a second "
        f"({speeds}); {', '.join(SHARED)} are the same in both"
    )
    rows.append(Row(bench, device, precision, work, sum(released.values()), total))
    return rows
