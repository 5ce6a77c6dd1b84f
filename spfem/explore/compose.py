"""What is measured of a selection, put together as one view."""

from __future__ import annotations

import numpy as np

from spfem.explore.clips import ExploredPair
from spfem.explore.measure import Measurements
from spfem.explore.place_maps import blank_below, over_places
from spfem.explore.selection import Selection
from spfem.explore.view import View
from spfem.explore.words import describe_distances, describe_places


def view_of_places(measured: Measurements, chosen: Selection, pair: ExploredPair) -> View:
    """The view of a metric that compares places of a face."""
    matched, mismatched = _moments(chosen, pair)
    metric, level, place = chosen.metric, chosen.level, (chosen.row, chosen.column)
    similar = [
        measured.map_from(metric, level, place, pair.first, chosen.frame, clip, frame)
        for clip, frame in (
            (pair.first, chosen.frame),
            (pair.second, matched),
            (pair.second, mismatched),
        )
    ]
    maps, limits = similar, (-1.0, 1.0)
    if chosen.temperature is not None:
        maps = [over_places(values, chosen.temperature) for values in similar]
        limits = (0.0, float(np.nanmax(maps[1:])))
    within, here, there = (
        blank_below(values, similarity, chosen.threshold)
        for values, similarity in zip(maps, similar, strict=True)
    )
    quantity = "similarity" if chosen.temperature is None else "probability"
    weights = None
    if chosen.show_weights:
        weights = measured.weights(metric, level, pair.first, chosen.frame)
    return View(
        selection=chosen,
        pair=pair,
        matched_frame=matched,
        mismatched_frame=mismatched,
        has_places=True,
        within=within,
        matched=here,
        mismatched=there,
        weights=weights,
        moments=measured.moments(metric, level, place, pair),
        moments_of_sound=None,
        quantity=quantity,  # type: ignore[arg-type]
        limits=limits,
        text=describe_places(chosen, pair, (matched, mismatched), (maps[1], maps[2]), quantity),
    )


def view_of_distances(measured: Measurements, chosen: Selection, pair: ExploredPair) -> View:
    """The view of sound against expression, which have moments but no places."""
    matched, mismatched = _moments(chosen, pair)
    sound, expression = measured.distances(pair)
    return View(
        selection=chosen,
        pair=pair,
        matched_frame=matched,
        mismatched_frame=mismatched,
        has_places=False,
        within=None,
        matched=None,
        mismatched=None,
        weights=None,
        moments=expression,
        moments_of_sound=sound,
        quantity="distance",
        limits=(0.0, float(np.nanmax([sound, expression]))),
        text=describe_distances(chosen, pair, (matched, mismatched), sound, expression),
    )


def _moments(chosen: Selection, pair: ExploredPair) -> tuple[int, int]:
    """The matched and the mismatched frame of the second clip."""
    matched = pair.matched_frame(chosen.frame)
    return matched, matched + chosen.mismatch_frames
