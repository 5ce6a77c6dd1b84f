"""Adapt the base renderer to one own clip, kept in a stage folder.

The comparison video of an edit: source, reference and result side by side, with sound.

The renderer's stage folders: one for the base, one for each adapted renderer.

An edit with NED's renderer: adapted to the clip's face, then every face made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from spfem.edit.chain import ConditionSource
from spfem.edit.sample import EditPlan, FaceSample, edited_frames, sample_faces, sample_shift
from spfem.errors import CheckpointError
from spfem.face.clip_track import ClipTrack, MadeTrack
from spfem.face.conditions import ConditionPainter
from spfem.face.texture import face_texture
from spfem.files import file_digest, show_frames
from spfem.head.model import load_head_model
from spfem.media.probe import probe_video
from spfem.media.video import stream_frames, write_video
from spfem.panels import side_by_side
from spfem.renderer.data import RendererClip
from spfem.renderer.learn import RendererSupervision, train_renderer
from spfem.renderer.losses import load_perceptual_loss
from spfem.renderer.networks import TrainedRenderer, load_renderer, save_renderer
from spfem.run.artifacts import open_stage
from spfem.run.deciding_code import code_digest
from spfem.settings import RendererSettings
from spfem.training import Progress

LARGEST_HEIGHT = 480  # pixels of a panel


def in_step(frames: Iterable[np.ndarray], rate: Fraction, fps: Fraction) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) of a video of `rate`, as seen at `fps`; the last one is held for ever."""
    shown = 0
    last: np.ndarray | None = None
    for index, frame in enumerate(frames):
        while last is not None and Fraction(shown) / fps < Fraction(index) / rate:
            yield last
            shown += 1
        last = frame
    while last is not None:
        yield last


def write_comparison(
    path: Path, source: Path, result: Path, *, reference: Path | None = None, comment: str = ""
) -> None:
    """Write source, reference (if there is one) and result side by side, labelled, in sync.

    Frame t shows frame t of source and result; the reference runs at its own speed from its start
    and is held when it ends. The sound is the result's, packet by packet.

    Raises:
        InputError: if a video cannot be read.
        ArtifactError: if the file cannot be written.
    """
    facts = probe_video(result)
    videos: dict[str, Iterable[np.ndarray]] = {"source": stream_frames(source)}
    if reference is not None:
        rate = probe_video(reference).fps
        videos["reference"] = in_step(stream_frames(reference), rate, facts.fps)
    videos["result"] = stream_frames(result)
    height = min(facts.height, LARGEST_HEIGHT)
    together = zip(*videos.values(), strict=False)  # the reference has no end
    joined = (side_by_side(panels, list(videos), height=height) for panels in together)
    write_video(
        path,
        show_frames(joined, "writing the comparison", facts.frames),
        facts.fps,
        audio_from=result if facts.has_audio else None,
        comment=comment,
    )


FILE_NAME = "renderer.safetensors"


@dataclass(frozen=True)
class MadeRenderer:
    """A renderer with the digest of the stage folder it lies in.

    Attributes:
        renderer: ready to render.
        digest: for stages that read it.
        seconds: training time.
    """

    renderer: TrainedRenderer
    digest: str
    seconds: float


def make_renderer(
    folder: Path,
    load_clips: Callable[[], Sequence[RendererClip]],
    settings: RendererSettings,
    *,
    inputs: Mapping[str, str],
    seed: int,
    base: MadeRenderer | None = None,
    load_supervision: Callable[[], RendererSupervision] | None = None,
    device: torch.device | str = "cpu",
    progress: Progress = iter,
) -> MadeRenderer:
    """Train a renderer into a stage folder, or reuse or resume the one that is there.

    Args:
        folder: of this renderer alone, such as `renderer/base` or `renderer/ned/<actor>`.
        load_clips: gives the clips; called only if there is something to train.
        settings: `base_steps` are trained without `base`, `adapt_steps` with it. A
            `perceptual_file` counts by its content, wherever it lies, and is not stored.
        inputs: digests of everything the clips and the supervision come from.
        seed: of the training.
        base: renderer to adapt.
        load_supervision: gives what supervises; called only if there is something to train.
        device: to train on.
        progress: wraps the steps.

    Raises:
        CheckpointError: if `settings.perceptual_file` is missing or no VGG19.
        SpfemError: as `open_stage` and `train_renderer` do.
    """
    perceptual = Path(settings.perceptual_file) if settings.perceptual_file else None
    settings = replace(settings, perceptual_file="")
    own = {"seed": str(seed), "base": "" if base is None else base.digest}
    if perceptual is not None:
        if not perceptual.is_file():
            raise CheckpointError(
                f"perceptual_file {perceptual} of the renderer is no file; name your own copy of "
                "torchvision's vgg19-dcbb9e9d.pth, or leave the setting empty"
            )
        own["perceptual"] = file_digest(perceptual)
    stage = open_stage(
        folder,
        "renderer",
        settings=settings,
        inputs={**inputs, **own},
        code=(make_renderer, load_clips, *([load_supervision] if load_supervision else [])),
    )
    path = folder / FILE_NAME
    if not stage.complete:
        renderer = train_renderer(
            load_clips(),
            settings,
            seed=seed,
            steps=settings.base_steps if base is None else settings.adapt_steps,
            device=device,
            initial=None if base is None else base.renderer,
            supervision=None if load_supervision is None else load_supervision(),
            perceptual=None if perceptual is None else load_perceptual_loss(perceptual, device),
            progress=progress,
            folder=folder,
        )
        save_renderer(renderer, path)
        stage.finish(last=renderer.curve[-1] if renderer.curve else {})
    return MadeRenderer(load_renderer(path, device), stage.digest, stage.seconds)


