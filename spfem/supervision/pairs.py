"""SCMCL's supervision of the manipulator: its edits are held to real windows that sound alike.

Which space a term belongs to, where coefficients are standardised (the paper does not):

* the paired cosine, as adversarial, style and cycle terms, compares standardised expressions.
  DECA's coefficients, which it was made for, are centred with about unit variance; face units
  are all positive and of very different reach, so that the cosine of two raw ones is near 1
  whatever they show, and says little but of the strongest units;
* the metric embeds coefficients as it learned them, so distances are of restored expressions.

Distances are held on codes, as released, and on pictures, which the released code does for the
renderer alone: `PictureDistances` does it where codes move the person's own pixels. There is no
paired loss on moved pictures: those that were retrieved show another pose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.paired import distance_consistency_loss, paired_expression_loss
from spfem.correlation.retrieval import AudioBank, retrieve_all
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.errors import CorpusError, ShapeError
from spfem.manipulator.data import ExpressionWindows, WindowBatch
from spfem.manipulator.learn import Retrieved, SupervisedEdit
from spfem.settings import EMOTIONS
from spfem.training import step_generator

if TYPE_CHECKING:
    from spfem.supervision.moved import FaceMover

EMBEDDED_AT_ONCE = 1024  # windows
MISSING = -1
CANDIDATES = 2  # which random numbers


@torch.no_grad()
def embed_windows(metric: CrossModalCoherence, windows: ExpressionWindows) -> Tensor:
    """Embeddings (N, D) of the last frames of all training windows, in coefficients."""
    numbers, frames = torch.arange(len(windows)), metric.settings.frames
    parts = numbers.to(windows.frames.device).split(EMBEDDED_AT_ONCE)
    return torch.cat([metric.embed_visual(windows.take(n).expression[:, -frames:]) for n in parts])


class PairLosses:
    """Paired expressions and consistency of distances, on reference-driven edits.

    Args:
        metric: of sound and expressions, frozen.
        embeddings: (N, D) of `embed_windows`, made once.
        form: of the paired loss, see `paired_expression_loss`.
    """

    def __init__(
        self, metric: CrossModalCoherence, embeddings: Tensor, form: str = "cosine"
    ) -> None:
        self.metric, self.embeddings, self.form = metric, embeddings, form

    def __call__(self, edit: SupervisedEdit) -> dict[str, Tensor]:
        """Scalars `paired` and `consistency`; 0 in a batch without pairs."""
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


class PictureDistances:
    """Moved pictures as far from the person's own as the sounds are apart; on some of a batch.

    Source: SCMCL, whose consistency of distances with the metric of sound and images supervises
    the renderer. Here the pictures are those of the last frames of reference-driven edits.

    Args:
        metric: of sound and images, frozen.
        retrieved: by the sound of this metric.
        windows: of the training.
        mover: of the training clips.
        count: windows of a batch that are looked at; the first that have a pair.
    """

    def __init__(
        self,
        metric: CrossModalCoherence,
        retrieved: RetrievedWindows,
        windows: ExpressionWindows,
        mover: FaceMover,
        count: int,
    ) -> None:
        self.metric, self.retrieved, self.windows = metric, retrieved, windows
        self.mover, self.count = mover, count

    def __call__(self, edit: SupervisedEdit) -> dict[str, Tensor]:
        """Scalar `picture_consistency`; 0 in a batch without pairs of two emotions."""
        found = self.retrieved.draw(edit.source, edit.label, edit.step)
        across = found.paired & (edit.source.label != edit.label)
        rows = across.nonzero()[: self.count, 0]
        if not len(rows):
            return {"picture_consistency": edit.edited.sum() * 0}
        last = slice(-self.metric.settings.frames, None)
        with torch.no_grad():
            own = edit.restore(edit.source.expression[rows, last]).flatten(0, 1)
            neutral, source = found.by_way_of[rows], edit.source.number[rows]
            shown = self.mover.show(self._places(torch.where(neutral < 0, source, neutral)))
            reference = self.metric.embed_visual(self._as_windows(shown))
        wanted = edit.restore(edit.edited[rows, last]).flatten(0, 1)
        loss = distance_consistency_loss(
            self.metric,
            self._as_windows(self.mover.move(self._places(source), own, wanted).moved),
            None,
            found.distance[rows],
            found.paired[rows],
            edit.source.label[rows],
            edit.label[rows],
            intermediate_distance=found.first_distance[rows],
            # Each row has one reference: its source, or its neutral window.
            source_embedding=reference,
            intermediate_embedding=reference,
        )
        return {"picture_consistency": loss}

    def _places(self, numbers: Tensor) -> list[tuple[int, int]]:
        """(clip, frame) of the last frames of windows, one window after the other."""
        picked, length = self.windows.take(numbers), len(self.windows.steps_of_window)
        frames = range(length - self.metric.settings.frames, length)
        starts = zip(picked.clip.tolist(), picked.start.tolist(), strict=True)
        return [(clip, start + frame) for clip, start in starts for frame in frames]

    def _as_windows(self, pictures: Tensor) -> Tensor:
        return pictures.unflatten(0, (-1, self.metric.settings.frames))


class RetrievedWindows:
    """Candidates of every training window for every emotion; one is drawn at random a step.

    Source: SCMCL. Windows that no bank knows (their sound is shorter than their picture) have
    no candidate, nor has an emotion that the actor never shows.

    Args:
        banks: by actor; of windows as long as the training's.
        keys: of the clips in training order.
        windows: of the training.
        seed: of the draw.

    Raises:
        CorpusError: if a bank holds windows that are not trained on, or of another length.
    """

    def __init__(
        self,
        banks: Mapping[str, AudioBank],
        keys: Sequence[str],
        windows: ExpressionWindows,
        *,
        seed: int,
    ) -> None:
        numbers = {actor: _number_windows(bank, keys, windows) for actor, bank in banks.items()}
        found = {
            (actor, label): retrieve_all(bank, emotion)
            for actor, bank in banks.items()
            for label, emotion in enumerate(EMOTIONS)
            if (bank.emotion == label).any()
        }
        widest = max((rows.window.shape[1] for rows in found.values()), default=1)
        shape = (len(windows), len(EMOTIONS), widest)
        window, by_way_of = (np.full(shape, MISSING, np.int32) for _ in range(2))
        distance, first_distance = (np.full(shape, np.inf, np.float32) for _ in range(2))
        for (actor, label), rows in found.items():
            own = numbers[actor]
            places = np.ix_(own, np.array([label]), np.arange(rows.window.shape[1]))
            for table, values in ((window, rows.window), (by_way_of, rows.by_way_of)):
                table[places] = np.where(values < 0, MISSING, own[values])[:, None]
            distance[places] = rows.distance[:, None]
            first_distance[places] = rows.first_distance[:, None]
        device = windows.frames.device
        self.window, self.by_way_of, self.distance, self.first_distance = (
            torch.from_numpy(table).to(device)
            for table in (window, by_way_of, distance, first_distance)
        )
        self.seed = seed

    def draw(self, source: WindowBatch, label: Tensor, step: int) -> Retrieved:
        """One candidate for each source window, uniformly, decided by (seed, step)."""
        rows = (source.number, label)
        count = (self.window[rows] >= 0).sum(dim=1)
        random = step_generator(self.seed, CANDIDATES, step)
        share = torch.rand(len(label), generator=random).to(count.device)
        chosen = (share * count).long()[:, None]  # candidates come first in their row
        return Retrieved(
            self.window[rows].gather(1, chosen)[:, 0].long(),
            self.distance[rows].gather(1, chosen)[:, 0],
            self.by_way_of[rows].gather(1, chosen)[:, 0].long(),
            self.first_distance[rows].gather(1, chosen)[:, 0],
        )


def _number_windows(bank: AudioBank, keys: Sequence[str], windows: ExpressionWindows) -> np.ndarray:
    """Number among the training windows of each window of a bank."""
    if bank.window_frames != len(windows.steps_of_window):
        raise CorpusError(
            f"the audio bank of {bank.actor} has windows of {bank.window_frames} frames, the "
            f"manipulator of {len(windows.steps_of_window)}; measure the banks anew"
        )
    clip_of = windows.clip.cpu().numpy()  # ascending, and in each clip by start
    clips = np.arange(len(keys))
    begin = np.searchsorted(clip_of, clips)
    count = np.searchsorted(clip_of, clips, side="right") - begin
    place = {key: number for number, key in enumerate(keys)}
    clip = np.array([place.get(key, MISSING) for key in bank.keys])[bank.clip]
    strange = (clip < 0) | (bank.first >= count[clip])
    if strange.any():
        key = bank.keys[bank.clip[strange.argmax()]]
        raise CorpusError(
            f"the audio bank of {bank.actor} has a window of clip {key} that is not trained on; "
            "measure the banks on the training clips"
        )
    return begin[clip] + bank.first
