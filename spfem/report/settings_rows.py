"""The settings of a run as rows to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from spfem.artifacts import digest
from spfem.errors import SettingsError
from spfem.scales import load_scale


def settings_rows(scale: str) -> tuple[str, list[list[str]]]:
    """Digest of a scale's settings in this checkout, and [name, value] of each setting.

    Nothing if the scale is unknown.
    """
    try:
        settings = load_scale(scale)
    except SettingsError:
        return "", []
    rows = [[name, str(value)] for name, value in _flat(asdict(settings)) if name != "name"]
    return digest(settings), rows


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
