"""InfoNCE between the rows of two descriptor sets of one image pair."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from spfem.errors import ShapeError


def info_nce(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding row s of the key with row s of the query, among all S rows.

    Negatives come from the same image pair only. Source: ASCCL (PatchNCE). The released code
    builds a positive column and a masked matrix; the value is the same.

    Args:
        query: (B, C, S) descriptors, L2-normalised over C.
        key: (B, C, S); no gradient reaches it.
        temperature: tau.

    Returns:
        (B, S), not reduced; ln S where the descriptors say nothing.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> alike = torch.full((1, 2, 4), 0.5**0.5)  # descriptors that say nothing: ln 4
        >>> info_nce(alike, alike, 0.07)
        tensor([[1.3863, 1.3863, 1.3863, 1.3863]])
    """
    if query.shape != key.shape or query.ndim != 3:
        raise ShapeError(
            f"query and key must both be (B, C, S), found {tuple(query.shape)} and "
            f"{tuple(key.shape)}"
        )
    logits = key.detach().transpose(1, 2) @ query / temperature  # (B, S of key, S of query)
    target = torch.arange(query.shape[2], device=query.device).expand(query.shape[0], -1)
    return functional.cross_entropy(logits, target, reduction="none")
