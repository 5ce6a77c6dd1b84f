"""Retrieved pairs as numbers of training windows, and the draw of one pair a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.crossmodal.bank import AudioBank
from spfem.correlation.crossmodal.retrieval import retrieve_all
from spfem.errors import CorpusError
from spfem.manipulator.data import WindowBatch, Windows
from spfem.manipulator.supervision import Retrieved
from spfem.settings import EMOTIONS
from spfem.training import step_generator

MISSING = -1
CANDIDATES = 2  # which random numbers


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
        self, banks: Mapping[str, AudioBank], keys: Sequence[str], windows: Windows, *, seed: int
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


def _number_windows(bank: AudioBank, keys: Sequence[str], windows: Windows) -> np.ndarray:
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
