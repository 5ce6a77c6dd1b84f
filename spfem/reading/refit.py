"""The fit once more, towards the read units: codes that show the emotion and fit the landmarks.

Read units alone would follow what the tracker does to synthetic faces; landmarks alone lose what
the tracker shrinks. The fit weighs both, as it weighs the tracker's scores otherwise.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spfem.face.fit import FittedHead, fit_head
from spfem.face.tracker import BLENDSHAPE_NAMES, TrackedFace
from spfem.head import HeadModel
from spfem.settings import FaceSettings, ReadSettings


def expect_units(tracked: TrackedFace, units: np.ndarray, head: HeadModel) -> TrackedFace:
    """What was tracked, with units (T, E) in the place of the tracker's scores."""
    columns = [head.expression_names.index(name) for name in BLENDSHAPE_NAMES]
    return replace(tracked, blendshapes=np.ascontiguousarray(units[:, columns], np.float32))


def refit_settings(face: FaceSettings, read: ReadSettings) -> FaceSettings:
    """Settings of a fit that is drawn towards the read units, and no longer towards rest."""
    return replace(
        face,
        expression_regularisation=0.0,
        score_weight=read.weight,
        expression_smoothness=read.smoothness,
        fit_iterations=read.fit_iterations,
    )


def keep_unseen(fitted: FittedHead, units: np.ndarray, head: HeadModel) -> FittedHead:
    """The fit, with read units (T, E) where neither landmarks nor scores tell, as of the tongue."""
    expression = fitted.expression.copy()
    for column, name in enumerate(head.expression_names):
        if name not in BLENDSHAPE_NAMES:
            expression[:, column] = units[:, column]
    return replace(fitted, expression=expression)


def fit_towards(
    head: HeadModel,
    tracked: TrackedFace,
    units: np.ndarray,
    face: FaceSettings,
    read: ReadSettings,
    *,
    identity: np.ndarray | None = None,
) -> FittedHead:
    """Fit a clip with read units (T, E) as what to expect.

    Args:
        head: the model.
        tracked: landmarks of T frames.
        units: as read.
        face: of the fit.
        read: how much the read units count.
        identity: (I,) where it is known; else it is solved.
    """
    expected = expect_units(tracked, units, head)
    fitted = fit_head(head, expected, refit_settings(face, read), identity=identity)
    return keep_unseen(fitted, units, head)
