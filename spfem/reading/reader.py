"""The reader: a small network from what the tracker saw of a face to its face units.

Its evidence is what was seen relative to the fitted head at rest. The fit is then done once more,
towards the read units: read units alone would follow what the tracker does to synthetic faces;
landmarks alone lose what the tracker shrinks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, settings_from_facts
from spfem.errors import CheckpointError, ShapeError
from spfem.face.camera import rotation_matrix
from spfem.face.fit import FittedHead, fit_head
from spfem.face.landmarks import FACE_OVAL
from spfem.face.tracker import TrackedFace, fill_missing
from spfem.head.model import LANDMARK_COUNT, HeadModel
from spfem.head.names import BLENDSHAPE_NAMES, FACE_UNIT_NAMES
from spfem.pretrained import pretrained_file
from spfem.settings import FaceSettings, ReaderSettings, ReadSettings

INNER_LANDMARKS = np.setdiff1d(np.arange(LANDMARK_COUNT), FACE_OVAL)
"""The landmarks that are looked at: all but the outline, which is no fixed place of the skin."""


@dataclass(frozen=True)
class Evidence:
    """What is known of T frames of one face; all arrays float32 and finite.

    Attributes:
        offsets: (T, 2 L) of the L `INNER_LANDMARKS` from the head at rest, x and y of the head,
            head units.
        scores: (T, 51) of the tracker, in [0, 1].
        rotation: (T, 3) axis-angle, radians.
    """

    offsets: np.ndarray
    scores: np.ndarray
    rotation: np.ndarray

    def __len__(self) -> int:
        """Frames."""
        return len(self.scores)

    def part(self, index: slice | np.ndarray) -> Evidence:
        """Some of the frames, by a slice, numbers (N,) or a mask (T,)."""
        return Evidence(self.offsets[index], self.scores[index], self.rotation[index])


@dataclass(frozen=True)
class RestingFace:
    """What the tracker sees of a person who shows nothing; float32.

    A person's own brows or lips are no expression: what the reader looks at is the difference.

    Attributes:
        offsets: (2 L,) as in `Evidence`.
        scores: (51,).
        neutral: whether it was seen in clips known to be neutral; else it is the typical frame
            of a clip that may hold any expression.
    """

    offsets: np.ndarray
    scores: np.ndarray
    neutral: bool


def gather_evidence(head: HeadModel, tracked: TrackedFace, fitted: FittedHead) -> Evidence:
    """Turn tracked landmarks into the head's frame and take the resting head away.

    The camera is orthographic, so that only the part of an offset across the line of sight is
    seen; turned back, its x and y are nearly those of the head while the head is nearly frontal.
    Frames with a number that is none count as not found and are filled from their neighbours.

    Raises:
        ShapeError: if the fit is of another number of frames.
    """
    if len(fitted.rotation) != len(tracked.landmarks):
        raise ShapeError(
            f"fitted has {len(fitted.rotation)} frames, tracked {len(tracked.landmarks)}; give "
            "the fit of this clip"
        )
    still = np.zeros(len(head.expression_basis), np.float32)
    rest = head.landmarks(head.vertices(fitted.identity, still))[INNER_LANDMARKS]
    rotation = rotation_matrix(torch.from_numpy(fitted.rotation)).numpy()
    shifted = tracked.landmarks[:, INNER_LANDMARKS, :2] - fitted.translation[:, None]
    seen = shifted / fitted.scale[:, None, None] - rest @ rotation[:, :2].transpose(0, 2, 1)
    offsets = (seen @ rotation[:, :2, :2]).reshape(len(seen), -1)
    arrays = (offsets, tracked.blendshapes, fitted.rotation)
    good = np.all([np.isfinite(array).all(1) for array in arrays], axis=0)
    if not good.any():
        return Evidence(*(np.zeros(array.shape, np.float32) for array in arrays))
    filled = (a if good.all() else fill_missing(a[good], good) for a in arrays)
    return Evidence(*(array.astype(np.float32) for array in filled))


def resting_face(
    seen: Sequence[Evidence], found: Sequence[np.ndarray] | None = None, *, neutral: bool
) -> RestingFace:
    """The typical frame (median of each number) of some clips of one person.

    Of each clip the frames `found` (T,) count, by default all; `neutral` says whether the clips are
    known to be neutral.

    Raises:
        ShapeError: if there is no clip.
    """
    if not seen:
        raise ShapeError("a resting face needs at least one clip; got none")
    kept = [
        clip if found is None or not found[i].any() else clip.part(np.asarray(found[i], bool))
        for i, clip in enumerate(seen)
    ]
    rows = ([clip.offsets for clip in kept], [clip.scores for clip in kept])
    offsets, scores = (np.median(np.concatenate(each), axis=0) for each in rows)
    return RestingFace(offsets.astype(np.float32), scores.astype(np.float32), neutral)


KIND = "face reader"
PIECE_FRAMES = 2048  # read at once
REACH_FRAMES = 4  # how many frames before and after one the network looks at
OFFSET_COUNT, SCORE_COUNT = 2 * len(INNER_LANDMARKS), len(BLENDSHAPE_NAMES)


class FaceReader(nn.Module):
    """Face units of a clip from landmarks and scores relative to the resting face.

    Offsets of the landmarks are told by their principal components. Per frame the network sees
    components and scores less those of the resting face, and the head's turn; per clip those of
    the resting face, and whether that is known to be neutral. Two hidden layers, the second over
    nine frames. Not in the papers.
    """

    components: Tensor
    spread: Tensor
    reach: Tensor
    gain: Tensor

    def __init__(self, settings: ReaderSettings):
        super().__init__()
        self.settings = settings
        inputs = settings.components + SCORE_COUNT
        self.register_buffer("components", torch.zeros(settings.components, OFFSET_COUNT))
        self.register_buffer("spread", torch.ones(2 * inputs + 3))
        self.register_buffer("reach", torch.ones(2 * inputs + 3))
        self.register_buffer("gain", torch.ones(len(FACE_UNIT_NAMES)))
        self.frame_layer = nn.Linear(inputs + 3, settings.width)
        self.clip_layer = nn.Linear(inputs + 1, settings.width, bias=False)
        self.time_layer = nn.Conv1d(settings.width, settings.width, 2 * REACH_FRAMES + 1)
        self.unit_layer = nn.Linear(settings.width, len(FACE_UNIT_NAMES))

    def features(self, evidence: Evidence, resting: RestingFace) -> tuple[Tensor, Tensor]:
        """What the layers see, of about unit size and never beyond what was learned from.

        (T, F) of the frames, and (C,) of the clip.
        """
        offsets, scores, rotation, rest, resting_scores = (
            torch.from_numpy(array)
            for array in (*vars(evidence).values(), resting.offsets, resting.scores)
        )
        base = torch.cat([rest @ self.components.mT, resting_scores], -1)
        seen = torch.cat([offsets @ self.components.mT, scores], -1) - base
        frames = torch.cat([seen, rotation], -1)
        count = frames.shape[-1]
        bounded = torch.minimum(frames, self.reach[:count]).maximum(-self.reach[:count])
        below = torch.minimum(base, self.reach[count:]).maximum(-self.reach[count:])
        return bounded / self.spread[:count], below / self.spread[count:]

    def forward(self, frames: Tensor, clip: Tensor, neutral: Tensor) -> Tensor:
        """Face units (B, T, E), not bounded, of what `features` gave.

        Frames are (B, T + 8, F), four more at both ends, the clip (B, C), and `neutral` (B,) is 1
        where the resting face is known to be neutral, else 0.
        """
        known = self.clip_layer(torch.cat([clip, neutral[:, None]], -1))
        hidden = nn.functional.gelu(self.frame_layer(frames) + known[:, None])
        mixed = hidden[:, REACH_FRAMES:-REACH_FRAMES] + self.time_layer(hidden.mT).mT
        return self.unit_layer(nn.functional.gelu(mixed)) * self.gain

    @torch.no_grad()
    def read(
        self, evidence: Evidence, resting: RestingFace, *, piece_frames: int = PIECE_FRAMES
    ) -> np.ndarray:
        """Face units (T, E) float32 in [0, 1], in the order of `FACE_UNIT_NAMES`.

        `piece_frames` are read at once; the result does not depend on it.
        """
        frames = len(evidence)
        held = np.clip(np.arange(-REACH_FRAMES, frames + REACH_FRAMES), 0, frames - 1)
        neutral = torch.full((1,), float(resting.neutral))
        units = np.empty((frames, len(FACE_UNIT_NAMES)), np.float32)
        for start in range(0, frames, piece_frames):
            stop = min(start + piece_frames, frames)
            part = evidence.part(held[start : stop + 2 * REACH_FRAMES])
            seen, clip = self.features(part, resting)
            units[start:stop] = self(seen[None], clip[None], neutral)[0].clamp(0, 1).numpy()
        return units

    def save(self, path: Path, facts: dict[str, object]) -> None:
        """Write the reader with what is known of its learning."""
        settings = asdict(self.settings)
        save_checkpoint(path, self.state_dict(), kind=KIND, facts={"settings": settings, **facts})

    @classmethod
    def load(cls, path: Path | str) -> FaceReader:
        """Read a file of `save`, or one in half precision.

        Raises:
            CheckpointError: if the file is missing, damaged or of another kind.
        """
        tensors, facts = load_checkpoint(path, kind=KIND)
        if "settings" not in facts:
            raise CheckpointError(f"checkpoint {path} lost its settings; make it again")
        reader = cls(settings_from_facts(ReaderSettings, facts["settings"], path))
        load_weights(reader, {name: value.float() for name, value in tensors.items()}, path)
        return reader.eval().requires_grad_(False)

    @classmethod
    def pretrained(cls) -> FaceReader:
        """The reader that the package ships.

        Raises:
            CheckpointError: if its file is missing or is not the one that was shipped.
        """
        return cls.load(pretrained_file(KIND))


def fit_towards(
    head: HeadModel,
    tracked: TrackedFace,
    units: np.ndarray,
    face: FaceSettings,
    read: ReadSettings,
    fit: Callable[[HeadModel, TrackedFace, FaceSettings], FittedHead] = fit_head,
) -> FittedHead:
    """Fit a clip with read units (T, E) as what to expect, and no longer drawn towards rest.

    The read units stay where neither landmarks nor scores tell, as of the tongue. `fit` is what
    fits the clip, such as `fit_head` with a known identity.
    """
    columns = [head.expression_names.index(name) for name in BLENDSHAPE_NAMES]
    expected = np.ascontiguousarray(units[:, columns], np.float32)
    towards = replace(
        face,
        expression_regularisation=0.0,
        score_weight=read.weight,
        expression_smoothness=read.smoothness,
        fit_iterations=read.fit_iterations,
    )
    fitted = fit(head, replace(tracked, blendshapes=expected), towards)
    expression = units.astype(np.float32)
    expression[:, columns] = fitted.expression[:, columns]
    return replace(fitted, expression=expression)


def read_clip(
    head: HeadModel,
    tracked: TrackedFace,
    settings: FaceSettings,
    reader: FaceReader,
    fit: Callable[[HeadModel, TrackedFace, FaceSettings], tuple[FittedHead, np.ndarray]],
) -> tuple[FittedHead, np.ndarray]:
    """Codes of a clip of a person of whom nothing else is known, read and then fitted once more.

    The typical frame of the clip stands for the resting face; how much of it is expression is what
    the reader has learned to judge. `fit` gives codes and alignment (T, 2, 3) of a clip, such as
    `spfem.face.clip_track.fit_clip`; the alignment is that of its first call.
    """
    fitted, align = fit(head, tracked, settings)
    evidence = gather_evidence(head, tracked, fitted)
    units = reader.read(evidence, resting_face([evidence], [tracked.found], neutral=False))

    def refit(*given: Any) -> FittedHead:
        return fit(*given)[0]

    return fit_towards(head, tracked, units, settings, ReadSettings(), refit), align