ADAPTATION_FACTOR = 2  # steps on one own video, per step of an actor with many clips
FACE_SIZE_STEP = 32  # pixels; sizes that the renderer's downsamplings divide
LARGEST_FACE_SIZE = {"cpu": 192, "cuda": 256}  # pixels; beyond it, adapting takes too long


def choose_face_size(track: ClipTrack, smallest: int, device: str) -> int:
    """Side of the aligned face, in pixels, that keeps the detail of the clip's faces.

    At least the size that the renderer was trained at, which is convolutional and may be adapted
    at a larger one; at most `LARGEST_FACE_SIZE` of the device. Larger faces are rendered at that
    size and enlarged when they are blended into the full frame.
    """
    scale = np.sqrt(np.abs(np.linalg.det(track.align[track.found][:, :, :2])))
    side = track.face_size / float(np.median(scale))  # of the crop, in frame pixels
    wanted = FACE_SIZE_STEP * round(side / FACE_SIZE_STEP)
    return int(min(max(wanted, smallest), max(smallest, LARGEST_FACE_SIZE[device])))


def sample_texture(
    base: MadeRenderer, painter: ConditionPainter, sample: FaceSample
) -> np.ndarray | None:
    """Mean face texture, as in `face_texture`; None where the renderer's settings want none."""
    return face_texture(painter, [sample.track]) if base.renderer.settings.use_texture else None


def adapt_renderer(
    folder: Path,
    base: MadeRenderer,
    track: MadeTrack,
    sample: FaceSample,
    painter: ConditionPainter,
    texture: np.ndarray | None,
    *,
    seed: int,
    device: str,
) -> MadeRenderer:
    """Adapt the base renderer to the face of one clip, or reuse or resume what is in the folder.

    Args:
        folder: stage folder of this renderer alone.
        base: renderer to start from.
        track: of the clip.
        sample: faces to learn from.
        painter: of the wanted face size.
        texture: of the face, see `sample_texture`.
        seed: of the training.
        device: to train on.
    """
    size, trained = painter.face_size, base.renderer.settings
    settings = replace(
        trained,
        batch_size=1,
        image_size=size,
        mouth_size=trained.mouth_size * size // trained.image_size,
        adapt_steps=ADAPTATION_FACTOR * trained.adapt_steps,
    )

    def load_clips() -> Sequence[RendererClip]:
        parts = [sample.track.take_frames(places) for places in sample.stretches]
        return [ConditionSource(painter, part, texture).clip() for part in parts]

    return make_renderer(
        folder,
        load_clips,
        settings,
        inputs={"track": track.digest, "code of the sample": code_digest(sample_faces)},
        seed=seed,
        base=base,
        device=device,
        progress=lambda steps: tqdm(steps, desc="adapting the renderer to this face"),
    )


def neural_frames(
    clip: Path,
    made: MadeTrack,
    expression: np.ndarray,
    base: MadeRenderer,
    folder: Path,
    *,
    seed: int,
    device: str,
) -> Iterator[np.ndarray]:
    """The clip's frames (H, W, 3) with faces by NED's renderer blended in.

    Args:
        clip: the video.
        made: its track.
        expression: (T, E) face units to show.
        base: renderer that knows faces in general.
        folder: keeps the renderer adapted to this clip.
        seed: of the adaptation.
        device: to learn and draw on.
    """
    face_size = choose_face_size(made.track, base.renderer.settings.image_size, device)
    track = made.track.at_face_size(face_size)
    painter = ConditionPainter(load_head_model(), face_size, device)
    sample = sample_faces(clip, track, painter)
    texture = sample_texture(base, painter, sample)
    renderer = adapt_renderer(
        folder, base, made, sample, painter, texture, seed=seed, device=device
    ).renderer
    plan = EditPlan(track, expression, painter, texture, renderer.generator, device)
    shift = sample_shift(plan, sample)
    del sample
    return edited_frames(stream_frames(clip), plan, shift)
