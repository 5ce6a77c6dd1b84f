"""Explore what the metrics see in two own clips: a moment and a place, and where they correlate."""

from spfem.explore.explorer import METRIC_TITLES, explore_clips
from spfem.explore.widget import ExplorerWidget

__all__ = ["METRIC_TITLES", "ExplorerWidget", "explore_clips"]
