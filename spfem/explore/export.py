"""The view as files: a figure that carries its settings, and its numbers."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from spfem.artifacts import write_json, writing
from spfem.explore.selection import METRIC_TITLES, Selection
from spfem.explore.static import draw_static
from spfem.explore.view import View

DPI = 200


def export_view(view: View, folder: Path) -> list[Path]:
    """Write `<name>.png`, `<name>.pdf` and `<name>.json`, each whole or not at all.

    The name comes from the selection. The PNG (text `spfem-settings`) and the PDF (its keywords)
    carry the selection as JSON, so that a figure can be made again from itself; the JSON file
    has the numbers drawn as well. The same view gives the same bytes.

    Args:
        view: what is shown.
        folder: made if missing.

    Returns:
        The paths written.
    """
    settings = json.dumps(asdict(view.selection), sort_keys=True)
    stem = name_of(view.selection)
    paths = [folder / f"{stem}.{ending}" for ending in ("png", "pdf", "json")]
    figure = draw_static(view)
    with writing(paths[0]) as aside:
        facts = {"Title": stem, "Description": view.text, "spfem-settings": settings}
        figure.savefig(aside, dpi=DPI, metadata=facts)
    with writing(paths[1]) as aside:
        facts = {"Title": stem, "Subject": view.text, "Keywords": settings}
        figure.savefig(aside, dpi=DPI, metadata={**facts, "CreationDate": None})
    write_json(paths[2], {"settings": asdict(view.selection), "shown": numbers_of(view)})
    return paths


def name_of(selection: Selection) -> str:
    """File name, without suffix, that tells selections apart which look different."""
    parts = [
        "explorer",
        selection.source,
        selection.actor,
        selection.sentence,
        selection.first_emotion,
        selection.second_emotion,
        f"frame{selection.frame}",
        f"other{selection.mismatch_frames:+d}",
        selection.metric,
        f"level{selection.level}",
        f"row{selection.row}",
        f"column{selection.column}",
    ]
    if selection.temperature is not None:
        parts.append(f"temperature{selection.temperature:g}")
    if selection.threshold > -1:
        parts.append(f"threshold{selection.threshold:g}")
    if selection.show_weights:
        parts.append("weights")
    return "_".join(re.sub(r"[^\w.+-]+", "-", part) for part in parts)


def numbers_of(view: View) -> dict[str, Any]:
    """The numbers of a view as plain values; what is blank is None."""
    place = (view.selection.row, view.selection.column)
    maps = {"within": view.within, "matched": view.matched, "mismatched": view.mismatched}
    numbers: dict[str, Any] = {
        "metric": METRIC_TITLES.get(view.selection.metric, view.selection.metric),
        "clips": [view.pair.first.title, view.pair.second.title],
        "quantity": view.quantity,
        "limits": list(view.limits),
        "matched_frame": view.matched_frame,
        "mismatched_frame": view.mismatched_frame,
        "text": view.text,
        "moments": _plain(view.moments),
        "moments_of_sound": _plain(view.moments_of_sound),
        "weights": _plain(view.weights),
        "path": view.pair.path.tolist(),
    }
    for name, values in maps.items():
        numbers[name] = _plain(values)
        numbers[f"{name}_at_place"] = None if values is None else _plain(values[place])
    return numbers


def _plain(values: np.ndarray | np.floating[Any] | None) -> Any:
    """Nested lists of numbers with six digits; NaN, which JSON lacks, becomes None."""
    if values is None:
        return None
    flat = [float(f"{value:.6g}") if np.isfinite(value) else None for value in np.ravel(values)]
    if np.ndim(values) == 0:
        return flat[0]
    rows = iter(flat)
    return [[next(rows) for _ in range(values.shape[1])] for _ in range(values.shape[0])]
