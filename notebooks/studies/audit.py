"""Defaults of the audit of published result clips.

Did the expression change, and towards what was wanted?

The change is the mean of the tracker's scores over the result less that over the same moments of
the source: means over a clip, because speech evens out and emotion stays. It is compared with

* the reference: mean over the reference clip less mean over the source. That holds the difference
  of two persons' resting faces, too, when the reference shows someone else;
* the label: the face units that make up the emotion (those of the embedded corpus, after the
  facial action coding of basic emotions). Nothing is learned from faces, so nothing can be
  overfitted, but real people do not show emotions as in the book. `label_trust` counts how often
  the direction names the emotion of clips in which a real person shows it.

Directions of gaze do not count.

A folder of published result clips: what belongs to each clip, and what is wrong with it.

What the audit measures, which way is better, and which of it the papers claim.

Flicker and fine detail of aligned faces, to be read beside those of the source.

A blurred result flickers less, because the same small movement changes it less. So flicker is
also given by fine detail, the ratio of the two numbers.

Which frame of a result shows the moment of which frame of the source.

Published panels do not say. In the released clips results begin two frames late or three frames
early, and some source panels run on another clock (30 frames a second shown as 25). So rate and
offset are searched: those at which the lips of the result follow the lips of the source best.

Are lips and sound in time? A proxy: opening of the lips against loudness.

It is no lip-sync score. Lips also open for silent reasons and close for loud sounds, so even a
true video correlates only in part; what counts is the difference between panels of one clip.

One panel of a published clip: its track, its sound, and the frames that count.

Whether lips, jaw and head of a result move as those of the source do.

All measures of one published clip, panel by panel.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd

from spfem.corpus.layouts import find_delimiter, read_text
from spfem.errors import AssetError, FaceNotFoundError, InputError, ShapeError, SpfemError
from spfem.evaluation.emotion import EmotionClassifier, clip_features
from spfem.evaluation.identity import (
    cosine_identity,
    evenly_spaced,
    identity_distance,
    identity_embeddings,
    similarity_transform,
)
from spfem.evaluation.mouth import MOUTH, STABLE, mouth_opening
from spfem.face.landmarks import interocular_distance
from spfem.face.track import FaceTrack, track_clip
from spfem.head.names import BLENDSHAPE_NAMES, FACE_UNIT_NAMES
from spfem.media.video import read_video
from spfem.settings import EMOTIONS, FaceSettings
from spfem.studio.emotions import EMOTION_UNITS

COUNTED = np.array([not name.startswith("eyeLook") for name in BLENDSHAPE_NAMES])
SMALLEST_CHANGE = 0.15  # length of a change in score units, under which it has no direction


def mean_scores(blendshapes: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Mean (43,) of the counted tracker scores (T, 51) over usable frames (T,) bool."""
    return blendshapes[usable][:, COUNTED].mean(axis=0, dtype=np.float64)


def label_direction(emotion: str) -> np.ndarray:
    """Unit direction (43,) of an emotion in counted tracker scores; zeros for neutral."""
    units = EMOTION_UNITS[EMOTIONS.index(emotion)]
    columns = [FACE_UNIT_NAMES.index(name) for name in BLENDSHAPE_NAMES]
    direction = units[columns][COUNTED]
    length = float(np.linalg.norm(direction))
    return direction / length if length else direction


def direction_cosine(change: np.ndarray, wanted: np.ndarray) -> float:
    """Cosine of a change (E,) and the wanted one; NaN if either is too small for a direction."""
    sizes = float(np.linalg.norm(change)), float(np.linalg.norm(wanted))
    if min(sizes) < SMALLEST_CHANGE:
        return float("nan")
    return float(change @ wanted) / (sizes[0] * sizes[1])


def strength(change: np.ndarray, wanted: np.ndarray) -> float:
    """How far a change (E,) goes along the wanted one, as a share of it: 1 is all the way."""
    size = float(wanted @ wanted)
    return float(change @ wanted) / size if size >= SMALLEST_CHANGE**2 else float("nan")


