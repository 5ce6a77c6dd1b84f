"""All measures of one published clip, panel by panel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spfem.audit.expression_change import (
    SMALLEST_CHANGE,
    direction_cosine,
    label_direction,
    mean_scores,
    nearest_label,
    strength,
)
from spfem.audit.folder import REFERENCE, SOURCE, Problem, PublishedClip
from spfem.audit.lips import follow_source
from spfem.audit.panels import Panel, open_panel
from spfem.audit.timing import Alignment, Curve, align_panels, sample_at
from spfem.errors import AssetError, SpfemError
from spfem.evaluation.emotion import EmotionClassifier, clip_features
from spfem.evaluation.identity import cosine_identity, evenly_spaced, identity_distance
from spfem.settings.audit import AuditSettings


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
