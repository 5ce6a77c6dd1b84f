"""SCMCL taken apart: consistency, masks, fusion, stage A, what is seen, and its retrieval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spfem.corpus.clips import Clip
from spfem.corpus.protocol import learning_clips
from spfem.correlation.learn_sound import initial_joint, train_joint, train_single
from spfem.correlation.retrieval import AudioBank, make_bank
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.sound import FrameSamples, FrameTable, frames_of_roles, tabulate_frames
from spfem.files import file_digest
from spfem.run.metrics import clip_signals, make_cross_modal_metric
from spfem.settings import EMOTIONS, CrossModalSettings
from studies.ablation_stages import Material, Measured, Recipe, ablation_folder, measured_means
from studies.ablation_variants import CrossModalVariant, RetrievalVariant
from studies.moment_retrieval import (
    NEAR_FRAMES,
    exact_moments,
    score_directions,
    spoken_frames,
)
from studies.probes import MOUTH


def variant_settings(material: Material, variant: CrossModalVariant) -> CrossModalSettings:
    """Settings with the changes of a variant, and the steps of ablations for each stage."""
    steps = material.settings.cross_modal_steps
    usual = {"fps": material.corpus.fps, "single_steps": steps, "joint_steps": steps}
    usual["consistency_start"] = steps // 5
    return replace(material.workspace.scale.cross_modal, **{**usual, **variant.changes})


def cross_modal_recipe(material: Material, variant: CrossModalVariant, seed: int) -> Recipe:
    """What decides the numbers of a variant."""
    evaluation = material.workspace.scale.evaluation
    return Recipe(
        ablation_folder(material, "cross_modal", variant.name, seed),
        "ablation of the cross-modal metric",
        {
            "cross_modal": variant_settings(material, variant),
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
    settings = variant_settings(material, variant)
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
        how: dict[str, Any] = {"seed": seed, "device": material.device, "folder": state(modality)}
        alone = train_single(modality, table, samples, None, settings, **how)
        encoder.load_state_dict(alone.model.state_dict())
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


def retrieval_measured(
    material: Material, model: CrossModalCoherence, table: FrameTable
) -> dict[str, Measured]:
    """Recall at 1 of the exact moment, as `studies.moment_retrieval` asks for it."""
    seen = model.visual
    directions = {
        "sound_to_sound": ("audio", "audio"),
        "sound_to_vision": ("audio", seen),
        "vision_to_vision": (seen, seen),
    }
    scored = score_directions(
        model,
        table,
        material.scored_pairs(),
        material.truths("frame_of_reference"),
        material.workspace.scale,
        directions.values(),
    )
    return {
        name: measured_means(scores.hits[:, 0].astype(float), scores.clusters)
        for name, scores in zip(directions, scored, strict=True)
    }


BLIND_SEED = 0


def retrieval_recipe(material: Material, variant: RetrievalVariant, seed: int) -> Recipe:
    """What decides the numbers of a variant."""
    workspace = material.workspace
    changed = replace(workspace.scale.cross_modal, **variant.changes)
    return Recipe(
        ablation_folder(material, "retrieval", variant.name, seed),
        "ablation of retrieval",
        {
            "threshold": changed.threshold,
            "top_k": changed.top_k,
            "blind": variant.blind,
            "window_frames": workspace.scale.manipulator.window_frames,
        },
        {**material.inputs, "metric": file_digest(_metric(material, seed))},
        (measure_retrieval,),
    )


@lru_cache
def _metric(material: Material, seed: int) -> Path:
    return make_cross_modal_metric(material.workspace, "expression", seed)


def measure_retrieval(
    material: Material, variant: RetrievalVariant, seed: int, folder: Path
) -> dict[str, Measured]:
    """Retrieve windows of each target actor, and look up in the truth what they show."""
    model = CrossModalCoherence.load(_metric(material, seed))
    model.settings = replace(model.settings, **variant.changes)
    signals = clip_signals(material.workspace, model.settings.image_size)
    length = material.workspace.scale.manipulator.window_frames
    rows: list[tuple[float, float, float, float]] = []
    clusters: list[tuple[str, str]] = []
    for actor in sorted(a for a, role in material.corpus.roles.items() if role == "target"):
        clips = {clip.key: clip for clip in learning_clips(material.corpus, actor)}
        offered = {key: signals(key, ("audio", model.visual)) for key in clips}
        table = tabulate_frames(offered, model.settings)
        bank = make_bank(model, table, actor, length, "")
        for key, row in _windows(bank, clips, blind=variant.blind):
            rows.append(row)
            clusters.append((actor, key))
    names = ("covered", "right_moment", "same_viseme", "mouth_distance")
    columns = np.array(rows).T
    return {
        name: measured_means(column, np.array(clusters))
        for name, column in zip(names, columns, strict=True)
    }


class _Truth(NamedTuple):
    clock: np.ndarray
    viseme: np.ndarray
    mouth: np.ndarray
    spoken: np.ndarray


def _truth(clip: Clip) -> _Truth:
    with np.load(clip.truth) as arrays:
        clock = arrays["frame_of_reference"]
        units = arrays["face_units"][:, MOUTH]
        return _Truth(clock, arrays["viseme"], units, spoken_frames(clock))


def _windows(
    bank: AudioBank, clips: Mapping[str, Clip], *, blind: bool
) -> Iterator[tuple[str, tuple[float, float, float, float]]]:
    """Neutral windows that end in speech: covered, right moment, viseme, distance of the mouth.

    The last frame of a window is what its sound was embedded from. NaN where nothing is found,
    and for the moment and the mouth where the emotion has no clip of the sentence.
    """
    truths = {key: _truth(clip) for key, clip in clips.items()}
    random = np.random.default_rng(BLIND_SEED)
    neutral = bank.windows(EMOTIONS[0])
    last = bank.first + bank.window_frames - 1
    for emotion, nearest in bank.from_neutral.items():
        others = bank.windows(emotion)
        same = {clip.sentence: key for key, clip in clips.items() if clip.emotion == emotion}
        for row, window in enumerate(neutral):
            key, frame = bank.keys[bank.clip[window]], last[window]
            truth = truths[key]
            if not truth.spoken[frame]:
                continue
            found = nearest.index[row][nearest.index[row] >= 0]
            if blind:
                found = random.integers(len(others), size=nearest.index.shape[1])
            if not len(found):
                yield key, (0.0, np.nan, np.nan, np.nan)
                continue
            at = [(bank.keys[bank.clip[w]], last[w]) for w in others[found]]
            viseme = np.mean([truths[k].viseme[f] == truth.viseme[frame] for k, f in at])
            right = mouth = np.nan
            counterpart = same.get(clips[key].sentence)
            if counterpart is not None:
                moment = exact_moments(truth.clock, truths[counterpart].clock)[frame]
                right = np.mean(
                    [k == counterpart and abs(f - moment) <= NEAR_FRAMES for k, f in at]
                )
                wanted = truths[counterpart].mouth[round(float(moment))]
                mouth = np.mean([np.abs(truths[k].mouth[f] - wanted).mean() for k, f in at])
            yield key, (1.0, float(right), float(viseme), float(mouth))


def prepare_retrieval(material: Material, seeds: tuple[int, ...]) -> None:
    """The learned metric of each seed."""
    for seed in seeds:
        _metric(material, seed)
