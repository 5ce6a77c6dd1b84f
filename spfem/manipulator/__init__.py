"""Expression manipulator: an expression sequence to the same speech in another emotion.

Importing it loads torch and numpy only.
"""

from spfem.manipulator.manipulate import (
    label_style,
    manipulate,
    mix_styles,
    reference_style,
    set_intensity,
)
from spfem.manipulator.networks import (
    ExpressionSpace,
    Manipulator,
    load_manipulator,
    pretrained_manipulator,
    save_manipulator,
)

__all__ = [
    "ExpressionSpace",
    "Manipulator",
    "label_style",
    "load_manipulator",
    "manipulate",
    "mix_styles",
    "pretrained_manipulator",
    "reference_style",
    "save_manipulator",
    "set_intensity",
]
