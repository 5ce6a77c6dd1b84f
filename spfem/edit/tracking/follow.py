"""Follow one person through a clip: choose a face once, never jump to another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from spfem.edit.tracking.people import FindFaces
from spfem.errors import InputError
from spfem.evaluation.identity import SAME_PERSON_DISTANCE, embed_chips, face_chips

NEAR = 0.5  # of the face's size: how far a face moves between two frames
GROWTH = 1.6  # of its size between two frames
PATIENCE = 5  # frames without the face, after which who comes back must prove it
CUT_STEP = 25.0  # grey levels; frames that differ more in the mean are a cut
THUMBNAIL = (32, 18)  # pixels on which cuts are looked for
REMEMBERED = 5  # looks at the person
LOOK_EVERY = 25  # frames between two of them
RECHECK = 12  # frames until a stranger is looked at again
HIDDEN_MARGIN, KEPT_MARGIN = 0.35, 0.25  # of the size, around a face

SamePerson = Callable[[list[np.ndarray], np.ndarray], bool]


@dataclass(frozen=True)
class Box:
    """Where a face is: centre (x, y) and half sides, pixels."""

    centre: np.ndarray
    half: np.ndarray

    @classmethod
    def around(cls, landmarks: np.ndarray) -> Box:
        """The box of landmarks (478, 2 or 3)."""
        low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
        return cls((low + high) / 2, (high - low) / 2)

    @property
    def size(self) -> float:
        """Mean side, pixels."""
        return float(2 * self.half.mean())

    def near(self, other: Box, frames: int) -> bool:
        """Whether this may be `other`, `frames` frames later."""
        moved = float(np.linalg.norm(self.centre - other.centre))
        ratio = self.size / max(other.size, 1e-6)
        return moved < NEAR * other.size * frames**0.5 and 1 / GROWTH < ratio < GROWTH

    def holds(self, point: np.ndarray) -> bool:
        """Whether a point (x, y) lies inside."""
        return bool((np.abs(point - self.centre) < self.half).all())

    def area(self, margin: float, frame: np.ndarray) -> tuple[slice, slice]:
        """Rows and columns of the box in a frame (H, W, 3), widened by `margin` of its sides."""
        reach = self.half * (1 + 2 * margin)
        low = np.maximum(self.centre - reach, 0).astype(int)
        high = np.maximum(np.ceil(self.centre + reach), 0).astype(int)
        return slice(low[1], min(high[1], len(frame))), slice(low[0], min(high[0], frame.shape[1]))


def looks_same(known: list[np.ndarray], chip: np.ndarray) -> bool:
    """Whether a face chip (150, 150, 3) shows the person of the known chips, by dlib."""
    rows = embed_chips(np.stack([*known, chip]))
    return bool(np.linalg.norm(rows[:-1] - rows[-1], axis=-1).min() < SAME_PERSON_DISTANCE)


class PersonFollower:
    """Tells in every frame which of its faces is the person.

    The person is chosen in the first frame with faces. From frame to frame it is whoever is where
    the person was. After a cut, a jump or a longer absence a face must look like the person
    (distance of dlib's descriptors under 0.6), else it is a stranger.

    Args:
        wanted: number of the face from left to right, from 1; None for the largest.
        name: of the clip, for errors.
        same_person: compares the known face chips with one.
    """

    def __init__(self, wanted: int | None, name: str, same_person: SamePerson = looks_same):
        self.wanted, self.name, self.same_person = wanted, name, same_person
        self.box: Box | None = None
        self.absent = 0
        self.cut = False
        self.frame = -1
        self.chips: list[np.ndarray] = []
        self.strangers: list[tuple[Box, int]] = []  # with the frame of the last look
        self.thumbnail: np.ndarray | None = None

    def choose(self, frame: np.ndarray, faces: list[np.ndarray]) -> int | None:
        """Index of the person among the faces (478, 3) of the next frame (H, W, 3), or None.

        Raises:
            InputError: if the first frame with faces has fewer than wanted.
        """
        self.frame += 1
        self._notice_cut(frame)
        boxes = [Box.around(face) for face in faces]
        found = self._first(boxes) if self.box is None else self._again(frame, faces, boxes)
        if found is None:
            self.absent += 1
            return None
        self.box, self.absent, self.cut = boxes[found], 0, False
        self.strangers = [entry for entry in self.strangers if not entry[0].near(self.box, 1)]
        if len(self.chips) < REMEMBERED and self.frame >= LOOK_EVERY * len(self.chips):
            self.chips.append(_chip(frame, faces[found]))
        return found

    def _notice_cut(self, frame: np.ndarray) -> None:
        small = cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA).mean(-1)
        if self.thumbnail is not None and np.abs(small - self.thumbnail).mean() > CUT_STEP:
            self.cut, self.strangers = True, []
        self.thumbnail = small

    def _first(self, boxes: list[Box]) -> int | None:
        if not boxes:
            return None
        if self.wanted is None:
            return int(np.argmax([box.size for box in boxes]))
        if not 1 <= self.wanted <= len(boxes):
            raise InputError(
                f"{self.name} shows {len(boxes)} face(s) in its first frame with a face; face "
                f"{self.wanted} does not exist: choose from 1 (left) to {len(boxes)} (right)"
            )
        return int(np.argsort([box.centre[0] for box in boxes])[self.wanted - 1])

    def _again(self, frame: np.ndarray, faces: list[np.ndarray], boxes: list[Box]) -> int | None:
        assert self.box is not None
        last = self.box
        order = np.argsort([np.linalg.norm(box.centre - last.centre) for box in boxes])
        trusted = self.absent <= PATIENCE and not self.cut
        strangers: list[tuple[Box, int]] = []
        for index in map(int, order):
            known = self._as_stranger(boxes[index])
            if trusted and known is None and boxes[index].near(last, self.absent + 1):
                return index
            if known is None or self.frame - known >= RECHECK:
                if self.same_person(self.chips, _chip(frame, faces[index])):
                    return index
                known = self.frame
            strangers.append((boxes[index], known))
        self.strangers = strangers
        return None

    def _as_stranger(self, box: Box) -> int | None:
        return next((seen for other, seen in self.strangers if box.near(other, 1)), None)


def _chip(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    return face_chips(frame[None], landmarks[None])[0]


def hide_others(frame: np.ndarray, faces: list[np.ndarray], kept: int | None) -> np.ndarray:
    """A frame (H, W, 3) with all faces but one painted over; `faces` are landmarks (478, 2)."""
    boxes = [Box.around(face) for face in faces]
    own = None if kept is None else boxes[kept]
    # A landmarker may see the same face twice.
    others = [b for i, b in enumerate(boxes) if i != kept and not (own and own.holds(b.centre))]
    if not others:
        return frame
    hidden = frame.copy()
    for box in others:
        hidden[box.area(HIDDEN_MARGIN, frame)] = 128
    if own is not None:
        area = own.area(KEPT_MARGIN, frame)
        hidden[area] = frame[area]
    return hidden


def show_one_person(
    frames: Iterable[np.ndarray], find_faces: FindFaces, follower: PersonFollower
) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) where only the followed person has a face; others are painted over."""
    for frame in frames:
        faces = find_faces(frame)
        yield hide_others(frame, faces, follower.choose(frame, faces))
