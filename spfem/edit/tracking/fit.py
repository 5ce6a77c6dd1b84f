"""Fit the head to a clip of any length: identity from a sample, pose and face units in pieces."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from spfem.face.align import alignment_matrices, template_landmarks
from spfem.face.fit import FittedHead, fit_head
from spfem.face.track import resting_landmarks
from spfem.face.tracker import TrackedFace
from spfem.head import HeadModel
from spfem.reading.evidence import gather_evidence, resting_face
from spfem.reading.reader import FaceReader
from spfem.reading.refit import expect_units, keep_unseen, refit_settings
from spfem.settings import FaceSettings, ReadSettings

PIECE_FRAMES = 512  # fitted at once; about 100 KB a frame
MARGIN_FRAMES = 32  # more on either side, where the smoothing over time still reaches


def fit_clip(
    head: HeadModel,
    tracked: TrackedFace,
    settings: FaceSettings,
    *,
    piece_frames: int = PIECE_FRAMES,
) -> tuple[FittedHead, np.ndarray]:
    """Codes of a clip and its alignment (T, 2, 3), frame pixels to aligned pixels.

    Clips of up to a piece and its margins are fitted whole, as in the face stage. In longer ones
    the identity comes from as many evenly spread frames, and the rest is fitted piece by piece
    with that identity held; pieces overlap, and what lies in the margins is thrown away.

    Args:
        head: the model.
        tracked: landmarks and scores of T frames.
        settings: of the fit.
        piece_frames: frames that are fitted at once.
    """
    frames, most = len(tracked.found), piece_frames + 2 * MARGIN_FRAMES
    if frames <= most:
        return _fit_piece(head, tracked, settings)
    seen = np.flatnonzero(tracked.found)
    spread = seen[np.unique(np.linspace(0, len(seen) - 1, most).round().astype(int))]
    apart = replace(settings, smoothness=0.0, expression_smoothness=0.0)  # no neighbours in time
    identity = fit_head(head, _part(tracked, spread), apart).identity
    pieces = []
    for start in range(0, frames, piece_frames):
        first = max(start - MARGIN_FRAMES, 0)
        last = min(start + piece_frames + MARGIN_FRAMES, frames)
        part = _part(tracked, np.arange(first, last))
        fitted, align = _fit_piece(head, part, settings, identity)
        kept = slice(start - first, min(start + piece_frames, frames) - first)
        pieces.append([*(getattr(fitted, name)[kept] for name in _per_frame()), align[kept]])
    *codes, align = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return FittedHead(identity, *codes), align


def read_clip(
    head: HeadModel,
    tracked: TrackedFace,
    settings: FaceSettings,
    reader: FaceReader,
    read: ReadSettings | None = None,
    *,
    piece_frames: int = PIECE_FRAMES,
) -> tuple[FittedHead, np.ndarray]:
    """Codes of a clip of a person of whom nothing else is known, read and then fitted once more.

    The alignment is that of `fit_clip`. The typical frame of the clip stands for the resting
    face; how much of it is expression is what the reader has learned to judge.

    Args:
        head: the model.
        tracked: landmarks and scores of T frames.
        settings: of the fit.
        reader: of the face units.
        read: how much they count; default `ReadSettings()`.
        piece_frames: frames that are fitted at once.

    Returns:
        Codes of the frames, and (T, 2, 3) frame pixels to aligned pixels.
    """
    fitted, align = fit_clip(head, tracked, settings, piece_frames=piece_frames)
    evidence = gather_evidence(head, tracked, fitted)
    units = reader.read(evidence, resting_face([evidence], [tracked.found], neutral=False))
    towards = refit_settings(settings, read or ReadSettings())
    expected = expect_units(tracked, units, head)
    refitted, _ = fit_clip(head, expected, towards, piece_frames=piece_frames)
    return keep_unseen(refitted, units, head), align


def _per_frame() -> list[str]:
    return [field.name for field in fields(FittedHead) if field.name != "identity"]


def _fit_piece(
    head: HeadModel,
    tracked: TrackedFace,
    settings: FaceSettings,
    identity: np.ndarray | None = None,
) -> tuple[FittedHead, np.ndarray]:
    fitted = fit_head(head, tracked, settings, identity=identity)
    template = template_landmarks(head, settings.face_size)
    return fitted, alignment_matrices(
        resting_landmarks(head, fitted), template, settings.smoothness
    )


def _part(tracked: TrackedFace, index: np.ndarray) -> TrackedFace:
    return TrackedFace(
        tracked.landmarks[index],
        tracked.blendshapes[index],
        tracked.found[index],
        tracked.frame_size,
    )