def nearest_label(change: np.ndarray) -> str:
    """The emotion whose direction is nearest to a change (E,); neutral if it is too small."""
    if float(np.linalg.norm(change)) < SMALLEST_CHANGE:
        return "neutral"
    labels = [emotion for emotion in EMOTIONS if emotion != "neutral"]
    return max(labels, key=lambda emotion: float(change @ label_direction(emotion)))


LIST_NAME = "clips.csv"
SOURCE, REFERENCE = "source", "reference"
HOW_TO = (
    f"give a folder with {LIST_NAME} (columns clip and panels, such as source|reference|ned|ours; "
    "may have driven_by and emotion_in_name) and <clip>/<panel>.mp4"
)


@dataclass(frozen=True)
class PublishedClip:
    """One edit as its authors show it.

    Attributes:
        name: of the clip.
        driven_by: `reference` or `label`.
        emotion: one of `EMOTIONS`, or empty where it is not known.
        videos: panel -> file; has `source`, may have `reference`, the rest are methods.
    """

    name: str
    driven_by: str
    emotion: str
    videos: Mapping[str, Path]

    @property
    def methods(self) -> tuple[str, ...]:
        """Panels that are results."""
        return tuple(name for name in self.videos if name not in (SOURCE, REFERENCE))


class Problem(NamedTuple):
    """Why a clip, or one panel of it, could not be used."""

    clip: str
    panel: str
    reason: str


def read_published(folder: Path) -> tuple[list[PublishedClip], list[Problem]]:
    """Read the list of a folder and see which files are there.

    Args:
        folder: with `clips.csv` and one sub-folder a clip.

    Returns:
        Clips with a source and at least one method, in the order of the list, and what was left
        out.

    Raises:
        InputError: if there is no list, or it cannot be used.
    """
    table = _read_list(Path(folder))
    clips: list[PublishedClip] = []
    problems: list[Problem] = []
    seen: Counter[str] = Counter()
    for values in table.itertuples(index=False):
        row = dict(zip(table.columns, map(str, values), strict=True))
        name = row["clip"]
        seen[name] += 1
        if seen[name] > 1:
            problems.append(Problem(name, "", "is listed twice; the first row counts"))
            continue
        clip, found = _read_clip(Path(folder), row)
        problems += found
        if clip is not None:
            clips.append(clip)
    return clips, problems


def _read_list(folder: Path) -> pd.DataFrame:
    path = folder / LIST_NAME
    if not path.is_file():
        raise InputError(f"{path} is missing; {HOW_TO}")
    try:
        text = read_text(path)
        table = pd.read_csv(
            io.StringIO(text), dtype=str, keep_default_na=False, sep=find_delimiter(text)
        )
    except (OSError, ValueError, UnicodeError) as error:
        raise InputError(f"{path} cannot be read as a table ({error}); {HOW_TO}") from error
    if missing := {"clip", "panels"} - set(table.columns):
        raise InputError(f"{path} has no column {', '.join(sorted(missing))}; {HOW_TO}")
    return table.fillna("")


def _read_clip(folder: Path, row: Mapping[str, str]) -> tuple[PublishedClip | None, list[Problem]]:
    name = row["clip"]
    if not _inside(folder / name, folder) or name in ("", "."):
        return None, [Problem(name, "", "lies outside the folder; not opened")]
    problems, videos = [], {}
    for panel in dict.fromkeys(part.strip() for part in row["panels"].split("|")):
        path = folder / name / f"{panel}.mp4"
        if not panel or not _inside(path, folder):
            problems.append(Problem(name, panel, "is no panel inside the folder; not opened"))
        elif not path.is_file():
            problems.append(Problem(name, panel, f"{panel}.mp4 is missing"))
        else:
            videos[panel] = path
    emotion = row.get("emotion_in_name", "").strip().lower()
    if emotion and emotion not in EMOTIONS:
        problems.append(Problem(name, "", f"emotion {emotion!r} is none of {', '.join(EMOTIONS)}"))
        emotion = ""
    driven_by = row.get("driven_by", "") or (REFERENCE if REFERENCE in videos else "label")
    clip = PublishedClip(name, driven_by, emotion, videos)
    if SOURCE not in videos:
        return None, [*problems, Problem(name, "", "has no source to compare with; left out")]
    if not clip.methods:
        return None, [*problems, Problem(name, "", "shows no method; left out")]
    return clip, problems


