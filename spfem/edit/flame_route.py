"""An edit with released networks: DECA's codes, a released manipulator and a released renderer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from spfem.checkpoints import load_checkpoint
from spfem.edit.chain import blended_frames
from spfem.edit.neural import drawn_faces
from spfem.errors import CheckpointError, SettingsError
from spfem.face.clip_track import ClipTrack
from spfem.face.conditions import ConditionPainter
from spfem.files import show_frames
from spfem.head.model import load_head_model
from spfem.manipulator.networks import CHECKPOINT_KIND as MANIPULATOR_KIND
from spfem.manipulator.networks import FLAME_SPACE, Manipulator, load_manipulator
from spfem.media.video import stream_frames
from spfem.released.deca import Deca, load_deca
from spfem.released.deca_codes import DecaCodes, to_expression
from spfem.released.deca_conditions import (
    draw_deca_conditions,
    draw_eyes,
    edited_eyes,
    encode_faces,
    face_points,
    seen_eyes,
    transform_points,
    warp_indices,
)
from spfem.released.kinds import ENDING, FSGAN_NAME
from spfem.released.ned_export import CropPlaces, masks_in_crops, place_crops
from spfem.released.ned_files import NED_SIZE, cut_boxes
from spfem.released.networks import SCMCL, UNTRAINED_MAPPING
from spfem.released.segment import FaceSegmenter, load_segmenter, segment_faces
from spfem.renderer.data import stack_conditions
from spfem.renderer.networks import CHECKPOINT_KIND as RENDERER_KIND
from spfem.renderer.networks import FaceGenerator, load_renderer
from spfem.renderer.render import CHUNK_FRAMES

RENDERER_KINDS = ("ned-renderer", "scmcl-renderer")


@dataclass(frozen=True)
class SeenFace:
    """What NED's preprocessing finds in the T frames of a clip, but its pictures.

    Attributes:
        places: of the crops and of the face in them.
        codes: DECA's.
        eyes: (T, 14, 2) int32 eye landmarks in the crops, pixel indices.
    """

    places: CropPlaces
    codes: DecaCodes
    eyes: np.ndarray

    @property
    def expression(self) -> np.ndarray:
        """The manipulator's vectors (T, 51)."""
        return to_expression(self.codes)


@dataclass(frozen=True)
class FlameModels:
    """All that an edit in FLAME codes needs, on one device.

    Attributes:
        manipulator: of `FLAME_SPACE`.
        generator: of a released renderer, for pictures of 256 pixels.
        deca: the user's FLAME and DECA files.
        segmenter: FSGAN's; None where the user has no file of it: then the tracker's masks serve.
        device: where they are.
    """

    manipulator: Manipulator
    generator: FaceGenerator
    deca: Deca
    segmenter: FaceSegmenter | None
    device: str

    def see_face(self, clip: Path, track: ClipTrack) -> SeenFace:
        """DECA's codes and the eyes of every frame of a clip, a few frames at a time."""
        places = place_crops(track.landmarks, track.found, track.frame_size)
        codes, eyes = [], []
        frames = show_frames(stream_frames(clip), "reading FLAME codes", len(track))
        for start in range(0, len(track), CHUNK_FRAMES):
            chunk = slice(start, start + CHUNK_FRAMES)
            crops = cut_boxes(np.stack(list(islice(frames, CHUNK_FRAMES))), places.boxes[chunk])
            codes.append(encode_faces(self.deca.networks, crops, places.points[chunk]))
            eyes.append(seen_eyes(crops, places.points[chunk]))
        return SeenFace(places, DecaCodes.join(codes), np.concatenate(eyes))

    def draw_frames(
        self, clip: Path, track: ClipTrack, seen: SeenFace, expression: np.ndarray
    ) -> Iterator[np.ndarray]:
        """The clip's frames (H, W, 3) with faces of a released renderer blended in.

        Frames without the face stay, and so does every byte outside the mask. Departs from the
        released code where `render_clips` and `blend_face` do: no frame is lost at the start, and
        the frame is not resampled.

        Args:
            clip: the video.
            track: its track.
            seen: of `see_face`.
            expression: (T, 51) to show.

        Raises:
            FaceNotFoundError: if the segmenter sees no face in any frame.
        """
        masks_of = _mask_source(clip, track, seen.places, self.segmenter)

        def conditions(frames: slice) -> np.ndarray:
            return flame_conditions(self.deca, seen, frames, expression[frames], masks_of(frames))

        faces = drawn_faces(self.generator, conditions, track.shown, self.device)
        return blended_frames(stream_frames(clip), seen.places.align, faces)


