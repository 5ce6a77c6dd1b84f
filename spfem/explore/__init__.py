"""Explore what the metrics see: choose a moment and a place, see where they correlate."""

from spfem.explore.explorer import METRIC_TITLES, explore_clips, explore_corpus, view_place
from spfem.explore.page import write_page
from spfem.explore.widget import ExplorerWidget

__all__ = [
    "METRIC_TITLES",
    "ExplorerWidget",
    "explore_clips",
    "explore_corpus",
    "view_place",
    "write_page",
]