def _inside(path: Path, folder: Path) -> bool:
    """Whether the path as written stays in the folder; links that the owner made may lead out."""
    written = Path(os.path.normpath(path))
    try:
        path.resolve()
    except (OSError, RuntimeError, ValueError):  # loops of links, names with a zero byte
        return False
    return written.is_relative_to(os.path.normpath(folder))


class AuditMetric(NamedTuple):
    """One number of a result panel.

    Attributes:
        title: for tables and figures.
        higher: whether higher is better; None where neither is.
        claim: what the papers report that it stands for; empty where they report nothing alike.
    """

    title: str
    higher: bool | None
    claim: str


METRICS: dict[str, AuditMetric] = {
    "mouth_correlation": AuditMetric("lip opening follows the source", True, "speech kept (LSE-D)"),
    "lip_shape_correlation": AuditMetric(
        "lip shape follows the source", True, "speech kept (LSE-D)"
    ),
    "jaw_correlation": AuditMetric("fitted jaw follows the source", True, "speech kept (LSE-D)"),
    "opening_when_closed": AuditMetric(
        "lips open while the source's are closed", False, "speech kept (LSE-D)"
    ),
    "sync_correlation": AuditMetric("lips with sound (proxy)", True, "speech kept (LSE-D)"),
    "csim": AuditMetric("CSIM with the source", True, "identity kept (CSIM)"),
    "identity_distance": AuditMetric(
        "identity distance to the source", False, "identity kept (CSIM)"
    ),
    "towards_reference": AuditMetric(
        "expression change towards the reference, cosine", True, "emotion shown (FAD)"
    ),
    "towards_label": AuditMetric(
        "expression change towards the label, cosine", True, "emotion shown (FAD)"
    ),
    "change_size": AuditMetric("size of the expression change", None, ""),
    "reference_strength": AuditMetric("share of the way to the reference", None, ""),
    "mouth_amplitude": AuditMetric("lip movement, by the source's", None, ""),
    "head_correlation": AuditMetric("head turns with the source", None, ""),
    "flicker": AuditMetric("flicker of skin, by the source's", False, ""),
    "flicker_by_detail": AuditMetric("flicker by fine detail, by the source's", False, ""),
    "sharpness": AuditMetric("fine detail of skin, by the source's", None, ""),
}
COMPARED = tuple(name for name, metric in METRICS.items() if metric.higher is not None)
"""Metrics in which methods can be better or worse."""


HELD_STEP = 0.15  # grey levels between two frames, under which the video stands still
FEWEST_TRIPLES = 5
SHARPNESS_FRAMES = 16


def not_held(frames: np.ndarray) -> np.ndarray:
    """Frames (T,) bool without those at either end in which a video stands still.

    Published panels of other lengths are filled up with copies of their first or last frame.

    Args:
        frames: (T, H, W, 3) uint8.
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
    """Masks (T, S, S) cut to above the tip of the nose, where speech moves the skin little.

    Args:
        masks: (T, S, S) uint8, 255 inside the face.
        noses: (T,) rows of the tip of the nose, aligned pixels.
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
    """Linear interpolation in time.

    Args:
        values: (T, ...) one row a frame.
        usable: (T,) bool.
        places: (N,) in frames, whole or not.

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

    Args:
        source: opening of the lips of the source.
        panels: the same of each result.
        rates: clocks to try; 1 is true time.
        largest_offset_seconds: either way.

    Raises:
        ShapeError: if no panel shares enough frames with the source.
    """
    if not panels:
        return {}
    found: list[dict[str, Alignment]] = []
    for clock in rates:
        of_clock = {
            name: best_offset(
                source, curve, clock=clock, largest_offset_seconds=largest_offset_seconds
            )
            for name, curve in panels.items()
        }
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
        """Correlation of lips and loudness, see `sound.lips_against_sound`; empty without sound.

        Args:
            clock: frames a second that are shown, by those that were filmed.
            largest_lag_seconds: either way.
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
        return identity_embeddings(self.frames[frames], self.track.landmarks[frames])


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

    Args:
        landmarks: (T, 478, 2 or 3).
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
    moves in time but never closes.

    Args:
        source: (T,) openings in distances of the eyes.
        result: (T,) of the same moments.

    Returns:
        Distances of the eyes; NaN if the source closes its lips in fewer than three frames.
    """
    closed = source < CLOSED
    return float(result[closed].mean()) if closed.sum() >= FEWEST_CLOSED else float("nan")


