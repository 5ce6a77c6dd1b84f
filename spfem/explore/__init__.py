"""Explore what the metrics see: choose a moment and a place, see where they correlate."""

from spfem.explore.clips import ClipSource, ExploredClip, ExploredPair
from spfem.explore.selection import METRIC_TITLES, Selection
from spfem.explore.view import View

__all__ = [
    "METRIC_TITLES",
    "ClipSource",
    "ExploredClip",
    "ExploredPair",
    "Selection",
    "View",
]
