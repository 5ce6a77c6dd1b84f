"""Learning which lips belong to which sound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spfem.errors import ShapeError
from spfem.evaluation.lip_sync.network import LipSyncNetwork, centred_crops, centred_rows
from spfem.evaluation.lip_sync.windows import lip_windows, sound_windows, window_count
from spfem.settings import LipSyncSettings


@dataclass(frozen=True)
class SpokenClip:
    """One clip as a lip-sync network reads it.

    Attributes:
        crops: (T, S, S) uint8 grey, 25 fps.
        rows: (R, 13) cepstra, 100 a second.
    """

    crops: np.ndarray
    rows: np.ndarray

    @property
    def windows(self) -> int:
        """Windows that both fill."""
        return window_count(len(self.crops), len(self.rows))


def contrast(lips: Tensor, sound: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding a window's partner among all of the batch, both ways.

    Args:
        lips: (N, C) embeddings of length 1.
        sound: (N, C), row i belongs to row i.
        temperature: of the cosines.
    """
    scores = lips @ sound.T / temperature
    own = torch.arange(len(scores), device=scores.device)
    return (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2


def learn_network(
    clips: Sequence[SpokenClip],
    settings: LipSyncSettings,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> tuple[LipSyncNetwork, list[float]]:
    """Learn the network.

    A batch holds several moments of several clips: other moments of the same clip, as near as one
    frame, and moments of other clips are the wrong answers (SyncNet draws one wrong answer a pair
    from the same clip, with a margin).

    Args:
        clips: of the actors to learn from.
        settings: of the network.
        seed: of first weights and batches.
        device: `cpu` or `cuda`.
        progress: wraps the loop over steps.

    Returns:
        The network, ready to measure, and the loss of each step.

    Raises:
        ShapeError: if no clip is long enough.
    """
    usable = [clip for clip in clips if clip.windows >= 2]
    if not usable:
        raise ShapeError(f"none of {len(clips)} clips is long enough to learn lip sync from")
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = LipSyncNetwork(settings).to(device)
    crops = [centred_crops(torch.from_numpy(clip.crops)) for clip in usable]
    rows = [centred_rows(torch.from_numpy(clip.rows)) for clip in usable]
    network.cepstra_deviation = torch.cat(rows).std(0).clamp_min(1e-6).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(settings.steps, 1))
    losses = []
    for _ in progress(range(settings.steps)):
        lips, sound = [], []
        chosen = random.choice(len(usable), min(settings.clips, len(usable)), replace=False)
        for number in chosen:
            count = usable[number].windows
            index = random.choice(count, min(settings.moments, count), replace=False)
            lips.append(_changed(lip_windows(crops[number].numpy(), index), random))
            sound.append(_revoiced(sound_windows(rows[number].numpy(), index), random))
        loss = contrast(
            network.embed_lips(torch.from_numpy(np.concatenate(lips)).to(device)),
            network.embed_sound(torch.from_numpy(np.concatenate(sound)).to(device)),
            settings.temperature,
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return network.eval(), losses


def _changed(windows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Lips of a clip, mirrored or not, a little shifted and of another contrast, as one."""
    if random.random() < 0.5:
        windows = windows[..., ::-1]
    shift = random.integers(-2, 3, 2)
    windows = np.roll(windows, tuple(shift), axis=(-2, -1))
    return np.ascontiguousarray(windows * np.float32(random.uniform(0.7, 1.4)))


def _revoiced(windows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Cepstra of a clip as of a slightly different voice: each stretched by a factor."""
    factors = random.uniform(0.6, 1.4, (windows.shape[1], 1)).astype(np.float32)
    return windows * factors
