"""Learning the cross-modal metric: stage A each modality alone, stage B sound and face together.

Stage A learns which moments of two emotions say the same, stage B also to agree about distances.
Source: SCMCL. Departs from the released code: gradients are set to zero, the consistency sets in
once and not anew in every epoch, both modalities learn on `settings.frames` frames, and diagnostics
are computed only for points of the curve; for `settings.direct_weight` see `scmcl.joint_loss`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.encoders import ENCODERS, Encoder, fuse_features
from spfem.correlation.images import images_from_frames
from spfem.correlation.learn import (
    STATISTICS_BATCHES,
    DrawAndCompare,
    Outcome,
    TrainedMetric,
    averaged_statistics,
    learn_by_comparing,
)
from spfem.correlation.scmcl import (
    CrossModalCoherence,
    Visual,
    joint_loss,
    mean_distances,
    pair_loss,
)
from spfem.correlation.sound import MODALITIES, Batch, BatchDraw, FrameSamples, FrameTable
from spfem.errors import CheckpointError, CorpusError, SettingsError
from spfem.precision import upload
from spfem.settings import CrossModalSettings
from spfem.training import Row


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


def initial_joint(settings: CrossModalSettings, visual: Visual, seed: int) -> CrossModalCoherence:
    """The metric with the weights of a seed; the global state stays untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CrossModalCoherence(settings, visual)


def encode_rows(encoder: Encoder, table: FrameTable, modality: str, rows: np.ndarray) -> Tensor:
    """Features (N, C, ...) of `rows` (N,); a row that occurs several times is encoded once.

    Raises:
        CorpusError: if the table lacks the modality.
    """
    if modality not in table.signals:
        raise CorpusError(
            f"the frame table holds {', '.join(table.signals)}, not {modality}; tabulate it too"
        )
    device = next(encoder.parameters()).device
    distinct, places = np.unique(rows, return_inverse=True)
    signals = table.signals[modality][distinct]
    if modality == "image":
        features = encoder.encode(images_from_frames(signals, device))
    else:
        features = encoder.encode(upload(signals, device).unsqueeze(1))
    return features[upload(places.reshape(-1), features.device)]


def compare_single(
    encoder: Encoder, table: FrameTable, modality: str, batch: Batch, settings: CrossModalSettings
) -> Outcome:
    """The loss of stage A on one batch; each frame is seen once, also by batch norm."""
    rows = np.concatenate([batch.source, batch.target])
    embeddings = encoder.project(encode_rows(encoder, table, modality, rows))
    u, v = embeddings.chunk(2)
    mask = None if batch.mask is None else upload(batch.mask, u.device)
    loss, _ = pair_loss(u, v, mode=settings.mode, temperature=settings.temperature, mask=mask)
    return Outcome(loss, lambda: _distances(u, v, settings.mode))


def _distances(u: Tensor, v: Tensor, mode: str, prefix: str = "") -> dict[str, float]:
    positive, negative = mean_distances(u, v, mode=mode)
    return {f"{prefix}positive": float(positive), f"{prefix}negative": float(negative)}


def train_single(
    modality: str,
    table: FrameTable,
    train: FrameSamples,
    held_out: FrameSamples | None,
    settings: CrossModalSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    **run: Any,
) -> TrainedMetric[Encoder]:
    """Learn the encoder of one modality, as `spfem.training.train` goes.

    The curve holds `positive` and `negative` distance.

    Args:
        modality: one of `MODALITIES`.
        table: all frames.
        train: pairs to learn from.
        held_out: pairs of unseen actors for the curve, or None.
        settings: sizes, constants, number of steps.
        seed: for the initial weights and all draws.
        device: where to compute.
        **run: `folder` and `progress` of `spfem.training.train`.
    """
    encoder = initial_encoder(modality, settings, seed).to(device)
    batch_draw, learn = _ways(settings)

    def comparing(samples: FrameSamples) -> DrawAndCompare:
        draw = batch_draw(table, samples, settings)
        return lambda index, random: compare_single(
            encoder, table, modality, draw(random), settings
        )

    curve = learn(
        encoder,
        comparing(train),
        None if held_out is None else comparing(held_out),
        settings,
        steps=settings.single_steps,
        learning_rate=settings.single_learning_rate,
        seed=seed,
        name=f"single-modality {modality}",
        **run,
    )
    return TrainedMetric(encoder, curve)