@dataclass(frozen=True)
class AuditSettings:
    """How panels are lined up in time, measured and compared."""

    face_size: int = 128  # pixels, of aligned faces for flicker and sharpness
    rates: tuple[float, ...] = (1.0, 25 / 30, 30 / 25)  # clocks a panel may have run on
    largest_offset_seconds: float = 0.5
    identity_frames: int = 6  # moments of a clip, the same for all its methods
    largest_lag_seconds: float = 0.4  # between lips and sound
    resamples: int = 2000  # of the bootstrap over clips
    confidence: float = 0.95
    error_rate: float = 0.05  # of all comparisons together (Holm)
    lean_rate: float = 0.1  # of one comparison alone, for what is called a lean


@dataclass(frozen=True)
class MeasuredClip:
    """What one clip gave.

    Attributes:
        clip: that was measured.
        rows: one a panel, see `measure_clip`.
        problems: panels that were left out.
        openings: panel -> opening of its lips, for the source and the methods.
        alignments: method -> its place in the source's time.
        person: (128,) mean identity descriptor of the source; empty where there is none.
    """

    clip: PublishedClip
    rows: list[dict[str, Any]]
    problems: list[Problem]
    openings: dict[str, Curve] = field(default_factory=dict)
    alignments: dict[str, Alignment] = field(default_factory=dict)
    person: np.ndarray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class MeasureJob:
    """One clip to measure; the classifier names emotions beside the labels, or is None."""

    clip: PublishedClip
    settings: AuditSettings
    classifier: EmotionClassifier | None


def measure_clip(job: MeasureJob) -> MeasuredClip:
    """Track and measure all panels of a clip; what cannot be used becomes a problem."""
    clip, settings = job.clip, job.settings
    panels: dict[str, Panel] = {}
    problems: list[Problem] = []
    for name, path in clip.videos.items():
        try:
            panels[name] = open_panel(path, settings.face_size)
        except AssetError:  # no fault of the clip
            raise
        except SpfemError as error:
            problems.append(Problem(clip.name, name, str(error)))
        except Exception as error:  # damaged files raise whatever their reader stumbles over
            reason = " ".join(str(error).split())
            problems.append(Problem(clip.name, name, f"{path} cannot be used ({reason})"))
    if SOURCE not in panels:
        return MeasuredClip(clip, [], problems)
    methods = [name for name in clip.methods if name in panels]
    try:
        alignments = align_panels(
            panels[SOURCE].opening,
            {name: panels[name].opening for name in methods},
            rates=settings.rates,
            largest_offset_seconds=settings.largest_offset_seconds,
        )
    except SpfemError as error:
        return MeasuredClip(clip, [], [*problems, Problem(clip.name, "", str(error))])
    if not alignments:
        return MeasuredClip(clip, [], problems)
    for name in [name for name in methods if name not in alignments]:
        methods.remove(name)
        problems.append(Problem(clip.name, name, "shares too few frames with the source"))
    rows, person = _identity_rows(panels, alignments, settings.identity_frames)
    wanted = _wanted_change(clip, panels, problems)
    for name, panel in panels.items():
        if name in (SOURCE, REFERENCE) or name in alignments:
            rows.setdefault(name, {})
            # Only the source's own clock can differ from its sound: results are new files.
            clock = next(iter(alignments.values())).clock if name == SOURCE else 1.0
            rows[name] |= _panel_row(panel, clock, settings, job.classifier)
    steadiness = {name: panels[name].steadiness() for name in (SOURCE, *methods)}
    for name in methods:
        rows[name] |= follow_source(panels[SOURCE], panels[name], alignments[name])
        rows[name] |= _change_row(clip, panels[SOURCE], panels[name], alignments[name], wanted)
        for metric, value in steadiness[name].items():
            rows[name][metric] = value / steadiness[SOURCE][metric]
    if REFERENCE in rows and np.linalg.norm(wanted) >= SMALLEST_CHANGE:
        rows[REFERENCE]["named_by_direction"] = nearest_label(wanted)
    facts = {"clip": clip.name, "driven_by": clip.driven_by, "emotion": clip.emotion}
    return MeasuredClip(
        clip,
        [facts | {"panel": name, **row} for name, row in rows.items()],
        problems,
        {name: panels[name].opening for name in (SOURCE, *methods)},
        alignments,
        person,
    )


