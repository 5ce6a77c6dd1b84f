"""Follow one person through a clip: choose a face once, then let identity decide.

Everybody else is painted over before the tracker looks (`show_one_person`), and short gaps of the
tracker are bridged where the picture shows that the face is still there (`bridge_gaps`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from spfem.errors import InputError
from spfem.face.descriptor import CHIP_SIZE, SAME_PERSON_DISTANCE, embed_chips, face_chips
from spfem.face.tracker import FindFaces

LONGEST_GAP = 5  # frames that may be bridged
LOOK_SIZE = 32  # pixels of the small aligned crops that are compared
LIKENESS = 0.75  # correlation with a neighbour, from which a crop shows the same face


def bridge_gaps(
    found: np.ndarray,
    align: np.ndarray,
    face_size: int,
    frames: Iterable[np.ndarray],
    lost: Collection[int] = (),
) -> np.ndarray:
    """Frames to edit (T,) bool: those found, and short gaps in which the face is still there.

    A tracker misses single frames of a blurred or turned face; leaving those unedited would
    flicker. In a gap of up to five frames the landmarks are interpolated, so the face, if it is
    there, lies in the interpolated square: a crop that resembles (correlation 0.75) that of the
    frame before or after the gap is edited. A hand before the face, a black frame, or a cut is
    not, nor a frame in which the person was lost: another's face in the same place resembles it.

    Args:
        found: (T,) bool.
        align: (T, 2, 3) frame pixels to aligned pixels, interpolated where not found.
        face_size: side of the aligned square, pixels.
        frames: the T frames (H, W, 3) uint8; only read if there is a short gap.
        lost: indices of frames that may show somebody else.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[True], found, [True]]).astype(int)))
    runs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    gaps = [
        (start, stop)
        for start, stop in runs
        if start > 0 and stop < len(found) and stop - start <= LONGEST_GAP
        if not set(range(start, stop)) <= set(lost)
    ]
    if not gaps:
        return found
    wanted = {frame for start, stop in gaps for frame in range(start - 1, stop + 1)}
    crops = {
        index: _crop(frame, align[index] * (LOOK_SIZE / face_size))
        for index, frame in enumerate(frames)
        if index in wanted
    }
    shown = found.copy()
    for start, stop in gaps:
        for frame in range(start, stop):
            ends = (crops[start - 1], crops[stop])
            likeness = max(float((crops[frame] * end).mean()) for end in ends)
            shown[frame] = frame not in lost and likeness > LIKENESS
    return shown


