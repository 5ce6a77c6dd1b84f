"""Expression manipulator: an expression sequence to the same speech in another emotion.

Importing it loads torch and numpy only.
"""

from spfem.manipulator.checkpoint import (
    load_manipulator,
    pretrained_manipulator,
    save_manipulator,
)
from spfem.manipulator.flame_space import FLAME_SPACE
from spfem.manipulator.intensity import LARGEST_INTENSITY, mix_styles, set_intensity
from spfem.manipulator.manipulate import manipulate
from spfem.manipulator.model import ExpressionSpace, Manipulator
from spfem.manipulator.networks import Discriminator, Generator, MappingNetwork, StyleEncoder
from spfem.manipulator.stage import learn_manipulator
from spfem.manipulator.style import geometric_median, label_style, reference_style
from spfem.manipulator.supervision import Supervision
from spfem.manipulator.training import TrainedManipulator, train_manipulator

__all__ = [
    "FLAME_SPACE",
    "LARGEST_INTENSITY",
    "Discriminator",
    "ExpressionSpace",
    "Generator",
    "Manipulator",
    "MappingNetwork",
    "StyleEncoder",
    "Supervision",
    "TrainedManipulator",
    "geometric_median",
    "label_style",
    "learn_manipulator",
    "load_manipulator",
    "manipulate",
    "mix_styles",
    "pretrained_manipulator",
    "reference_style",
    "save_manipulator",
    "set_intensity",
    "train_manipulator",
]
