"""The learned measure of lip sync: learning it, measuring with it, trying it on unseen actors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from spfem.errors import ShapeError
from spfem.evaluation.lip_sync import (
    NOT_MEASURED,
    LipSyncScore,
    distances_by_shift,
    frames_at_25,
    lip_crops,
    lip_windows,
    score_distances,
    sound_rows,
    sound_windows,
    window_count,
)
from spfem.evaluation.lip_sync_network import LipSyncNetwork, centred_crops, centred_rows
from spfem.settings import LipSyncSettings
from spfem.training import Progress, Row, descend, train

COLUMNS = ("actors", "clips", "auc", "offset_found", "offset_near", "lse_d", "lse_c")
WRONG_FRAMES = (3, 15)  # nearest and furthest shift of windows that do not belong together


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

    Row i of embeddings (N, C) of length 1 belongs to row i; cosines are divided by `temperature`.
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


class LipSyncMeter(Protocol):
    """Measures LSE-D and LSE-C; learned here, or of the released SyncNet."""

    @property
    def backbone(self) -> str:
        """Name of the network in tables."""

    def measure(
        self, frames: np.ndarray, landmarks: np.ndarray, audio: np.ndarray, fps: Fraction | float
    ) -> LipSyncScore:
        """Score a clip; `NOT_MEASURED` if it is too short; arguments as in `spoken_clip`."""


def spoken_clip(
    frames: np.ndarray,
    landmarks: np.ndarray,
    audio: np.ndarray,
    fps: Fraction | float,
    crop_size: int,
) -> SpokenClip:
    """Resample a clip to 25 fps and cut out what the learned network reads.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        landmarks: (T, 478, 2 or 3) frame pixels.
        audio: (A,) in [-1, 1] at 16 kHz; sample 0 sounds with frame 0.
        fps: of the frames.
        crop_size: side of the crops, pixels.
    """
    index = frames_at_25(len(frames), fps)
    return SpokenClip(lip_crops(frames[index], landmarks[index], crop_size), sound_rows(audio))


def embed_clip(network: LipSyncNetwork, clip: SpokenClip) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of lips (W, C) and of sound (W, C), one window a frame."""
    index = np.arange(clip.windows)
    if not len(index):
        nothing = np.zeros((0, network.settings.embedding), np.float32)
        return nothing, nothing
    device = next(network.parameters()).device
    crops = centred_crops(torch.from_numpy(clip.crops)).numpy()
    rows = centred_rows(torch.from_numpy(clip.rows)).numpy()
    with torch.inference_mode():
        lips = network.embed_lips(torch.from_numpy(lip_windows(crops, index)).to(device))
        sound = network.embed_sound(torch.from_numpy(sound_windows(rows, index)).to(device))
    return lips.cpu().numpy(), sound.cpu().numpy()


@dataclass(frozen=True)
class LearnedLipSync:
    """The network of `learn_network`.

    The search is SyncNet's, 15 frames to either side, with two departures for clips of one or two
    seconds: shifts that leave fewer than `shared_windows` windows are not tried, and windows
    without a partner at a shift do not count (SyncNet compares them with zeros).
    """

    network: LipSyncNetwork
    settings: LipSyncSettings
    backbone: str = "lip-sync-64"

    def measure(
        self, frames: np.ndarray, landmarks: np.ndarray, audio: np.ndarray, fps: Fraction | float
    ) -> LipSyncScore:
        """Score a clip; arguments as in `spoken_clip`."""
        size = self.network.settings.crop_size
        return self.score(spoken_clip(frames, landmarks, audio, fps, size))

    def score(self, clip: SpokenClip) -> LipSyncScore:
        """Score a clip that is already cut out; `NOT_MEASURED` if it is too short."""
        if not self.search_of(clip.windows):
            return NOT_MEASURED
        return self.compare(*embed_clip(self.network, clip))

    def search_of(self, windows: int) -> int:
        """Largest shift that still shares enough windows; 0 for a clip too short to search."""
        settings = self.settings
        return int(np.clip(windows - settings.shared_windows, 0, settings.search_frames))

    def compare(self, lips: np.ndarray, sound: np.ndarray) -> LipSyncScore:
        """Score embeddings (W, C) of lips and of sound."""
        return score_distances(distances_by_shift(lips, sound, self.search_of(len(lips))))


def check_lip_sync(
    meter: LearnedLipSync, clips: Mapping[str, Sequence[SpokenClip]], shifts: Sequence[int]
) -> pd.DataFrame:
    """Rows with `COLUMNS`, one a group of actors.

    Args:
        meter: with the learned network.
        clips: of each group of actors; those too short to search do not count.
        shifts: planted offsets in frames: the sound is moved so that it comes later by that much.

    Returns:
        `auc` is how often a window of lips is nearer to its own sound than to sound of the same
        clip 3 to 15 frames away, `offset_found` the share of clips and shifts whose offset is
        found exactly, `offset_near` within one frame; `lse_d` and `lse_c` are means without shift.

    Raises:
        ShapeError: if no clip of a group is long enough.
    """
    rows = []
    for name, group in clips.items():
        correct, found, scores = [], [], []
        for clip in group:
            if not meter.search_of(clip.windows):
                continue
            lips, sound = embed_clip(meter.network, clip)
            correct.append(_nearer_to_own(lips, sound))
            scores.append(meter.compare(lips, sound))
            for shift in shifts:  # embeddings are moved as the sound would be
                early, late = max(shift, 0), max(-shift, 0)
                moved = lips[early : len(lips) - late], sound[late : len(sound) - early]
                found.append(meter.compare(*moved).offset - shift)
        if not scores:
            raise ShapeError(f"no clip of {name} is long enough to check lip sync on")
        errors = np.abs(np.asarray(found))
        rows.append(
            (
                name,
                len(scores),
                float(np.nanmean(correct)),
                float((errors == 0).mean()),
                float((errors <= 1).mean()),
                float(np.mean([score.lse_d for score in scores])),
                float(np.mean([score.lse_c for score in scores])),
            )
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _nearer_to_own(lips: np.ndarray, sound: np.ndarray) -> float:
    gaps = np.linalg.norm(lips[:, None] - sound[None], axis=2)
    places = np.arange(len(lips))
    apart = np.abs(places[:, None] - places)
    wrong = (apart >= WRONG_FRAMES[0]) & (apart <= WRONG_FRAMES[1])
    own = np.broadcast_to(gaps.diagonal()[:, None], gaps.shape)
    return float((own < gaps)[wrong].mean())