def _ways(settings: CrossModalSettings) -> tuple[type[BatchDraw], Callable[..., list[Row]]]:
    """How batches are drawn and weights learned: as here, or as released if `compat` says so."""
    if settings.compat == "paper":
        return BatchDraw, learn_by_comparing
    from spfem.released.arithmetic import ReleasedBatchDraw, learn_as_released

    return ReleasedBatchDraw, learn_as_released


def embed_runs(
    model: CrossModalCoherence, table: FrameTable, modality: str, runs: np.ndarray
) -> Tensor:
    """Embed runs of consecutive frames (N, n), see `FrameTable.runs`, to (N, D) in (-1, 1).

    The modality is `audio` or what the model sees. Each distinct frame goes through the encoder
    once, however many runs share it.

    Raises:
        CheckpointError: if the model has no such modality.
    """
    if modality not in ("audio", model.visual):
        raise CheckpointError(f"this metric compares audio with {model.visual}, not {modality}")
    sound = modality == "audio"
    encoder = model.audio_encoder if sound else model.visual_encoder
    attention = model.audio_attn if sound else model.visual_attention
    features = encode_rows(encoder, table, modality, runs.T.reshape(-1))
    frames = features.unflatten(0, (runs.shape[1], len(runs))).unbind(0)
    return fuse_features(encoder, attention, frames)


def compare_joint(
    model: CrossModalCoherence, table: FrameTable, batch: Batch, *, consistent: bool
) -> Outcome:
    """The loss of stage B on one batch, with the consistency if it counts already."""
    runs = table.runs(np.concatenate([batch.source, batch.target]), model.learned_frames)
    u_audio, v_audio = embed_runs(model, table, "audio", runs).chunk(2)
    u_visual, v_visual = embed_runs(model, table, model.visual, runs).chunk(2)
    mask = None if batch.mask is None else upload(batch.mask, u_audio.device)
    loss, consistency = joint_loss(
        (u_audio, v_audio),
        (u_visual, v_visual),
        model.scale_layer,
        model.settings,
        mask=mask,
        consistent=consistent,
    )
    return Outcome(
        loss,
        lambda: {
            "consistency": float(consistency.detach()),
            "scale": float(model.scale_layer.w.detach()),
            "shift": float(model.scale_layer.b.detach()),
            **_distances(u_audio, v_audio, model.settings.mode, "audio_"),
            **_distances(u_visual, v_visual, model.settings.mode, "visual_"),
        },
    )


def train_joint(
    model: CrossModalCoherence,
    table: FrameTable,
    train: FrameSamples,
    held_out: FrameSamples | None,
    *,
    seed: int,
    **run: Any,
) -> TrainedMetric[CrossModalCoherence]:
    """Learn a metric in place, usually with the encoders of stage A; arguments as `train_single`.

    The curve holds `consistency`, `scale`, `shift`, and for both sides the mean distances
    `audio_positive`, `audio_negative`, `visual_positive`, `visual_negative`; that of unseen data
    always counts the consistency.
    """
    settings = model.settings
    batch_draw, learn = _ways(settings)

    def comparing(samples: FrameSamples, *, learning: bool) -> DrawAndCompare:
        draw = batch_draw(table, samples, settings)

        def compare(index: int, random: np.random.Generator) -> Outcome:
            consistent = not learning or model.is_consistent(index, len(samples))
            return compare_joint(model, table, draw(random), consistent=consistent)

        return compare

    curve = learn(
        model,
        comparing(train, learning=True),
        None if held_out is None else comparing(held_out, learning=False),
        settings,
        steps=settings.joint_steps,
        learning_rate=settings.joint_learning_rate,
        seed=seed,
        name=f"cross-modal {model.visual}",
        **run,
    )
    return TrainedMetric(model, curve)


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
    draw, random = _ways(settings)[0](table, train, settings), np.random.default_rng(seed)
    with averaged_statistics(model):
        for _ in range(STATISTICS_BATCHES):
            compare_joint(model, table, draw(random), consistent=False)
    return model.eval()
