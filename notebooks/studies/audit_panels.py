"""One panel of a published clip: its place in time, how it moves, flickers, sounds and follows.

Published panels do not say which frame shows which moment. In the released clips results begin two
frames late or three frames early, and some source panels run on another clock (30 frames a second
shown as 25). So rate and offset are searched: those at which the lips of the result follow the
lips of the source best.

A blurred result flickers less, because the same small movement changes it less. So flicker is also
given by fine detail. Lips against loudness is no lip-sync score: lips also open for silent reasons,
so what counts is the difference between panels of one clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from spfem.errors import FaceNotFoundError, ShapeError
from spfem.evaluation.identity import DlibIdentity
from spfem.evaluation.mouth import MOUTH, STABLE, mouth_opening
from spfem.face.descriptor import similarity_transform
from spfem.face.landmarks import interocular_distance
from spfem.face.track import FaceTrack, track_clip
from spfem.media.video import read_video
from spfem.settings import FaceSettings

HELD_STEP = 0.15  # grey levels between two frames, under which the video stands still
FEWEST_TRIPLES = 5
SHARPNESS_FRAMES = 16


def not_held(frames: np.ndarray) -> np.ndarray:
    """Frames (T,) bool without those at either end in which a video stands still.

    Published panels of other lengths are filled up with copies of their first or last frame.
    """
    moving = np.array(
        [cv2.absdiff(first, second).mean() > HELD_STEP for first, second in pairwise(frames)]
    )
    kept = np.zeros(len(frames), bool)
    if moving.any():
        steps = np.flatnonzero(moving)
        kept[steps[0] : steps[-1] + 2] = True
    return kept


def upper_face(masks: np.ndarray, noses: np.ndarray) -> np.ndarray:
    """Masks (T, S, S) uint8 cut to above the tip of the nose, where speech moves the skin little.

    `noses` (T,) are its rows, aligned pixels.
    """
    upper = masks.copy()
    upper[:, max(int(np.median(noses)), 0) :] = 0
    return upper


def flicker(faces: np.ndarray, masks: np.ndarray, usable: np.ndarray) -> float:
    """How much the skin changes from frame to frame and back, in grey levels of 255.

    At each pixel the root mean square over time of x[t] - (x[t-1] + x[t+1]) / 2; of these the
    median over the pixels that lie inside in all frames. So it tells about skin: lids and brows,
    which move by themselves, are the smaller part of the pixels.

    Args:
        faces: (T, S, S, 3) uint8 aligned.
        masks: (T, S, S) uint8, 255 inside the face.
        usable: (T,) bool.

    Returns:
        Grey levels; NaN with fewer than five runs of three usable frames.
    """
    grey = np.stack([cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces]).astype(np.float32)
    three = usable[:-2] & usable[1:-1] & usable[2:]
    inside = (masks[usable] > 127).all(axis=0)
    if three.sum() < FEWEST_TRIPLES or not inside.any():
        return float("nan")
    off = grey[1:-1] - (grey[:-2] + grey[2:]) / 2
    return float(np.median(np.sqrt((off[three] ** 2).mean(axis=0))[inside]))


def sharpness(faces: np.ndarray, masks: np.ndarray, usable: np.ndarray) -> float:
    """Deviation of the Laplacian over the face, mean over frames, in grey levels.

    Args as in `flicker`. Fine detail and noise of a camera or coder count alike.
    """
    at = np.flatnonzero(usable)
    if not len(at):
        return float("nan")
    chosen = at[np.unique(np.linspace(0, len(at) - 1, SHARPNESS_FRAMES).astype(int))]
    values = []
    for index in chosen:
        grey = cv2.cvtColor(faces[index], cv2.COLOR_RGB2GRAY)
        inside = cv2.erode(masks[index], np.ones((5, 5), np.uint8)) > 127
        if inside.any():
            values.append(cv2.Laplacian(grey, cv2.CV_32F)[inside].std())
    return float(np.mean(values)) if values else float("nan")


def frame_difference(faces: np.ndarray, masks: np.ndarray, usable: np.ndarray) -> float:
    """Mean absolute step of the grey face from frame to frame, in grey levels.

    Args as in `flicker`. Unlike it, this counts movement: a result that moves as much as its source
    and keeps its detail changes as much.

    Returns:
        Mean over steps between two usable frames, of the pixels inside in both; NaN without one.
    """
    steps = []
    for index in range(len(faces) - 1):
        if not usable[index : index + 2].all():
            continue
        inside = (masks[index] > 127) & (masks[index + 1] > 127)
        if inside.any():
            before, after = (
                cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces[index : index + 2]
            )
            steps.append(cv2.absdiff(before, after)[inside].mean())
    return float(np.mean(steps)) if steps else float("nan")


FEWEST_FRAMES = 20
LEAST_OVERLAP = 0.6  # of the usable frames of the side that has fewer


class Curve(NamedTuple):
    """Values (T,) of a panel, which of its frames are usable (T,) bool, and its fps."""

    values: np.ndarray
    usable: np.ndarray
    fps: float


@dataclass(frozen=True)
class Alignment:
    """Frame t of the source is frame `rate * t + offset` of the panel.

    Attributes:
        rate: panel frames a source frame.
        offset: panel frames.
        clock: `rate` over that of two files that keep true time; 1 if they do.
        correlation: of the curves there.
    """

    rate: float
    offset: float
    clock: float
    correlation: float

    def places(self, frames: int) -> np.ndarray:
        """Places (T,) in the panel of the first `frames` frames of the source."""
        return self.rate * np.arange(frames) + self.offset


def sample_at(
    values: np.ndarray, usable: np.ndarray, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation in time of values (T, ...) at places (N,) in frames, whole or not.

    Returns:
        (N, ...) float64 and (N,) bool, whether both neighbours are there and usable.
    """
    last = len(values) - 1
    inside = (places >= 0) & (places <= last)
    held = np.clip(places, 0, last)
    low = np.floor(held).astype(int)
    high = np.where(held > low, np.minimum(low + 1, last), low)
    share = (held - low).reshape(-1, *[1] * (values.ndim - 1))
    between = values[low] * (1 - share) + values[high] * share
    return between.astype(np.float64), inside & usable[low] & usable[high]


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation of (T,) and (T,); 0 where one of them does not move."""
    first, second = first - first.mean(), second - second.mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / size if size > 1e-9 else 0.0


def align_panels(
    source: Curve,
    panels: Mapping[str, Curve],
    *,
    rates: tuple[float, ...],
    largest_offset_seconds: float,
) -> dict[str, Alignment]:
    """Line up the panels of one clip with its source.

    One clock for all panels of a clip (the one with the best mean correlation), one offset for
    each. Panels on their own clock are searched at half frames, others at whole ones. The
    search lets every panel look as good as it can, so a correlation found by it is a little too
    high; `best_offset` on the source of another clip tells how much.

    `rates` are clocks to try, 1 for true time; offsets may go either way.

    Raises:
        ShapeError: if no panel shares enough frames with the source.
    """
    if not panels:
        return {}
    found: list[dict[str, Alignment]] = []
    for clock in rates:
        search = partial(best_offset, clock=clock, largest_offset_seconds=largest_offset_seconds)
        of_clock = {name: search(source, curve) for name, curve in panels.items()}
        found.append({name: best for name, best in of_clock.items() if best is not None})
    if not any(found):
        raise ShapeError(
            f"no result shares {FEWEST_FRAMES} frames with a face with its source; "
            f"the source has {int(source.usable.sum())}"
        )
    return max(
        (one for one in found if one),
        key=lambda one: (len(one), float(np.mean([best.correlation for best in one.values()]))),
    )


def best_offset(
    source: Curve, panel: Curve, *, clock: float, largest_offset_seconds: float
) -> Alignment | None:
    """The offset of the best correlation on one clock; None without enough shared frames."""
    rate = clock * panel.fps / source.fps
    step = 1.0 if rate == 1 else 0.5
    reach = np.floor(largest_offset_seconds * panel.fps / step) * step
    fewest = LEAST_OVERLAP * min(source.usable.sum(), panel.usable.sum() / rate)
    best: Alignment | None = None
    for offset in np.arange(-reach, reach + step, step):
        places = rate * np.arange(len(source.values)) + offset
        values, usable = sample_at(panel.values, panel.usable, places)
        usable &= source.usable
        if usable.sum() < max(FEWEST_FRAMES, fewest):
            continue
        value = correlation(source.values[usable], values[usable])
        if best is None or value > best.correlation:
            best = Alignment(rate, float(offset), clock, value)
    return best


QUIETEST = 1e-4  # of full scale; keeps the logarithm of silence finite


def loudness(audio: np.ndarray, sample_rate: int, fps: float, frames: int) -> np.ndarray:
    """Level (T,) in decibels of mono samples (A,) over the time of each video frame."""
    edges = np.minimum(np.round(np.arange(frames + 1) * sample_rate / fps).astype(int), len(audio))
    power = np.concatenate([[0.0], np.cumsum(audio.astype(np.float64) ** 2)])
    energy = (power[edges[1:]] - power[edges[:-1]]) / np.maximum(np.diff(edges), 1)
    return 10 * np.log10(np.maximum(energy, QUIETEST**2))


def lips_against_sound(
    opening: Curve, level: np.ndarray, largest_lag_seconds: float
) -> tuple[float, float, float]:
    """Correlation of lips and loudness in time, and where it is best.

    Args:
        opening: of the lips.
        level: (T,) of the sound over the same frames.
        largest_lag_seconds: either way.

    Returns:
        Correlation at lag 0; best correlation; its lag in seconds, above 0 if the lips come
        after the sound. NaN without enough frames.
    """
    reach = int(largest_lag_seconds * opening.fps)
    by_lag = {}
    for lag in range(-reach, reach + 1):
        at = np.arange(len(level)) + lag
        inside = (at >= 0) & (at < len(opening.values))
        inside[inside] &= opening.usable[at[inside]]
        if inside.sum() >= FEWEST_FRAMES:
            by_lag[lag] = correlation(opening.values[at[inside]], level[inside])
    if 0 not in by_lag:
        return float("nan"), float("nan"), float("nan")
    best = max(by_lag, key=by_lag.__getitem__)
    return by_lag[0], by_lag[best], best / opening.fps


NOSE_TIP = 1


@dataclass(frozen=True)
class Panel:
    """What is known of one video.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB.
        track: of them.
        usable: (T,) bool, frames that show a face and are no padding.
        audio: (A,) samples; None without sound.
        sample_rate: of them, in hertz.
    """

    frames: np.ndarray
    track: FaceTrack
    usable: np.ndarray
    audio: np.ndarray | None
    sample_rate: int

    @property
    def opening(self) -> Curve:
        """Opening of the lips."""
        return Curve(mouth_opening(self.track.landmarks), self.usable, self.track.fps)

    def steadiness(self) -> dict[str, float]:
        """Flicker and sharpness of the skin above the tip of the nose, in grey levels."""
        track, nose = self.track, self.track.landmarks[:, NOSE_TIP, :2]
        rows = (track.align[:, 1, :2] * nose).sum(-1) + track.align[:, 1, 2]
        inside = upper_face(track.masks, rows[self.usable])
        shaking = flicker(track.faces, inside, self.usable)
        detail = sharpness(track.faces, inside, self.usable)
        return {"flicker": shaking, "sharpness": detail, "flicker_by_detail": shaking / detail}

    def lips_with_sound(self, clock: float, largest_lag_seconds: float) -> dict[str, float]:
        """Correlation of lips and loudness, see `lips_against_sound`; empty without sound.

        `clock` is frames a second that are shown, by those that were filmed.
        """
        if self.audio is None:
            return {}
        fps = self.track.fps / clock
        level = loudness(self.audio, self.sample_rate, fps, len(self.track))
        opening = self.opening._replace(fps=fps)
        in_time, best, lag = lips_against_sound(opening, level, largest_lag_seconds)
        return {"sync_correlation": in_time, "sync_best": best, "sync_lag_seconds": lag}

    def embeddings(self, frames: np.ndarray) -> np.ndarray:
        """Identity descriptors (N, 128) of frames (N,)."""
        return DlibIdentity().embed(self.frames[frames], self.track.landmarks[frames])


def open_panel(path: Path, face_size: int) -> Panel:
    """Read and track one panel.

    Raises:
        InputError: if it cannot be read, or shows no face.
        FaceNotFoundError: if a face is seen only while the video stands still.
    """
    video = read_video(path)
    track = track_clip(
        video.frames, FaceSettings(face_size=face_size), fps=float(video.fps), name=str(path)
    )
    usable = track.found & not_held(video.frames)
    if not usable.any():
        raise FaceNotFoundError(f"{path} shows a face only while it stands still; give a video")
    sound = video.audio if video.audio is not None and len(video.audio) else None
    return Panel(video.frames, track, usable, sound, video.sample_rate or 0)


JAW = 0  # column of the fitted face units
CLOSED = 0.05  # opening in distances of the eyes, under which the lips of a source are closed
FEWEST_CLOSED = 3  # frames


def lip_motion(landmarks: np.ndarray) -> np.ndarray:
    """Lip landmarks (T, L, 2) in distances of the eyes, apart from head and resting shape.

    A similarity transform on landmarks that neither speech nor emotion moves much puts every
    frame on the first one; then the mean over time is taken off, and with it most of what an
    emotion does to the mouth. Turns out of the picture's plane still move the lips a little.
    """
    stable = landmarks[:, STABLE, :2]
    matrices = similarity_transform(stable, np.broadcast_to(stable[:1], stable.shape))
    lips = landmarks[:, MOUTH, :2].astype(np.float64)
    placed = lips @ matrices[:, :, :2].swapaxes(-1, -2) + matrices[:, None, :, 2]
    return (placed - placed.mean(axis=0)) / interocular_distance(landmarks[:1])[0]


def follow_source(source: Panel, result: Panel, alignment: Alignment) -> dict[str, float]:
    """How lips, jaw and head of a result follow the source over the moments both show."""
    places = alignment.places(len(source.track))
    _, shared = sample_at(np.zeros(len(result.track)), result.usable, places)
    shared &= source.usable

    def theirs(values: np.ndarray) -> np.ndarray:
        return sample_at(values, result.usable, places)[0][shared]

    ours, marks = source.track, theirs(result.track.landmarks)
    opening = mouth_opening(ours.landmarks[shared]), mouth_opening(marks)
    turns = [
        correlation(ours.rotation[shared, axis], theirs(result.track.rotation[:, axis]))
        for axis in range(3)
    ]
    return {
        "mouth_correlation": correlation(*opening),
        "lip_shape_correlation": correlation(
            lip_motion(ours.landmarks[shared]).ravel(), lip_motion(marks).ravel()
        ),
        "jaw_correlation": correlation(
            ours.expression[shared, JAW], theirs(result.track.expression[:, JAW])
        ),
        "opening_when_closed": opening_when_closed(*opening),
        "mouth_amplitude": float(opening[1].std() / max(opening[0].std(), 1e-9)),
        "head_correlation": float(np.mean(turns)),
        "shared_frames": float(shared.sum()),
    }


def opening_when_closed(source: np.ndarray, result: np.ndarray) -> float:
    """Mean opening of a result while the lips of the source are closed.

    Whatever the emotion, p, b and m need closed lips; a correlation does not see a mouth that
    moves in time but never closes. Openings (T,) of the same moments are in distances of the eyes,
    and so is the result; NaN if the source closes its lips in fewer than three frames.
    """
    closed = source < CLOSED
    return float(result[closed].mean()) if closed.sum() >= FEWEST_CLOSED else float("nan")
