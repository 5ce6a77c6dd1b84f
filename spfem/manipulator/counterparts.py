"""What a neutral clip would be in another emotion, estimated from other takes of its sentence.

No recording shows one moment in two emotions. A take of the same person and sentence in another
emotion, brought to the frames of the neutral clip by its sound, differs from it by the emotion,
and by all in which any two takes differ: blinks, gaze, timing, tracking. A generator that learns
that difference takes the neutral take's own movement for something to be removed, and shrinks
speech. So the estimate is

    neutral + other take - control,

where the control is a second neutral take: the mean of those of other people, each brought to
the same frames and to the neutral clip's mean. What any other take would lack cancels.

Source: the difference to aligned frames is what the released LSCMC code learns from
(`train_paired.py`); the control is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spfem.errors import ShapeError
from spfem.settings import EMOTIONS


@dataclass(frozen=True)
class Take:
    """Who says which sentence in which emotion, and how the face moves.

    Attributes:
        actor: name.
        sentence: key of the words.
        label: index in `EMOTIONS`.
        expression: (T, E) coefficients.
    """

    actor: str
    sentence: str
    label: int
    expression: np.ndarray


Match = Callable[[str, str], np.ndarray | None]
"""(key, other key) to the other clip's frame (T,) for each frame of the first; None if unsure."""


def estimate_counterpart(
    neutral: np.ndarray, emotional: np.ndarray, again: Sequence[np.ndarray]
) -> np.ndarray:
    """One counterpart (T, E) of a neutral clip.

    Args:
        neutral: (T, E).
        emotional: (T, E) take of the same person in another emotion, on the frames of `neutral`.
        again: (T, E) neutral takes of other people, on the same frames; without any, the neutral
            clip is its own control, which leaves the emotional take.

    Raises:
        ShapeError: if shapes differ.

    Example:
        >>> still, blink = np.zeros((2, 1)), np.array([[0.0], [0.5]])
        >>> estimate_counterpart(blink, still + 0.2, [still]).round(2).tolist()  # blinks on
        [[-0.05], [0.45]]
    """
    shapes = {neutral.shape, emotional.shape, *(take.shape for take in again)}
    if len(shapes) != 1 or neutral.ndim != 2:
        raise ShapeError(f"takes must be (T, E) of one shape; got {sorted(shapes)}")
    if not len(again):
        return np.array(emotional)
    moves = np.mean([take - take.mean(0) for take in again], axis=0)
    return neutral - neutral.mean(0) + emotional - moves


def estimate_counterparts(takes: Mapping[str, Take], match: Match) -> dict[str, np.ndarray]:
    """Counterparts (Y, T, E) of every neutral take, by its key; not a number where unknown.

    The neutral row is the take itself.

    Args:
        takes: by key.
        match: brings one take of a sentence to the frames of another.
    """
    by = {(take.actor, take.sentence, take.label): key for key, take in takes.items()}
    found = {}
    for key, take in takes.items():
        if take.label:
            continue
        own = np.asarray(take.expression, np.float32)
        rows = np.full((len(EMOTIONS), *own.shape), np.nan, np.float32)
        rows[0] = own
        speakers = sorted({actor for actor, sentence, _ in by if sentence == take.sentence})
        others = [by.get((actor, take.sentence, 0)) for actor in speakers if actor != take.actor]
        again = [
            seen for other in others if (seen := _on_frames(key, other, takes, match)) is not None
        ]
        for label in range(1, len(EMOTIONS)):
            emotional = _on_frames(key, by.get((take.actor, take.sentence, label)), takes, match)
            if emotional is not None:
                rows[label] = estimate_counterpart(own, emotional, again)
        found[key] = rows
    return found


def _on_frames(
    key: str, other: str | None, takes: Mapping[str, Take], match: Match
) -> np.ndarray | None:
    frames = None if other is None else match(key, other)
    return None if other is None or frames is None else takes[other].expression[frames]