def _crop(frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Small grey crop of mean 0 and deviation 1; all 0 where it is of one grey."""
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink < 0.5:  # would alias
        frame = cv2.GaussianBlur(frame, (0, 0), 0.4 / shrink)
    crop = cv2.warpAffine(frame, matrix.astype(np.float64), (LOOK_SIZE, LOOK_SIZE)).mean(-1)
    deviation = crop.std()
    return (crop - crop.mean()) / deviation if deviation > 1 else np.zeros_like(crop)


SMALL = 6  # pixels, side of a chip of which only colours are left
COLOUR_WEIGHT = 0.01  # distance of descriptors that one grey level counts for
UNLIKE = 0.45  # distance with colours, from which on it is another


def looks_same(known: list[np.ndarray], chip: np.ndarray) -> bool:
    """Whether a face chip (150, 150, 3) shows the person of the known chips.

    The mean of the known is compared: dlib's descriptors by their distance, to which the
    difference of the colours of the aligned faces is added, since a cut within one clip seldom
    changes light and skin, and drawn people resemble each other for dlib more than filmed ones.
    """
    mean = np.mean([_describe(one.tobytes()) for one in known], axis=0)
    distance = float(np.linalg.norm(mean - _describe(chip.tobytes())))
    colours = np.mean([small_chip(one) for one in known], axis=0)
    step = float(np.abs(colours - small_chip(chip)).mean())
    return distance < SAME_PERSON_DISTANCE and distance + COLOUR_WEIGHT * step < UNLIKE


def small_chip(chip: np.ndarray) -> np.ndarray:
    """The colours (6, 6, 3) float32 of a face chip (150, 150, 3)."""
    return cv2.resize(chip, (SMALL, SMALL), interpolation=cv2.INTER_AREA).astype(np.float32)


@lru_cache(maxsize=32)
def _describe(chip: bytes) -> np.ndarray:
    shape = (1, CHIP_SIZE, CHIP_SIZE, 3)
    return embed_chips(np.frombuffer(chip, np.uint8).reshape(shape))[0]


NEAR = 0.5  # of the face's size: how far a face moves between two frames
GROWTH = 1.6  # of its size between two frames
CLOSE = 1.5  # of its size: another face that near may be taken for it
PATIENCE = 5  # frames without the face, after which who comes back must prove it
CUT_STEP = 25.0  # grey levels; frames that differ more in the mean are a cut
THUMBNAIL = (32, 18)  # pixels on which cuts are looked for
FACE_STEP, DARK_FACE_STEP = 0.03, 0.75  # of its brightness, grey levels: a face that changes more
REMEMBERED = 9  # looks at the person
FIRST_LOOKS, LOOK_EVERY = (0, 3, 6, 12), 25  # frames with the person between two of them
RECHECK = 6  # frames until a stranger is looked at again
HIDDEN_MARGIN, KEPT_MARGIN = 0.35, 0.25  # of the size, around a face

SamePerson = Callable[[list[np.ndarray], np.ndarray], bool]


class Box(NamedTuple):
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


class Stranger(NamedTuple):
    """Somebody else: where, in which frame this was last found out, and the last look."""

    box: Box
    checked: int
    face: np.ndarray


class PersonFollower:
    """Tells in every frame which of its faces is the person.

    The person is chosen in the first frame with faces. From frame to frame it is whoever is where
    the person was, as long as nothing speaks against it. Whoever it may be must look like the
    person (see `looks_same`) after a cut, a jump or an absence of more than five frames, when the
    face itself changes at once, when another face is near, and from time to time.

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
        self.seen = 0  # frames with the person
        self.lost: list[int] = []  # frames that may show anybody
        self.chips: list[np.ndarray] = []
        self.strangers: list[Stranger] = []
        self.thumbnail: np.ndarray | None = None
        self.last_face: np.ndarray | None = None

    @property
    def is_lost(self) -> bool:
        """Whether nobody in the last frame can be the person without a proof."""
        if self.box is None or not self.absent:
            return False
        return self.cut or self.absent > PATIENCE or bool(self.strangers)

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
            if self.is_lost:
                self.lost.append(self.frame)
            return None
        self.box, self.absent, self.cut = boxes[found], 0, False
        self.strangers = [one for one in self.strangers if not one.box.near(self.box, 1)]
        chip = _chip(frame, faces[found])
        self.last_face = small_chip(chip)
        if self.seen in FIRST_LOOKS or self.seen % LOOK_EVERY == 0:
            self.chips = [*self.chips[-REMEMBERED + 1 :], chip]
        self.seen += 1
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
        strangers: list[Stranger] = []
        for index in map(int, order):
            box, chip = boxes[index], _chip(frame, faces[index])
            known = next((one for one in self.strangers if box.near(one.box, 1)), None)
            follows = trusted and known is None and box.near(last, self.absent + 1)
            if follows and not self._is_doubtful(index, chip, boxes):
                return index
            checked = self.frame if known is None else known.checked
            if known is None or self.frame - checked >= RECHECK or _differ(known.face, chip):
                if self.same_person(self.chips, chip):
                    return index
                checked = self.frame
            strangers.append(Stranger(box, checked, small_chip(chip)))
        self.strangers = strangers
        return None

    def _is_doubtful(self, index: int, chip: np.ndarray, boxes: list[Box]) -> bool:
        """Whether a face where the person was may be another's all the same."""
        box = boxes[index]
        company = any(
            other is not box
            and not box.holds(other.centre)  # the same face, seen twice
            and np.linalg.norm(other.centre - box.centre) < CLOSE * box.size
            for other in boxes
        )
        assert self.last_face is not None
        return company or self.seen % LOOK_EVERY == 0 or _differ(self.last_face, chip)


def _chip(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    return face_chips(frame[None], landmarks[None])[0]


def _differ(before: np.ndarray, chip: np.ndarray) -> bool:
    """Whether a face chip differs from the last look (6, 6, 3) by more than speech can move it."""
    step = np.abs(small_chip(chip) - before).mean()
    return bool(step > max(DARK_FACE_STEP, FACE_STEP * before.mean()))


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
    """Frames (H, W, 3) where only the followed person has a face; others are painted over.

    A frame in which the person is lost, and which may show anybody, is grey.
    """
    for frame in frames:
        faces = find_faces(frame)
        found = follower.choose(frame, faces)
        yield np.full_like(frame, 128) if follower.is_lost else hide_others(frame, faces, found)
