"""Losses on the distances between two sets of embeddings.

Source: SCMCL; the "softmax" consistency is that of LSCMC. Departs from the released code: false
negatives can be masked, running diagnostics are in closed form, distances of equal embeddings
have finite gradients.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from spfem.errors import SettingsError, ShapeError

TEMPERATURES = {"l2": 1.0, "cosine": 0.1}
SMALLEST_NORM = 1e-7  # keeps the direction of a zero vector finite


def pairwise_distances(u: Tensor, v: Tensor) -> Tensor:
    """Euclidean distances (N, M) between u (N, D) and v (M, D).

    Computed from differences: the expansion into products loses small distances in float32.
    At distance zero the gradient is zero.

    Raises:
        ShapeError: if the shapes do not fit.

    Example:
        >>> pairwise_distances(torch.zeros(1, 2), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[5., 1.]])
    """
    if u.ndim != 2 or v.ndim != 2 or u.shape[1] != v.shape[1]:
        raise ShapeError(
            f"embeddings must be (N, D) and (M, D), found {tuple(u.shape)} and {tuple(v.shape)}"
        )
    return torch.cdist(u, v, compute_mode="donot_use_mm_for_euclid_dist")


def paired_distances(u: Tensor, v: Tensor) -> Tensor:
    """Euclidean distances (N,) between the rows of u (N, D) and v (N, D); safe at zero.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> paired_distances(torch.zeros(2, 2), torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([5., 0.])
    """
    if u.ndim != 2 or u.shape != v.shape:
        raise ShapeError(
            f"embeddings must both be (N, D), found {tuple(u.shape)} and {tuple(v.shape)}"
        )
    return torch.linalg.vector_norm(u - v, dim=1)


def cosines(u: Tensor, v: Tensor) -> Tensor:
    """Cosines (N, M) between the rows of u (N, D) and v (M, D); 0 for a zero row.

    Example:
        >>> cosines(torch.tensor([[2.0, 0.0]]), torch.tensor([[5.0, 0.0], [0.0, 1.0]]))
        tensor([[1., 0.]])
    """
    return (
        functional.normalize(u, dim=1, eps=SMALLEST_NORM)
        @ functional.normalize(v, dim=1, eps=SMALLEST_NORM).T
    )


def embedding_distances(u: Tensor, v: Tensor, mode: str) -> Tensor:
    """Distances (N, M) of the given mode: Euclidean ("l2") or one minus cosine ("cosine").

    Raises:
        SettingsError: for another mode.
    """
    if mode == "l2":
        return pairwise_distances(u, v)
    if mode == "cosine":
        return 1 - cosines(u, v)
    raise SettingsError(f"mode must be 'l2' or 'cosine', found {mode!r}")


def pair_loss(
    u: Tensor,
    v: Tensor,
    *,
    mode: str = "l2",
    temperature: float | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of finding row n of v from row n of u by its distance; ln N at chance.

    Args:
        u: (N, D) embeddings, of the neutral clip.
        v: (N, D) embeddings, of the emotional clip.
        mode: "l2" or "cosine".
        temperature: of the logits; None: 1 for "l2", 0.1 for "cosine".
        mask: (N, N) bool, true where (row, column) is a false negative and is left out. The
            diagonal is never left out.

    Returns:
        The loss, a scalar, and the distances (N, N) that it was made of.

    Raises:
        ShapeError: if u, v and mask do not fit.
        SettingsError: for an unknown mode.
    """
    if u.shape != v.shape:
        raise ShapeError(f"u and v must be pairs, found {tuple(u.shape)} and {tuple(v.shape)}")
    distances = embedding_distances(u, v, mode)
    # One minus cosine differs from minus cosine by a constant, which softmax does not see.
    logits = -distances / (TEMPERATURES[mode] if temperature is None else temperature)
    if mask is not None:
        if mask.shape != logits.shape or mask.dtype != torch.bool:
            raise ShapeError(
                f"mask must be bool {tuple(logits.shape)}, found {mask.dtype} {tuple(mask.shape)}"
            )
        positive = torch.eye(len(u), dtype=torch.bool, device=u.device)
        logits = logits.masked_fill(mask & ~positive, -torch.inf)
    target = torch.arange(len(u), device=u.device)
    return functional.cross_entropy(logits, target), distances


@torch.no_grad()
def mean_distances(u: Tensor, v: Tensor, *, mode: str = "l2") -> tuple[Tensor, Tensor]:
    """Mean distance within pairs, and between different rows of the same set; diagnostics only.

    Args:
        u: (N, D), N at least 2.
        v: (N, D).
        mode: "l2" or "cosine".

    Returns:
        Two scalars: mean over n of d(u_n, v_n); mean over m != n of d(u_m, u_n) and d(v_m, v_n).
    """
    count = len(u)
    within = embedding_distances(u, v, mode).diagonal().mean()
    between = [embedding_distances(rows, rows, mode) for rows in (u, v)]
    total = sum((d.sum() - d.diagonal().sum() for d in between), torch.zeros_like(within))
    return within, total / (2 * count * (count - 1))


def consistency_loss(
    audio_distances: Tensor, visual_distances: Tensor, *, form: str = "distance"
) -> Tensor:
    """How far the visual distances are from the audio distances of the same pairs.

    Both sides keep their gradient. The matrices are not transposed: one direction only.

    Args:
        audio_distances: (N, N).
        visual_distances: (N, N), already through the `ScaleLayer` for "distance".
        form: "distance", mean absolute difference (SCMCL); "softmax", the same between the row
            softmaxes of one minus distance (LSCMC).

    Raises:
        ShapeError: if the shapes differ.
        SettingsError: for an unknown form.
    """
    if audio_distances.shape != visual_distances.shape:
        raise ShapeError(
            "distance matrices must have one shape, found "
            f"{tuple(audio_distances.shape)} and {tuple(visual_distances.shape)}"
        )
    if form == "softmax":
        audio_distances, visual_distances = (
            torch.softmax(1 - distances, dim=1) for distances in (audio_distances, visual_distances)
        )
    elif form != "distance":
        raise SettingsError(f"form must be 'distance' or 'softmax', found {form!r}")
    return (visual_distances - audio_distances).abs().mean()


class ScaleLayer(nn.Module):
    """A learned affine map from visual to audio distances, the identity at first."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(1))
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, distances: Tensor) -> Tensor:
        """Map distances of any shape."""
        return self.w * distances + self.b
