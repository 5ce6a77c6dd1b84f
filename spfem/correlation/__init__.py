"""Coherent-correlation metrics between two emotions of the same speech, and their learning.

`loss = SpatialCoherence.load(path)(generated, source)` is all that a model needs to be supervised.
Importing this package imports torch and numpy only.
"""

from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.images import images_from_frames, prepare_images
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.stccl import SpatialTemporalCoherence, TemporalCoherence

__all__ = [
    "CrossModalCoherence",
    "SpatialCoherence",
    "SpatialTemporalCoherence",
    "TemporalCoherence",
    "images_from_frames",
    "prepare_images",
]
