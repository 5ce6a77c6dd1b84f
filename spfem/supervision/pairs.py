"""The losses of SCMCL on a batch of edits with retrieved pairs.

Which space a term belongs to, where coefficients are standardised (the papers do not):

* the paired cosine, as adversarial, style and cycle terms, compares standardised expressions.
  DECA's coefficients, which it was made for, are centred with about unit variance; face units
  are all positive and of very different reach, so that the cosine of two raw ones is near 1
  whatever they show, and says little but of the strongest units;
* the metric embeds coefficients as it learned them, so distances are of restored expressions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.correlation import CrossModalCoherence
from spfem.correlation.crossmodal.paired import distance_consistency_loss, paired_expression_loss
from spfem.errors import ShapeError
from spfem.manipulator.data import Windows
from spfem.manipulator.supervision import Edit

EMBEDDED_AT_ONCE = 1024  # windows


@torch.no_grad()
def embed_windows(metric: CrossModalCoherence, windows: Windows) -> Tensor:
    """Embeddings (N, D) of the last frames of all training windows, in coefficients."""
    numbers = torch.arange(len(windows), device=windows.frames.device)
    frames = metric.settings.frames
    return torch.cat(
        [
            metric.embed_visual(windows.take(part).expression[:, -frames:])
            for part in numbers.split(EMBEDDED_AT_ONCE)
        ]
    )


class PairLosses:
    """Paired expressions and consistency of distances, on reference-driven edits.

    Args:
        metric: of sound and expressions, in supervision.
        embeddings: (N, D) of `embed_windows`, made once.
        form: of the paired loss, see `paired_expression_loss`.
    """

    def __init__(
        self, metric: CrossModalCoherence, embeddings: Tensor, form: str = "cosine"
    ) -> None:
        self.metric, self.embeddings, self.form = metric, embeddings, form

    def __call__(self, edit: Edit) -> dict[str, Tensor]:
        """Scalars `paired` and `consistency`; 0 in a batch without pairs.

        Raises:
            ShapeError: if nothing was retrieved for the batch.
        """
        retrieved = edit.retrieved
        if retrieved is None:
            raise ShapeError("losses of pairs need what was retrieved for the batch, found None")
        paired = edit.edited.sum() * 0
        if edit.pairs is not None:
            rows = edit.pairs.rows
            paired = paired_expression_loss(
                edit.edited[rows],
                edit.pairs.target,
                retrieved.distance[rows],
                retrieved.paired[rows],
                intermediate_distance=retrieved.first_distance[rows],
                threshold=self.metric.settings.threshold,
                form=self.form,
            )
        consistency = distance_consistency_loss(
            self.metric,
            edit.restore(edit.edited),
            None,
            retrieved.distance,
            retrieved.paired,
            edit.source.label,
            edit.label,
            intermediate_distance=retrieved.first_distance,
            source_embedding=self.embeddings[edit.source.number],
            intermediate_embedding=self.embeddings[retrieved.by_way_of.clamp(min=0)],
        )
        return {"paired": paired, "consistency": consistency}
