"""Explore what the metrics see: choose a moment and a place, see where they correlate."""

from spfem.explore.clips import ClipSource, ExploredClip, ExploredPair
from spfem.explore.explorer import CorrelationExplorer
from spfem.explore.open import explore_corpus, explore_files
from spfem.explore.selection import METRIC_TITLES, Selection
from spfem.explore.view import View

__all__ = [
    "METRIC_TITLES",
    "ClipSource",
    "CorrelationExplorer",
    "ExploredClip",
    "ExploredPair",
    "Selection",
    "View",
    "explore_corpus",
    "explore_files",
]
