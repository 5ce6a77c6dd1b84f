"""Published result clips: what belongs to each, and all measures of one, panel by panel.

The change of expression is the mean of the tracker's scores over the result less that over the same
moments of the source: means over a clip, because speech evens out and emotion stays. It is compared
with

* the reference: mean over the reference clip less mean over the source. That holds the difference
  of two persons' resting faces, too, when the reference shows someone else;
* the label: the face units that make up the emotion (those of the embedded corpus, after the
  facial action coding of basic emotions). Nothing is learned from faces, so nothing can be
  overfitted, but real people do not show emotions as in the book. `label_trust` counts how often
  the direction names the emotion of clips in which a real person shows it.

Directions of gaze do not count.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from spfem.corpus.layouts import find_delimiter, read_text
from spfem.errors import AssetError, InputError, SpfemError
from spfem.evaluation.emotion import EmotionClassifier, clip_features
from spfem.evaluation.identity import (
    cosine_identity,
    evenly_spaced,
    identity_distance,
)
from spfem.head.names import BLENDSHAPE_NAMES, FACE_UNIT_NAMES
from spfem.settings import EMOTIONS
from spfem.studio.emotions import EMOTION_UNITS
from studies.audit_panels import (
    Alignment,
    Curve,
    Panel,
    align_panels,
    follow_source,
    open_panel,
    sample_at,
)

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
    """One edit as its authors show it, driven by a `reference` or a `label`.

    The emotion is empty where it is not known; `videos` are files by panel: `source`, perhaps
    `reference`, the rest are methods.
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
    """Read `clips.csv` of a folder and see which files are there, in one sub-folder a clip.

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
        reason = " ".join(str(error).split())  # pandas breaks its lines
        raise InputError(f"{path} cannot be read as a table ({reason}); {HOW_TO}") from error
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
    """One number of a result panel; whether `higher` is better, None where neither is.

    `claim` is what the papers report that it stands for; empty where they report nothing alike.
    """

    title: str
    higher: bool | None = None
    claim: str = ""


SPEECH, IDENTITY, EMOTION = "speech kept (LSE-D)", "identity kept (CSIM)", "emotion shown (FAD)"
METRICS: dict[str, AuditMetric] = {
    "mouth_correlation": AuditMetric("lip opening follows the source", True, SPEECH),
    "lip_shape_correlation": AuditMetric("lip shape follows the source", True, SPEECH),
    "jaw_correlation": AuditMetric("fitted jaw follows the source", True, SPEECH),
    "opening_when_closed": AuditMetric("lips open while the source's are closed", False, SPEECH),
    "sync_correlation": AuditMetric("lips with sound (proxy)", True, SPEECH),
    "csim": AuditMetric("CSIM with the source", True, IDENTITY),
    "identity_distance": AuditMetric("identity distance to the source", False, IDENTITY),
    "towards_reference": AuditMetric(
        "expression change towards the reference, cosine", True, EMOTION
    ),
    "towards_label": AuditMetric("expression change towards the label, cosine", True, EMOTION),
    "change_size": AuditMetric("size of the expression change"),
    "reference_strength": AuditMetric("share of the way to the reference"),
    "mouth_amplitude": AuditMetric("lip movement, by the source's"),
    "head_correlation": AuditMetric("head turns with the source"),
    "flicker": AuditMetric("flicker of skin, by the source's", False),
    "flicker_by_detail": AuditMetric("flicker by fine detail, by the source's", False),
    "sharpness": AuditMetric("fine detail of skin, by the source's"),
}
COMPARED = tuple(name for name, metric in METRICS.items() if metric.higher is not None)
"""Metrics in which methods can be better or worse."""


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

    `rows` are one a panel; `problems` are panels that were left out; `openings` are those of the
    lips of source and methods; `alignments` tell where methods are in the source's time; `person`
    (128,) is the mean identity descriptor of the source, empty where there is none.
    """

    clip: PublishedClip
    rows: list[dict[str, Any]]
    problems: list[Problem]
    openings: dict[str, Curve] = field(default_factory=dict)
    alignments: dict[str, Alignment] = field(default_factory=dict)
    person: np.ndarray = field(default_factory=lambda: np.zeros(0))


class MeasureJob(NamedTuple):
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