def _wanted_change(
    clip: PublishedClip, panels: Mapping[str, Panel], problems: list[Problem]
) -> np.ndarray:
    """Mean scores of the reference less those of the source; NaN without a reference."""
    source = panels[SOURCE]
    rest = mean_scores(source.track.blendshapes, source.usable)
    if REFERENCE not in panels:
        return np.full_like(rest, np.nan)
    shown = panels[REFERENCE]
    wanted = mean_scores(shown.track.blendshapes, shown.usable) - rest
    if np.linalg.norm(wanted) < SMALLEST_CHANGE:
        reason = "shows the expression of the source, so no change is wanted; not measured there"
        problems.append(Problem(clip.name, REFERENCE, reason))
    return wanted


def _panel_row(
    panel: Panel, clock: float, settings: AuditSettings, classifier: EmotionClassifier | None
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "frames": len(panel.track),
        "usable_frames": int(panel.usable.sum()),
        "fps": panel.track.fps,
        **panel.lips_with_sound(clock, settings.largest_lag_seconds),
    }
    if classifier is not None:
        features = clip_features(panel.track.expression, panel.usable)
        row["named_by_classifier"] = classifier.name(features[None])[0]
    return row


def _change_row(
    clip: PublishedClip, source: Panel, result: Panel, alignment: Alignment, wanted: np.ndarray
) -> dict[str, Any]:
    places = alignment.places(len(source.track))
    scores, shared = sample_at(result.track.blendshapes, result.usable, places)
    shared &= source.usable
    change = mean_scores(scores, shared) - mean_scores(source.track.blendshapes, shared)
    row: dict[str, Any] = {
        "offset_frames": alignment.offset,
        "clock": alignment.clock,
        "change_size": float(np.linalg.norm(change)),
    }
    if np.linalg.norm(wanted) < SMALLEST_CHANGE:  # never so without a reference
        return row
    row["named_by_direction"] = nearest_label(change)
    if clip.emotion not in ("", "neutral"):
        row["towards_label"] = direction_cosine(change, label_direction(clip.emotion))
    if np.isfinite(wanted).all():
        row["towards_reference"] = direction_cosine(change, wanted)
        row["reference_strength"] = strength(change, wanted)
    return row


def _identity_rows(
    panels: Mapping[str, Panel], alignments: Mapping[str, Alignment], count: int
) -> tuple[dict[str, dict[str, Any]], np.ndarray]:
    """CSIM and distance of every method at the same moments of the source, and who that is."""
    source = panels[SOURCE]
    nearest = {
        name: np.round(alignment.places(len(source.track))).astype(int)
        for name, alignment in alignments.items()
    }
    shared = source.usable.copy()
    for name, at in nearest.items():
        usable = panels[name].usable
        shared &= (at >= 0) & (at < len(usable)) & usable[np.clip(at, 0, len(usable) - 1)]
    chosen = evenly_spaced(shared, count)
    if not len(chosen):
        return {SOURCE: {}}, np.zeros(0)
    ours = source.embeddings(chosen)
    rows: dict[str, dict[str, Any]] = {SOURCE: {}}
    for name, at in nearest.items():
        theirs = panels[name].embeddings(at[chosen])
        rows[name] = {
            "csim": cosine_identity(theirs, ours),
            "identity_distance": identity_distance(theirs, ours),
        }
    return rows, ours.mean(axis=0)
