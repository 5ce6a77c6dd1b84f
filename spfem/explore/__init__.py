"""Explore what the metrics see: choose a moment and a place, see where they correlate."""

from spfem.explore.explorer import explore_clips, explore_corpus, view_place
from spfem.explore.page import write_page
from spfem.explore.widget import ExplorerWidget
from spfem.run.learned import METRIC_TITLES

__all__ = [
    "METRIC_TITLES",
    "ExplorerWidget",
    "explore_clips",
    "explore_corpus",
    "view_place",
    "write_page",
]
