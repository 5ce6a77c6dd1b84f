"""An edit of a clip of the embedded corpus, stage by stage, and the moving of its own pixels."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.clock import median_seconds
from benchmarks.networks import made_up_manipulator
from benchmarks.rows import MIB, Row, Step, measure_apart, peak_bytes, reference
from spfem.edit.chain import ConditionSource, put_back
from spfem.edit.move import ClipMover
from spfem.errors import SpfemError
from spfem.face.conditions import ConditionPainter
from spfem.face.track import FaceTrack, track_clip
from spfem.head.model import load_head_model
from spfem.manipulator.manipulate import manipulate
from spfem.media.video import read_video, stream_frames, write_video
from spfem.renderer.networks import FaceGenerator, new_renderer
from spfem.renderer.render import render_clips
from spfem.scales import load_scale
from spfem.settings import EMOTIONS, FaceSettings, ManipulatorSettings, RendererSettings
from spfem.studio.build import film_take, plan_takes
from spfem.studio.emotions import EMOTION_UNITS

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
    source = ConditionSource(painter, track)
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


def _plain_generator(generator: FaceGenerator, settings: RendererSettings) -> torch.nn.Module:
    """The literal network; ours, frame by frame, where the settings leave the published one."""
    published = not settings.skips and settings.fold == 1
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


FULL_HD = (1080, 1920)
EXTENT_OF_FRAME = 0.55  # height of the landmarks by that of a filmed frame, before it is measured
LONGER = 4  # times, of the clip whose memory is compared


@dataclass(frozen=True)
class MadeUpClip:
    """A clip to edit.

    Attributes:
        video: mp4 of T frames.
        track: of them.
        moved: (T, E) codes of a clear smile, the words kept.
        face_pixels: height of the tracked face, median.
    """

    video: Path
    track: FaceTrack
    moved: np.ndarray
    face_pixels: float


def film_face(
    folder: Path, face_pixels: int, frames: int, frame_size: tuple[int, int] | None = None
) -> MadeUpClip:
    """Film a clip of the embedded corpus whose face is so many pixels high, and track it.

    Args:
        folder: for the files.
        face_pixels: height of the landmarks.
        frames: of the clip; a shorter take is played to and fro.
        frame_size: height and width; the filmed square lies in the middle. Default: the square.
    """
    side = 16 * round(face_pixels / EXTENT_OF_FRAME / 16)
    corpus = replace(load_scale("demo").corpus, frame_size=side)
    take = replace(plan_takes(folder, corpus)[0], counterparts=())
    film_take(take, corpus)
    filmed = read_video(take.clip.video)
    there_and_back = chain.from_iterable(repeat([*filmed.frames, *filmed.frames[-2:0:-1]]))
    pictures = [_placed(one, frame_size) for one in islice(there_and_back, frames)]
    path = folder / f"face-{face_pixels}.mp4"
    write_video(path, pictures, filmed.fps)
    track = track_clip(path, FaceSettings(face_size=96))
    smile = EMOTION_UNITS[EMOTIONS.index("happy")]
    moved = np.clip(track.expression + smile, 0, 1).astype(np.float32)
    height = np.ptp(track.landmarks[track.found][..., 1], axis=1)
    return MadeUpClip(path, track, moved, float(np.median(height)))


def _placed(picture: np.ndarray, frame_size: tuple[int, int] | None) -> np.ndarray:
    if frame_size is None:
        return picture
    spare = [wanted - have for wanted, have in zip(frame_size, picture.shape[:2], strict=True)]
    top, left = (max(gap, 0) // 2 for gap in spare)
    bottom, right = max(spare[0], 0) - top, max(spare[1], 0) - left
    cut = picture[: frame_size[0], : frame_size[1]]
    return cv2.copyMakeBorder(cut, top, bottom, left, right, cv2.BORDER_REPLICATE)


def move_video(clip: MadeUpClip, out: Path, device: str) -> None:
    """All of an edit but track and codes: decode, move and encode, a few frames at a time."""
    fps = clip.track.fps
    mover = ClipMover(clip.track, clip.moved, fps=fps, device=device)
    mover.gather(stream_frames(clip.video))
    write_video(out, mover.move(stream_frames(clip.video)), round(fps))


def render_video(clip: MadeUpClip, out: Path, device: str) -> None:
    """The same by NED's renderer at the demo's size, untrained, which takes as long."""
    settings = load_scale("demo").renderer
    painter = ConditionPainter(load_head_model(), settings.image_size, device)
    frames = read_video(clip.video).frames
    source = ConditionSource(painter, clip.track)
    drawn = source.conditions(clip.moved)
    generator = new_renderer(settings, 0).generator.to(device)
    pictures = render_clips(generator, [drawn], device=device)[0]
    write_video(out, put_back(frames, clip.track, pictures, drawn[..., -1]), round(clip.track.fps))


def moved_256(
    device: str, *, face_pixels: int = 256, frames: int = 75, repeats: int = 3
) -> list[Row]:
    """The row of a frame that the face fills."""
    return _speed("moved_256", device, face_pixels, None, frames, repeats)


def moved_1080p(
    device: str, *, face_pixels: int = 500, frames: int = 50, repeats: int = 3
) -> list[Row]:
    """The row of a full HD frame."""
    return _speed("moved_1080p", device, face_pixels, FULL_HD, frames, repeats)


def _speed(
    bench: str,
    device: str,
    face_pixels: int,
    frame_size: tuple[int, int] | None,
    frames: int,
    repeats: int,
) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        clip = film_face(Path(folder), face_pixels, frames, frame_size)
        height, width = next(stream_frames(clip.video)).shape[:2]
        ways = {
            "reference": partial(render_video, clip, Path(folder) / "rendered.mp4", device),
            "ours": partial(move_video, clip, Path(folder) / "moved.mp4", device),
        }
        seconds = median_seconds(ways, device=device, repeats=repeats)
    work = (
        f"decode, move and encode {frames} frames of {width} x {height} with a face of "
        f"{clip.face_pixels:.0f} px: {frames / seconds['ours']:.3g} frames a second; reference: "
        f"NED's renderer at {load_scale('demo').renderer.image_size} px, "
        f"{frames / seconds['reference']:.3g}"
    )
    return [Row(bench, device, "float32", work, seconds["reference"], seconds["ours"])]


def moved_gradient(
    device: str, *, frame_pixels: int = 128, frames: int = 16, repeats: int = 3
) -> list[Row]:
    """The row of pictures with a gradient to the edited mesh, beside the same without it."""
    face_pixels = round(frame_pixels * EXTENT_OF_FRAME)
    with tempfile.TemporaryDirectory() as folder:
        clip = film_face(Path(folder), face_pixels, frames)
        calls, renderer = _calls_of_renderer(clip, device)
    ways = {
        "reference": partial(_draw, renderer, calls, gradient=False),
        "ours": partial(_draw, renderer, calls, gradient=True),
    }
    seconds = median_seconds(ways, device=device, repeats=repeats)
    work = (
        f"seconds of {frames} frames of about {frame_pixels} px, forward and backward to the "
        "edited mesh; reference: forward alone"
    )
    return [Row("moved_gradient", device, "float32", work, seconds["reference"], seconds["ours"])]


Call = tuple[torch.Tensor, torch.Tensor, torch.Tensor, tuple[object, ...]]


def _calls_of_renderer(clip: MadeUpClip, device: str) -> tuple[list[Call], torch.nn.Module]:
    """What the renderer is given for each few frames of a clip."""
    mover = ClipMover(clip.track, clip.moved, fps=clip.track.fps, device=device)
    calls: list[Call] = []

    def note(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        with torch.inference_mode(mode=False):  # copies may carry a gradient
            pictures, source, edited = (tensor.clone() for tensor in given[:3])
        calls.append((pictures, source, edited, given[3:]))

    hook = mover.renderer.register_forward_pre_hook(note)
    mover.gather(stream_frames(clip.video))
    for _ in mover.move(stream_frames(clip.video)):
        pass
    hook.remove()
    return calls, mover.renderer


def _draw(renderer: torch.nn.Module, calls: list[Call], *, gradient: bool) -> None:
    for pictures, source, edited, others in calls:
        wished = edited.clone().requires_grad_(gradient)
        with torch.set_grad_enabled(gradient):
            made = renderer(pictures, source, wished, *others)
        if gradient:
            made.sum().backward()
            if wished.grad is None or not wished.grad.abs().sum() > 0:
                raise SpfemError("the moved picture carries no gradient to the mesh")


def moved_memory(device: str, *, face_pixels: int = 256, frames: int = 100) -> list[Row]:
    """The row of peak memory in MiB: a clip several times as long, and the clip.

    Raises:
        SpfemError: if a measured process fails.
    """
    peaks = {}
    for length in (LONGER * frames, frames):
        with tempfile.TemporaryDirectory() as folder:
            clip = film_face(Path(folder), face_pixels, length)
            clip.track.save(Path(folder) / "track.npz")
            np.save(Path(folder) / "moved.npy", clip.moved)
            peaks[length] = measure_apart("edit", str(clip.video), device)
    long, short = peaks.values()
    work = (
        f"MiB peak of decoding, moving and encoding {frames} frames with a face of "
        f"{face_pixels} px, above what is loaded; reference: {LONGER * frames} frames"
    )
    return [Row("moved_memory", device, "float32", work, long, short)]


def moving_peak_mib(video: Path, device: str) -> float:
    """Peak above what is held with code and track loaded; `film_face` wrote what is read."""
    track = FaceTrack.load(video.parent / "track.npz")
    clip = MadeUpClip(video, track, np.load(video.parent / "moved.npy"), 0.0)
    before = peak_bytes(device, reset=True)
    move_video(clip, video.parent / "moved.mp4", device)
    return (peak_bytes(device) - before) / MIB


if __name__ == "__main__":
    print(moving_peak_mib(Path(sys.argv[1]), sys.argv[2]))
