"""Supervision by pairs that were retrieved by the likeness of their sound.

Source: SCMCL. Departs from the released code: all samples of a batch go through the metric in one
call, and in cross-expression pairs the generated frame is held to the distance of the pair that
it imitates.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from spfem.correlation.images import refuse_swapped
from spfem.correlation.scmcl import SMALLEST_NORM, CrossModalCoherence
from spfem.errors import SettingsError, ShapeError

FIRST_COLUMN = 1  # jaw opening comes before it, which the paired loss leaves to the mouth loss
NEUTRAL = 0  # label
PAIRED_FORMS = ("cosine", "absolute")


def pair_weights(
    distance: Tensor, intermediate_distance: Tensor | None = None, *, threshold: float = 2.0
) -> Tensor:
    """Weights (B,) of retrieved pairs: `threshold` for equal sound, 0 at infinite distance.

    From the audio distance (B,) of each pair, and of the neutral window between source and target,
    0
    or None where there is none. `threshold` is tau_d, the largest distance of retrieval.
    """
    total = distance if intermediate_distance is None else distance + intermediate_distance
    return threshold / (1 + total / 2)


def paired_expression_loss(
    generated: Tensor,
    target: Tensor,
    distance: Tensor,
    paired: Tensor,
    *,
    intermediate_distance: Tensor | None = None,
    threshold: float = 2.0,
    form: str = "cosine",
) -> Tensor:
    """How far generated expressions are from retrieved ones, weighted by audio distance; a scalar.

    One minus the cosine in SCMCL ("cosine"), so that the scale of a frame has no influence; the
    mean absolute difference ("absolute") in its forerunner LSCMC. The opening of the jaw has no
    influence in either. Rows that are not paired are not read: their target may be zero or NaN,
    their distance infinite. The mean is over paired windows, 0 if there is none.

    Args:
        generated: (B, T, E) windows, which receive the gradient.
        target: (B, T, E) retrieved windows; no gradient reaches them.
        distance: (B,) audio distance of each pair.
        paired: (B,) bool, whether there is a pair.
        intermediate_distance: (B,), as `threshold` in `pair_weights`.
        threshold: likewise.
        form: "cosine" or "absolute".

    Raises:
        ShapeError: if the arguments do not fit.
        SettingsError: for another form.
    """
    if generated.ndim != 3 or generated.shape != target.shape or generated.shape[2] < 2:
        raise ShapeError(
            "generated and target must both be (B, T, E) with E at least 2, found "
            f"{tuple(generated.shape)} and {tuple(target.shape)}"
        )
    if form not in PAIRED_FORMS:
        raise SettingsError(f"form of the paired loss is {form!r}; give one of {PAIRED_FORMS}")
    _check_rows(generated, paired, distance=distance, intermediate_distance=intermediate_distance)
    rows = paired.nonzero().squeeze(1)
    if not len(rows):
        return generated.sum() * 0  # stays connected, so that backward works
    between = None if intermediate_distance is None else intermediate_distance[rows]
    weights = pair_weights(distance[rows], between, threshold=threshold)
    ours, theirs = generated[rows, :, FIRST_COLUMN:], target[rows, :, FIRST_COLUMN:].detach()
    if form == "absolute":
        error = (ours - theirs).abs().mean(dim=2)
    else:
        error = 1 - functional.cosine_similarity(ours, theirs, dim=2, eps=SMALLEST_NORM)
    return (weights * error.mean(dim=1)).mean()


def distance_consistency_loss(
    metric: CrossModalCoherence,
    generated: Tensor,
    source: Tensor | None,
    distance: Tensor,
    paired: Tensor,
    source_label: Tensor,
    target_label: Tensor,
    *,
    intermediate: Tensor | None = None,
    intermediate_distance: Tensor | None = None,
    source_embedding: Tensor | None = None,
    intermediate_embedding: Tensor | None = None,
) -> Tensor:
    """Hold the visual distance of generated and source to the audio distance of the pair.

    If one of the two emotions is neutral, the generated window is compared with its source. If
    both are emotional and different, with the neutral window in between, whose audio distance
    from the retrieved target is `distance`. Windows of one emotion and windows without a pair do
    not count. Departs from the released code, which in the second case holds the generated
    window to the distance of source and neutral window.

    Args:
        metric: in supervision.
        generated: (B, T, ...) expression windows or images, which receive the gradient; the
            last `metric.settings.frames` frames are compared.
        source: (B, T, ...); not read where its embeddings are given.
        distance: (B,) audio distance of each pair.
        paired: (B,) bool, whether there is a pair.
        source_label: (B,) emotion of the source, 0 is neutral.
        target_label: (B,) wanted emotion.
        intermediate: (B, T, ...) neutral windows, read only in cross-expression rows.
        intermediate_distance: (B,), read only for the released behaviour.
        source_embedding: (B, D) of `metric.embed_visual(source)`, made once for a data set.
        intermediate_embedding: (B, D), likewise.

    Returns:
        Scalar, mean over the windows that count; 0 if there is none.

    Raises:
        ShapeError: if arguments do not fit, one that is needed is missing, or generated and
            source are swapped.
    """
    if source is not None:
        refuse_swapped(generated, source)
    _check_rows(
        generated,
        paired,
        source=source,
        distance=distance,
        source_label=source_label,
        target_label=target_label,
        intermediate=intermediate,
        intermediate_distance=intermediate_distance,
        source_embedding=source_embedding,
        intermediate_embedding=intermediate_embedding,
    )
    counts = paired & (source_label != target_label)
    crossing = counts & (source_label != NEUTRAL) & (target_label != NEUTRAL)
    direct, crossed = (flags.nonzero().squeeze(1) for flags in (counts & ~crossing, crossing))
    if not len(direct) + len(crossed):
        return generated.sum() * 0
    references = [
        _reference_embedding(metric, name, windows, embedding, rows)
        for name, windows, embedding, rows in (
            ("source", source, source_embedding, direct),
            ("intermediate", intermediate, intermediate_embedding, crossed),
        )
        if len(rows)
    ]
    wanted = metric.wanted_distance(distance, crossing, intermediate_distance)
    rows = torch.cat([direct, crossed])
    visual = metric.embedding_distance(metric.embed_visual(generated[rows]), torch.cat(references))
    return (visual - wanted[rows]).abs().mean()


def _reference_embedding(
    metric: CrossModalCoherence,
    name: str,
    windows: Tensor | None,
    embedding: Tensor | None,
    rows: Tensor,
) -> Tensor:
    if embedding is not None:
        return embedding[rows].detach()
    if windows is None:
        raise ShapeError(
            f"{len(rows)} windows need {name} or {name}_embedding, found neither; give one"
        )
    with torch.no_grad():
        return metric.embed_visual(windows[rows])


def _check_rows(generated: Tensor, paired: Tensor, **arguments: Tensor | None) -> None:
    count = len(generated)
    for name, value in arguments.items():
        if value is not None and (value.ndim == 0 or len(value) != count):
            raise ShapeError(f"{name} must have {count} rows, found {tuple(value.shape)}")
    if paired.dtype != torch.bool or paired.shape != (count,):
        raise ShapeError(
            f"paired must be bool ({count},), found {paired.dtype} {tuple(paired.shape)}"
        )
