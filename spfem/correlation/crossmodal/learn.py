"""The stages that learn the cross-modal metric: each modality alone, then two together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from spfem.artifacts import file_digest, write_json
from spfem.checkpoints import load_weights
from spfem.correlation.crossmodal.encoder_files import load_encoder, save_encoder
from spfem.correlation.crossmodal.joint import initial_joint, train_joint
from spfem.correlation.crossmodal.model import Visual
from spfem.correlation.crossmodal.samples import (
    ClipSignals,
    FrameSamples,
    FrameTable,
    collect_samples,
    tabulate_frames,
)
from spfem.correlation.crossmodal.single import train_single
from spfem.correlation.learn import CURVE_NAME, PairStore
from spfem.distributed import refuse_sharing
from spfem.errors import CorpusError
from spfem.opened_stages import open_stage
from spfem.settings import CrossModalSettings
from spfem.training import Progress

ENCODER_NAME = "encoder.safetensors"

Signals = Callable[[str, tuple[str, ...]], ClipSignals]
"""Gives the named modalities of one clip by its key; called once for each clip."""


def metric_name(visual: Visual) -> str:
    """File name of the checkpoint of a metric."""
    return f"cross_modal_{visual}.safetensors"


def frames_of_roles(
    signals: Signals,
    modalities: tuple[str, ...],
    pairs: PairStore,
    roles: Mapping[str, str],
    settings: CrossModalSettings,
) -> tuple[FrameTable, FrameSamples, FrameSamples | None]:
    """All frames of the paired clips, samples of the `train` and, if any, `held_out` actors.

    Raises:
        CorpusError: if no actor is to be learned from.
    """
    wanted = [
        pair
        for pair in pairs.pairs
        if pair.usable and roles.get(pair.source.split("/")[0]) in ("train", "held_out")
    ]
    keys = dict.fromkeys(key for pair in wanted for key in (pair.source, pair.target))
    if not keys:
        raise CorpusError("no usable clip pair of an actor to learn from; check roles and pairs")
    table = tabulate_frames({key: signals(key, modalities) for key in keys}, settings)
    held_out = None
    if any(roles[pair.source.split("/")[0]] == "held_out" for pair in wanted):
        held_out = collect_samples(table, wanted, roles, "held_out")
    return table, collect_samples(table, wanted, roles, "train"), held_out


def learn_single(
    modality: str,
    signals: Signals,
    pairs: PairStore,
    roles: Mapping[str, str],
    folder: Path,
    settings: CrossModalSettings,
    *,
    inputs: Mapping[str, str],
    seed: int,
    device: torch.device | str = "cpu",
    force: bool = False,
    progress: Progress = iter,
) -> Path:
    """Stage A: learn the encoder of one modality, unless `folder` holds it already.

    Args:
        modality: `audio`, `expression` or `image`.
        signals: of each clip; read only if there is something to learn.
        pairs: aligned clips.
        roles: actor to role.
        folder: stage folder; receives the encoder and `curve.json`.
        settings: of the metric and its learning.
        inputs: digests of what the signals come from.
        seed: of weights and draws.
        device: where to compute.
        force: learn again even if nothing changed.
        progress: wrapper of the step loop.

    Returns:
        Path of the encoder, for `encoder_files.load_encoder`.
    """
    refuse_sharing("the cross-modal metric, whose negatives are the whole batch,")
    stage = open_stage(
        folder,
        f"cross-modal {modality} alone",
        settings={
            "cross_modal": settings,
            "modality": modality,
            "seed": seed,
            "roles": dict(roles),
        },
        inputs={**inputs, "pairs": pairs.digest},
        code=(learn_single, signals, type(pairs)),
        force=force,
    )
    path = folder / ENCODER_NAME
    if stage.complete and path.exists():
        return path
    learned = train_single(
        modality,
        *frames_of_roles(signals, (modality,), pairs, roles, settings),
        settings,
        seed=seed,
        device=device,
        folder=folder,
        progress=progress,
    )
    write_json(folder / CURVE_NAME, learned.curve)
    save_encoder(learned.encoder, settings, path, provenance={"seed": seed, "digest": stage.digest})
    stage.finish(steps=settings.single_steps, threads=torch.get_num_threads(), device=str(device))
    return path


def learn_joint(
    visual: Visual,
    encoders: Mapping[str, Path],
    signals: Signals,
    pairs: PairStore,
    roles: Mapping[str, str],
    folder: Path,
    settings: CrossModalSettings,
    *,
    inputs: Mapping[str, str],
    seed: int,
    device: torch.device | str = "cpu",
    force: bool = False,
    progress: Progress = iter,
) -> Path:
    """Stage B: learn the metric, unless `folder` holds it already; arguments as `learn_single`.

    Args:
        visual: what the metric sees, `expression` or `image`.
        encoders: of stage A by modality, `audio` and `visual`.
        signals: of each clip.
        pairs: aligned clips.
        roles: actor to role.
        folder: stage folder.
        settings: of the metric and its learning.
        inputs: digests of what the signals come from.
        seed: of weights and draws.
        device: where to compute.
        force: learn again even if nothing changed.
        progress: wrapper of the step loop.

    Returns:
        Path of the checkpoint, for `CrossModalCoherence.load`.
    """
    made_from = {f"{name} encoder": file_digest(encoders[name]) for name in ("audio", visual)}
    refuse_sharing("the cross-modal metric, whose negatives are the whole batch,")
    stage = open_stage(
        folder,
        f"cross-modal {visual}",
        settings={"cross_modal": settings, "visual": visual, "seed": seed, "roles": dict(roles)},
        inputs={**inputs, **made_from, "pairs": pairs.digest},
        code=(learn_joint, signals, type(pairs)),
        force=force,
    )
    checkpoint = folder / metric_name(visual)
    if stage.complete and checkpoint.exists():
        return checkpoint
    model = initial_joint(settings, visual, seed)
    for modality, encoder in (("audio", model.audio_encoder), (visual, model.visual_encoder)):
        alone, _ = load_encoder(encoders[modality], modality)
        load_weights(encoder, alone.state_dict(), encoders[modality])
    learned = train_joint(
        model.to(device),
        *frames_of_roles(signals, ("audio", visual), pairs, roles, settings),
        seed=seed,
        folder=folder,
        progress=progress,
    )
    write_json(folder / CURVE_NAME, learned.curve)
    learned.model.save(checkpoint, provenance={"seed": seed, "digest": stage.digest})
    stage.finish(steps=settings.joint_steps, threads=torch.get_num_threads(), device=str(device))
    return checkpoint
