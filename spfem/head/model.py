"""The head model: a mean head, an identity basis and an expression basis, all linear.

Its file is made from the MakeHuman base mesh and its morph targets (CC0) by `tools.build_head`;
where the tracker's landmarks lie on it is found by `tools.place_landmarks`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np

from spfem.errors import AssetError, ShapeError

HEAD_FILE = Path(__file__).with_name("head.npz")
LANDMARK_COUNT = 478

SKIN, EYE, MOUTH_CAVITY, TONGUE, UPPER_TEETH, LOWER_TEETH, LASHES = range(7)
"""Values of `HeadModel.region`."""


@dataclass(frozen=True)
class HeadModel:
    """A linear head. All arrays are float32 or int32.

    Convention: x to the right of the image (the subject's left), y down, z into the image, so
    that a smaller z is nearer to the camera. One unit is 230 mm, about a head's height. The
    origin lies inside the head, below and behind the eyes, near the top of the neck.

    Attributes:
        mean: (V, 3) mean head with neck and shoulders, eyes, teeth, tongue and lashes.
        identity_basis: (I, V, 3); coefficients of people have about unit variance.
        expression_basis: (E, V, 3); face units in [0, 1], `jawOpen` first.
        expression_names: the E names of the face units.
        triangles: (F, 3) vertex indices.
        region: (F,) one of SKIN, EYE, MOUTH_CAVITY, TONGUE, UPPER_TEETH, LOWER_TEETH, LASHES.
        uv: (V, 2) texture coordinates in [0, 1] (of the corner that a vertex has first).
        head_weight: (V,) 1 where a vertex follows the head's rotation, falling to 0 at the
            shoulders.
        phenotypes: (K, I) change of the identity coefficients by one unit of each phenotype.
        phenotype_names: the K names, such as `gender` (-1 female, 1 male).
        landmark_triangles: (478,) triangle of each tracker landmark.
        landmark_barycentric: (478, 3) its place in the triangle.
    """

    mean: np.ndarray
    identity_basis: np.ndarray
    expression_basis: np.ndarray
    expression_names: tuple[str, ...]
    triangles: np.ndarray
    region: np.ndarray
    uv: np.ndarray
    head_weight: np.ndarray
    phenotypes: np.ndarray
    phenotype_names: tuple[str, ...]
    landmark_triangles: np.ndarray
    landmark_barycentric: np.ndarray

    def vertices(self, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
        """Vertices (..., V, 3) of identity (..., I) and expression (..., E), broadcast.

        Raises:
            ShapeError: if the coefficient counts are not those of the model.
        """
        for name, array, basis in (
            ("identity", identity, self.identity_basis),
            ("expression", expression, self.expression_basis),
        ):
            if array.shape[-1] != len(basis):
                raise ShapeError(f"{name} must end in {len(basis)} coefficients; got {array.shape}")
        return (
            self.mean
            + np.tensordot(identity, self.identity_basis, 1)
            + np.tensordot(expression, self.expression_basis, 1)
        ).astype(np.float32)

    def landmarks(self, vertices: np.ndarray) -> np.ndarray:
        """Places (..., 478, 3) of the tracker's landmarks on `vertices` (..., V, 3)."""
        corners = vertices[..., self.triangles[self.landmark_triangles], :]
        return np.einsum("...lkc,lk->...lc", corners, self.landmark_barycentric)

    def identity_of(self, **phenotypes: float) -> np.ndarray:
        """Identity coefficients (I,) of phenotypes given by name; others stay at the mean."""
        weights = np.zeros(len(self.phenotype_names), np.float32)
        for name, value in phenotypes.items():
            weights[self.phenotype_names.index(name)] = value
        return weights @ self.phenotypes


@cache
def load_head_model() -> HeadModel:
    """The default head.

    Raises:
        AssetError: if its file is missing or damaged.
    """
    try:
        with np.load(HEAD_FILE) as stored:
            arrays = {field.name: stored[field.name] for field in fields(HeadModel)}
    except Exception as error:  # damaged archives raise whatever the reader stumbles over
        raise AssetError(f"{HEAD_FILE} cannot be read ({error}); reinstall the package") from None
    for name in ("expression_names", "phenotype_names"):
        arrays[name] = tuple(str(value) for value in arrays[name])
    return HeadModel(**arrays)
