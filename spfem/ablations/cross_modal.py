"""SCMCL taken apart: consistency, masked negatives, fusion, stage A, what is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from spfem.ablations.cross_modal_variants import CrossModalVariant
from spfem.ablations.material import Material
from spfem.ablations.measured import Measured, measured_means
from spfem.ablations.recipe import Recipe
from spfem.ablations.table import ablation_folder
from spfem.correlation.crossmodal.joint import embed_runs, initial_joint, train_joint
from spfem.correlation.crossmodal.learn import frames_of_roles
from spfem.correlation.crossmodal.model import CrossModalCoherence
from spfem.correlation.crossmodal.retrieval_table import (
    ClipEmbeddings,
    direct_distances,
    over_windows,
    relational_distances,
    score_retrieval,
)
from spfem.correlation.crossmodal.samples import FrameSamples, FrameTable, tabulate_frames
from spfem.correlation.crossmodal.single import train_single
from spfem.correlation.frame_pairs import AlignedClips
from spfem.settings import CrossModalSettings
from spfem.stages.metrics import clip_signals


def variant_settings(
    material: Material, variant: CrossModalVariant, steps: int
) -> CrossModalSettings:
    """Settings with the changes of a variant, and so many steps of each modality and of both."""
    return replace(
        material.workspace.scale.cross_modal,
        **{
            "fps": material.corpus.fps,
            "single_steps": steps,
            "joint_steps": steps,
            "consistency_start": steps // 5,
            **variant.changes,
        },
    )


def cross_modal_recipe(material: Material, variant: CrossModalVariant, seed: int) -> Recipe:
    """What decides the numbers of a variant."""
    evaluation = material.workspace.scale.evaluation
    return Recipe(
        ablation_folder(material, "cross_modal", variant.name, seed),
        "ablation of the cross-modal metric",
        {
            "cross_modal": variant_settings(material, variant, material.settings.cross_modal_steps),
            "visual": variant.visual,
            "stage_a": variant.stage_a,
            "seed": seed,
            "roles": dict(material.corpus.roles),
            "scored": [material.settings.scored_pairs, evaluation.retrieval_context],
        },
        material.inputs,
        (measure_cross_modal,),
    )


def measure_cross_modal(
    material: Material, variant: CrossModalVariant, seed: int, folder: Path
) -> dict[str, Measured]:
    """Learn a variant; then ask with moments of unseen actors for the same in another emotion."""
    settings = variant_settings(material, variant, material.settings.cross_modal_steps)
    model = learn_variant(material, variant, settings, seed, folder)
    signals = clip_signals(material.workspace, settings.image_size)
    keys = dict.fromkeys(key for p in material.scored_pairs() for key in (p.source, p.target))
    modalities = ("audio", variant.visual)
    table = tabulate_frames({key: signals(key, modalities) for key in keys}, settings)
    return retrieval_measured(material, model, table)


def learn_variant(
    material: Material,
    variant: CrossModalVariant,
    settings: CrossModalSettings,
    seed: int,
    folder: Path | None = None,
) -> CrossModalCoherence:
    """Stages A and B, as `learn_single` and `learn_joint` go; frozen."""
    model = initial_joint(settings, variant.visual, seed)
    encoders = {"audio": model.audio_encoder, variant.visual: model.visual_encoder}

    def state(name: str) -> Path | None:
        if folder is None:
            return None
        (folder / name).mkdir(exist_ok=True)
        return folder / name

    for modality, encoder in encoders.items() if variant.stage_a else ():
        table, samples = _frames(material, (modality,), settings, settings.single_image_size)
        alone = train_single(
            modality,
            table,
            samples,
            None,
            settings,
            seed=seed,
            device=material.device,
            folder=state(modality),
        )
        encoder.load_state_dict(alone.encoder.state_dict())
    table, samples = _frames(material, tuple(encoders), settings, settings.image_size)
    train_joint(model.to(material.device), table, samples, None, seed=seed, folder=state("both"))
    return model.supervise()


def _frames(
    material: Material, modalities: tuple[str, ...], settings: CrossModalSettings, image_size: int
) -> tuple[FrameTable, FrameSamples]:
    signals = clip_signals(material.workspace, image_size)
    table, train, _ = frames_of_roles(
        signals, modalities, material.pairs, material.corpus.roles, settings
    )
    return table, train


@torch.no_grad()
def retrieval_measured(
    material: Material, model: CrossModalCoherence, table: FrameTable
) -> dict[str, Measured]:
    """Recall at 1 of the exact moment, as `spfem.evaluation.retrieval` asks for it."""
    clocks = material.truths("frame_of_reference")
    context = material.workspace.scale.evaluation.retrieval_context
    embedded = {
        (key, modality): embed_runs(
            model, table, modality, table.runs(table.rows(key), model.settings.frames)
        ).cpu()
        for key in table.keys
        for modality in ("audio", model.visual)
    }
    scale = float(model.scale_layer.w), float(model.scale_layer.b)

    def recall(query: str, target: str) -> Measured:
        def side(source: str, other: str, modality: str) -> ClipEmbeddings:
            calibration = (1.0, 0.0) if modality == "audio" else scale
            return ClipEmbeddings(
                embedded[source, modality], embedded[other, modality], *calibration
            )

        def distances(pair: AlignedClips) -> np.ndarray:
            compare = direct_distances if query == target else relational_distances
            sides = (side(pair.source, pair.target, modality) for modality in (query, target))
            return over_windows(compare(*sides), context)

        scores = score_retrieval(material.scored_pairs(), distances, clocks)
        return measured_means(scores.hits[:, 0].astype(float), scores.clusters)

    return {
        "sound_to_sound": recall("audio", "audio"),
        "sound_to_vision": recall("audio", model.visual),
        "vision_to_vision": recall(model.visual, model.visual),
    }
