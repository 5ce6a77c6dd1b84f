"""Explore what the metrics see: choose a moment and a place, see where they correlate."""

from spfem.explore.clips import ClipSource, ExploredClip, ExploredPair
from spfem.explore.explorer import Choice, CorrelationExplorer
from spfem.explore.open import explore_clips, explore_corpus
from spfem.explore.page import write_page
from spfem.explore.view import View, view_place
from spfem.stages.metric_loaders import METRIC_TITLES

__all__ = [
    "METRIC_TITLES",
    "Choice",
    "ClipSource",
    "CorrelationExplorer",
    "ExploredClip",
    "ExploredPair",
    "View",
    "explore_clips",
    "explore_corpus",
    "view_place",
    "write_page",
]
