"""Learning which lips belong to which sound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spfem.errors import ShapeError
from spfem.evaluation.lip_sync.network import LipSyncNetwork, centred_crops, centred_rows
from spfem.evaluation.lip_sync.windows import lip_windows, sound_windows, window_count
from spfem.settings import LipSyncSettings
from spfem.training import Progress, Row, descend, train


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
    folder: Path | None = None,
    progress: Progress = iter,
) -> tuple[LipSyncNetwork, list[Row]]:
    """Learn the network.

    A batch holds several moments of several clips: other moments of the same clip, as near as one
    frame, and moments of other clips are the wrong answers (SyncNet draws one wrong answer a pair
    from the same clip, with a margin).

    Args:
        clips: of the actors to learn from.
        settings: of the network.
        seed: of first weights and batches.
        device: `cpu` or `cuda`.
        folder: of the state from which a killed run continues.
        progress: wraps the loop over steps.

    Returns:
        The network, ready to measure, and its learning curve.

    Raises:
        ShapeError: if no clip is long enough.
    """
    usable = [clip for clip in clips if clip.windows >= 2]
    if not usable:
        raise ShapeError(f"none of {len(clips)} clips is long enough to learn lip sync from")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LipSyncNetwork(settings).to(device)
    crops = [centred_crops(torch.from_numpy(clip.crops)) for clip in usable]
    rows = [centred_rows(torch.from_numpy(clip.rows)) for clip in usable]
    network.cepstra_deviation = torch.cat(rows).std(0).clamp_min(1e-6).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=1e-2)

    def step(index: int, random: np.random.Generator) -> dict[str, Tensor]:
        lips, sound = [], []
        chosen = random.choice(len(usable), min(settings.clips, len(usable)), replace=False)
        for number in chosen:
            count = usable[number].windows
            moments = random.choice(count, min(settings.moments, count), replace=False)
            lips.append(_changed(lip_windows(crops[number].numpy(), moments), random))
            sound.append(_revoiced(sound_windows(rows[number].numpy(), moments), random))
        loss = contrast(
            network.embed_lips(torch.from_numpy(np.concatenate(lips)).to(device)),
            network.embed_sound(torch.from_numpy(np.concatenate(sound)).to(device)),
            settings.temperature,
        )
        descend(loss, optimiser)
        return {"loss": loss}

    curve = train(
        {"network": network},
        {"adam": optimiser},
        step,
        name="lip sync",
        steps=settings.steps,
        seed=seed,
        settings=settings,
        rate=lambda index: (1 + math.cos(math.pi * index / settings.steps)) / 2,
        folder=folder,
        progress=progress,
    )
    return network, curve


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