def load_flame_models(
    manipulator: Path | None, renderer: Path, folder: Path, device: str, *, by_label: bool
) -> FlameModels:
    """Read the models of an edit in FLAME codes; the small files first.

    Args:
        manipulator: imported from NED or SCMCL.
        renderer: imported from NED or SCMCL.
        folder: of the user's FLAME and DECA files, and perhaps FSGAN's segmenter.
        device: to put them on.
        by_label: whether an emotion is wished, for which SCMCL trained nothing: that is said.

    Raises:
        SettingsError: if a file is missing or does not go with the others.
        CheckpointError: if a file is damaged or was not imported.
        AssetError: naming each missing file of FLAME and DECA, and where to get it.
    """
    if manipulator is None:
        raise SettingsError(
            f"{renderer} (--renderer-file) draws FLAME's face, but the manipulator of the package "
            "edits face units of its own head; add --manipulator FILE, imported from NED or SCMCL"
        )
    generator = _load_generator(renderer)
    kind = imported_kind(manipulator, MANIPULATOR_KIND, "--manipulator", "ned-manipulator")
    loaded = load_manipulator(manipulator, device=device)
    if loaded.space != FLAME_SPACE:
        raise SettingsError(
            f"{manipulator} (--manipulator) edits {loaded.space.size} face units of the package's "
            f"head, but {renderer} (--renderer-file) draws FLAME's face; give a manipulator "
            "imported from NED or SCMCL, or leave --renderer-file out"
        )
    if kind == SCMCL and by_label:
        print(f"{manipulator}: {UNTRAINED_MAPPING}", file=sys.stderr)
    deca = load_deca(folder, device)
    segmenter, file = None, folder / FSGAN_NAME
    if file.exists():
        segmenter = load_segmenter(file, device=device)
    else:
        print(f"no {file}: the masks of the face are the tracker's, not NED's", file=sys.stderr)
    return FlameModels(loaded, generator.to(device), deca, segmenter, device)


def imported_kind(path: Path, kind: str, argument: str, example: str) -> Any:
    """Kind of the released file that a checkpoint was imported from; None if from none."""
    if path.suffix != ENDING:
        raise CheckpointError(
            f"{path} ({argument}) does not end in {ENDING}; import the released file first: "
            f"python -m spfem import-checkpoint {example} {path} --out NEW{ENDING}"
        )
    provenance = load_checkpoint(path, kind=kind)[1].get("provenance")
    return provenance.get("kind") if isinstance(provenance, dict) else None


def _load_generator(path: Path) -> FaceGenerator:
    kind = imported_kind(path, RENDERER_KIND, "--renderer-file", RENDERER_KINDS[0])
    if kind not in RENDERER_KINDS:
        raise SettingsError(
            f"{path} (--renderer-file) was trained by this package on its own head, and cannot "
            "draw FLAME codes; give a renderer imported from NED or SCMCL, or edit with "
            "--renderer ned --models DIR, which takes the renderer of a finished run"
        )
    return load_renderer(path).generator.eval().requires_grad_(False)


def flame_conditions(
    deca: Deca, seen: SeenFace, frames: slice, expression: np.ndarray, masks: np.ndarray
) -> np.ndarray:
    """What a released renderer is told about some frames with another expression.

    Args:
        deca: the user's files.
        seen: of the clip.
        frames: n frames.
        expression: (n, 51) to show.
        masks: (n, 256, 256) uint8 of the face in the crops, 0 or 255.

    Returns:
        (n, 256, 256, 10) uint8, aligned: NMFC, eyes, shape and the mask of the source.

    Source: spec `manipulator_and_renderer.md` D1, D2; `face_pipeline.md` 1.5.
    """
    codes, transforms = seen.codes.frames(frames), seen.places.transforms[frames]
    drawn = draw_deca_conditions(deca, codes, expression)
    eyes = edited_eyes(seen.eyes[frames], face_points(deca, codes, expression))
    nmfc, shape = (
        np.stack([warp_indices(p, m) for p, m in zip(pictures, transforms, strict=True)])
        for pictures in (drawn.nmfc, drawn.shape)
    )
    moved = np.stack([transform_points(e, m) for e, m in zip(eyes, transforms, strict=True)])
    aligned = [warp_indices(p, m, nearest=True) for p, m in zip(masks, transforms, strict=True)]
    return stack_conditions(nmfc, shape, draw_eyes(moved, NED_SIZE, NED_SIZE), np.stack(aligned))


def _mask_source(
    clip: Path, track: ClipTrack, places: CropPlaces, segmenter: FaceSegmenter | None
) -> Callable[[slice], np.ndarray]:
    """Gives the masks (n, 256, 256) of frames in the crops: NED's, or the tracker's."""
    if segmenter is not None:
        frames = show_frames(stream_frames(clip), "cutting out the face", len(track))
        crops = (
            cut_boxes(frame[None], box[None])[0]
            for frame, box in zip(frames, places.boxes, strict=True)
        )
        masks = segment_faces(segmenter, crops)  # 64 KB a frame
        return masks.__getitem__
    own = track.at_face_size(NED_SIZE)
    painter = ConditionPainter(load_head_model(), NED_SIZE)

    def tracked(frames: slice) -> np.ndarray:
        part = own.part(painter, np.arange(len(own))[frames])
        return masks_in_crops(part.masks, part.align, places.to_crop[frames])

    return tracked
