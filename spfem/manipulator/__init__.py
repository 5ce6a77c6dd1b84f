"""Expression manipulator: an expression sequence to the same speech in another emotion.

Importing it loads torch and numpy only.
"""

from spfem.manipulator.checkpoint import (
    load_manipulator,
    pretrained_manipulator,
    save_manipulator,
)
from spfem.manipulator.intensity import mix_styles, set_intensity
from spfem.manipulator.manipulate import manipulate
from spfem.manipulator.model import ExpressionSpace, Manipulator
from spfem.manipulator.style import label_style, reference_style
from spfem.manipulator.supervision import Supervision

__all__ = [
    "ExpressionSpace",
    "Manipulator",
    "Supervision",
    "label_style",
    "load_manipulator",
    "manipulate",
    "mix_styles",
    "pretrained_manipulator",
    "reference_style",
    "save_manipulator",
    "set_intensity",
]
