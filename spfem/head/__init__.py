"""The head as a linear model, its rasteriser, and where the tracker's landmarks lie on it."""

from spfem.head.model import HeadModel, load_head_model

__all__ = ["HeadModel", "load_head_model"]
