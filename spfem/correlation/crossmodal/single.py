"""Stage A: each modality learns alone which moments of two emotions say the same.

Source: SCMCL. Departs from the released code: gradients are set to zero, false negatives are
masked, and diagnostics are computed only for points of the curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spfem.correlation.crossmodal.batches import Batch, BatchDraw
from spfem.correlation.crossmodal.encoder_files import ENCODERS
from spfem.correlation.crossmodal.encoders import Encoder
from spfem.correlation.crossmodal.losses import mean_distances, pair_loss
from spfem.correlation.crossmodal.samples import MODALITIES, FrameSamples, FrameTable
from spfem.correlation.preprocess import images_from_frames
from spfem.correlation.training import DrawAndCompare, Outcome, learn_by_comparing
from spfem.errors import CorpusError, SettingsError
from spfem.settings import CrossModalSettings
from spfem.training import Progress, Row
from spfem.uploads import upload


@dataclass(frozen=True)
class LearnedEncoder:
    """An encoder and its curve: `step`, `split`, `loss`, `positive` and `negative` distance."""

    encoder: Encoder
    curve: list[Row]


class AccumulatedGradients(nn.Module):
    """A model whose gradients are never set to zero, the released "accumulated_gradients".

    The sums over all steps are buffers, since a killed run must go on with them.

    Args:
        model: that is learned.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        for number, parameter in enumerate(model.parameters()):
            self.register_buffer(f"sum{number}", torch.zeros_like(parameter))
            parameter.register_hook(
                lambda gradient, name=f"sum{number}": getattr(self, name).add_(gradient).clone()
            )


def initial_encoder(modality: str, settings: CrossModalSettings, seed: int) -> Encoder:
    """The encoder of a modality with the weights of a seed; the global state stays untouched.

    Raises:
        SettingsError: for an unknown modality.
    """
    if modality not in MODALITIES:
        raise SettingsError(
            f"modality {modality!r} is unknown; choose one of {', '.join(MODALITIES)}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ENCODERS[modality](settings)


def frame_inputs(
    table: FrameTable, modality: str, rows: np.ndarray, device: torch.device | str = "cpu"
) -> Tensor:
    """What the encoder of a modality takes: (N, 1, A), (N, 1, E), or (N, 3, S, S) in [-1, 1].

    Raises:
        CorpusError: if the table lacks the modality.
    """
    if modality not in table.signals:
        raise CorpusError(
            f"the frame table holds {', '.join(table.signals)}, not {modality}; tabulate it too"
        )
    signals = table.signals[modality][rows]
    if modality == "image":
        return images_from_frames(signals, device)
    return upload(signals, device).unsqueeze(1)


def encode_rows(
    encoder: Encoder,
    table: FrameTable,
    modality: str,
    rows: np.ndarray,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Features (N, C, ...) of `rows` (N,); a row that occurs several times is encoded once."""
    distinct, places = np.unique(rows, return_inverse=True)
    features = encoder.encode(frame_inputs(table, modality, distinct, device))
    return features[upload(places.reshape(-1), features.device)]


def compare_single(
    encoder: Encoder, table: FrameTable, modality: str, batch: Batch, settings: CrossModalSettings
) -> Outcome:
    """The loss of stage A on one batch; each frame is seen once, also by batch norm."""
    device = next(encoder.parameters()).device
    rows = np.concatenate([batch.source, batch.target])
    embeddings = encoder.project(encode_rows(encoder, table, modality, rows, device))
    u, v = embeddings.chunk(2)
    mask = None if batch.mask is None else upload(batch.mask, device)
    loss, _ = pair_loss(u, v, mode=settings.mode, temperature=settings.temperature, mask=mask)
    return Outcome(loss, lambda: _scores(u, v, settings))


def _scores(u: Tensor, v: Tensor, settings: CrossModalSettings) -> dict[str, float]:
    positive, negative = mean_distances(u, v, mode=settings.mode)
    return {"positive": float(positive), "negative": float(negative)}


def train_single(
    modality: str,
    table: FrameTable,
    train: FrameSamples,
    held_out: FrameSamples | None,
    settings: CrossModalSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    folder: Path | None = None,
    progress: Progress = iter,
) -> LearnedEncoder:
    """Learn the encoder of one modality; goes as `spfem.training.train`.

    Args:
        modality: one of `MODALITIES`.
        table: all frames.
        train: pairs to learn from.
        held_out: pairs of unseen actors for the curve, or None.
        settings: sizes, constants, number of steps.
        seed: of the initial weights and all draws.
        device: where to compute.
        folder: of the state from which a killed run continues.
        progress: wrapper of the step loop.
    """
    encoder = initial_encoder(modality, settings, seed).to(device)
    accumulate = settings.released("accumulated_gradients")

    def comparing(samples: FrameSamples) -> DrawAndCompare:
        draw = BatchDraw(table, samples, settings)
        return lambda index, random: compare_single(
            encoder, table, modality, draw(random), settings
        )

    curve = learn_by_comparing(
        AccumulatedGradients(encoder) if accumulate else encoder,
        comparing(train),
        None if held_out is None else comparing(held_out),
        settings,
        steps=settings.single_steps,
        learning_rate=settings.single_learning_rate,
        seed=seed,
        name=f"single-modality {modality}",
        folder=folder,
        progress=progress,
    )
    return LearnedEncoder(encoder, curve)
