"""Stage A: each modality learns alone which moments of two emotions say the same.

Source: SCMCL. Departs from the released code: gradients are set to zero, false negatives are
masked, and diagnostics are computed only for points of the curve.

Stage B: an audio and a visual encoder learn to agree about distances.

Source: SCMCL. Departs from the released code: gradients are set to zero, false negatives are
masked, the consistency sets in once and not anew in every epoch, and both modalities learn on
`settings.frames` frames. `settings.direct_weight`, 0 in the paper, is an extension: it also
compares sound with vision directly, so that either can be looked up by the other.

The cross-modal metric before learning, for comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spfem.correlation.encoders import ENCODERS, Encoder
from spfem.correlation.images import images_from_frames
from spfem.correlation.learn import DrawAndCompare, Outcome, learn_by_comparing
from spfem.correlation.scmcl import (
    CrossModalCoherence,
    Visual,
    consistency_loss,
    mean_distances,
    pair_loss,
)
from spfem.correlation.sound import MODALITIES, Batch, BatchDraw, FrameSamples, FrameTable
from spfem.errors import CheckpointError, CorpusError, SettingsError
from spfem.precision import upload
from spfem.settings import CrossModalSettings
from spfem.training import Progress, Row


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


@dataclass(frozen=True)
class LearnedMetric:
    """The metric and its curve.

    A curve row holds `step`, `split`, `loss`, `consistency`, `scale`, `shift`, and for both sides
    the mean distances `audio_positive`, `audio_negative`, `visual_positive`, `visual_negative`.
    """

    model: CrossModalCoherence
    curve: list[Row]


def initial_joint(settings: CrossModalSettings, visual: Visual, seed: int) -> CrossModalCoherence:
    """The metric with the weights of a seed; the global state stays untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CrossModalCoherence(settings, visual)


def embed_runs(
    model: CrossModalCoherence, table: FrameTable, modality: str, runs: np.ndarray
) -> Tensor:
    """Embed runs of consecutive frames (N, n), rows of the table, oldest first.

    Each distinct frame goes through the encoder once, however many runs share it.

    Args:
        model: the metric.
        table: all frames.
        modality: `audio` or what the model sees.
        runs: from `FrameTable.runs`.

    Returns:
        (N, D) in (-1, 1).

    Raises:
        CheckpointError: if the model has no such modality.
    """
    if modality not in ("audio", model.visual):
        raise CheckpointError(f"this metric compares audio with {model.visual}, not {modality}")
    sound = modality == "audio"
    encoder = model.audio_encoder if sound else model.visual_encoder
    attention = model.audio_attn if sound else model.visual_attention
    device = model.scale_layer.w.device
    features = encode_rows(encoder, table, modality, runs.T.reshape(-1), device)
    first, *later = features.unflatten(0, (runs.shape[1], len(runs))).unbind(0)
    if not later:
        return encoder.project(first)
    fused = first
    for newer in later:
        fused = attention(newer, fused)
    return torch.tanh(fused.flatten(2).mean(dim=2))


def compare_joint(
    model: CrossModalCoherence, table: FrameTable, batch: Batch, *, consistent: bool
) -> Outcome:
    """The loss of stage B on one batch.

    Args:
        model: the metric.
        table: all frames.
        batch: rows; the frames of a run begin at these rows.
        consistent: whether the consistency counts already.
    """
    settings = model.settings
    alone = settings.released("single_frame_visual") and model.visual == "expression"
    runs = table.runs(np.concatenate([batch.source, batch.target]), 1 if alone else settings.frames)
    u_audio, v_audio = embed_runs(model, table, "audio", runs).chunk(2)
    u_visual, v_visual = embed_runs(model, table, model.visual, runs).chunk(2)
    mask = None if batch.mask is None else upload(batch.mask, u_audio.device)

    def pairing(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        return pair_loss(u, v, mode=settings.mode, temperature=settings.temperature, mask=mask)

    audio_loss, audio_distances = pairing(u_audio, v_audio)
    visual_loss, visual_distances = pairing(u_visual, v_visual)
    if settings.consistency == "distance":
        visual_distances = model.scale_layer(visual_distances)
    consistency = consistency_loss(audio_distances, visual_distances, form=settings.consistency)
    loss = audio_loss + visual_loss
    if consistent:
        loss = loss + settings.consistency_weight * consistency
    if settings.direct_weight:
        direct = pairing(u_audio, v_visual)[0] + pairing(u_visual, v_audio)[0]
        loss = loss + settings.direct_weight * direct

    def scores() -> dict[str, float]:
        row = {
            "consistency": float(consistency.detach()),
            "scale": float(model.scale_layer.w.detach()),
            "shift": float(model.scale_layer.b.detach()),
        }
        for name, u, v in (("audio", u_audio, v_audio), ("visual", u_visual, v_visual)):
            positive, negative = mean_distances(u, v, mode=settings.mode)
            row |= {f"{name}_positive": float(positive), f"{name}_negative": float(negative)}
        return row

    return Outcome(loss, scores)


def is_consistent(step: int, samples: int, settings: CrossModalSettings) -> bool:
    """Whether the consistency counts at a step (from 0) of learning from so many samples.

    The behaviour "gate_per_epoch" counts the released way: an epoch has one step a sample.
    """
    if settings.released("gate_per_epoch"):
        return step % samples > settings.consistency_start
    return step >= settings.consistency_start


def train_joint(
    model: CrossModalCoherence,
    table: FrameTable,
    train: FrameSamples,
    held_out: FrameSamples | None,
    *,
    seed: int,
    folder: Path | None = None,
    progress: Progress = iter,
) -> LearnedMetric:
    """Learn the metric in place; goes as `spfem.training.train`.

    Args:
        model: on its device; usually with the encoders of stage A.
        table: all frames.
        train: pairs to learn from.
        held_out: pairs of unseen actors for the curve (always with consistency), or None.
        seed: of all draws.
        folder: of the state from which a killed run continues.
        progress: wrapper of the step loop.
    """
    settings = model.settings
    accumulate = settings.released("accumulated_gradients")

    def comparing(samples: FrameSamples, *, learning: bool) -> DrawAndCompare:
        draw = BatchDraw(table, samples, settings)

        def compare(index: int, random: np.random.Generator) -> Outcome:
            consistent = not learning or is_consistent(index, len(samples), settings)
            return compare_joint(model, table, draw(random), consistent=consistent)

        return compare

    curve = learn_by_comparing(
        AccumulatedGradients(model) if accumulate else model,
        comparing(train, learning=True),
        None if held_out is None else comparing(held_out, learning=False),
        settings,
        steps=settings.joint_steps,
        learning_rate=settings.joint_learning_rate,
        seed=seed,
        name=f"cross-modal {model.visual}",
        folder=folder,
        progress=progress,
    )
    return LearnedMetric(model, curve)


STATISTICS_BATCHES = 8


@torch.no_grad()
def untrained_joint(
    table: FrameTable,
    train: FrameSamples,
    settings: CrossModalSettings,
    visual: Visual,
    *,
    seed: int,
) -> CrossModalCoherence:
    """The metric with initial weights and the batch-norm statistics of the training frames.

    So before and after learning differ in learned weights only, not in normalisation.
    """
    model = initial_joint(settings, visual, seed)
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # a plain average over the batches
    draw, random = BatchDraw(table, train, settings), np.random.default_rng(seed)
    model.train()
    for _ in range(STATISTICS_BATCHES):
        compare_joint(model, table, draw(random), consistent=False)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.eval()
