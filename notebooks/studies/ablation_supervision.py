"""The supervision of the manipulator taken apart: components left out, and their weights.

Measured on codes, before anything is rendered: the renderer is the same question again, and costs
far more.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from spfem.corpus.protocol import edit_protocol
from spfem.edit.chain import Wish, edit_expression
from spfem.evaluation.emotion import EmotionClassifier, clip_features, fit_emotions
from spfem.files import file_digest
from spfem.manipulator.learn import train_manipulator
from spfem.manipulator.networks import Manipulator, load_manipulator
from spfem.run.data import make_persons
from spfem.run.faces import FaceStore
from spfem.run.manipulators import (
    ANCHORED,
    Supervision,
    learning_windows,
    make_base_manipulator,
    make_supervision,
    weigh_losses,
)
from spfem.settings import EMOTIONS, ManipulatorSettings, SupervisionSettings
from studies.ablation_stages import Material, Measured, Recipe, ablation_folder, measured_means
from studies.ablation_variants import SUPERVISION_VARIANTS, SupervisionVariant
from studies.probes import MOUTH


def _weights(material: Material, variant: SupervisionVariant) -> SupervisionSettings:
    given = material.workspace.scale.supervision
    changed = {name: factor * getattr(given, name) for name, factor in variant.factors.items()}
    return replace(given, **changed)


def tuning_settings(material: Material) -> ManipulatorSettings:
    """Settings of the manipulator, with the few steps of an ablation."""
    return replace(material.workspace.scale.manipulator, tune_steps=material.settings.tune_steps)


@lru_cache
def _base(material: Material, seed: int) -> Path:
    return make_base_manipulator(material.workspace, seed)


@lru_cache
def _persons(material: Material) -> FaceStore:
    return make_persons(material.workspace)


def supervision_of(
    material: Material, variant: SupervisionVariant, seed: int
) -> Supervision | None:
    """What supervises a variant."""
    return make_supervision(material.workspace, variant.method, _weights(material, variant), seed)


def supervision_recipe(material: Material, variant: SupervisionVariant, seed: int) -> Recipe:
    """What decides the numbers of a variant."""
    supervision = supervision_of(material, variant, seed)
    return Recipe(
        ablation_folder(material, "supervision", variant.name, seed),
        "ablation of the supervision",
        {
            "manipulator": tuning_settings(material),
            "supervision": supervision.settings if supervision else {},
            "seed": seed,
            "anchored": ANCHORED,
            "sources_per_actor": material.settings.sources_per_actor,
        }
        | ({"copy": True} if variant.copy else {}),
        {
            **material.inputs,
            **(supervision.inputs if supervision else {}),
            "persons": _persons(material).digest,
            "base": file_digest(_base(material, seed)),
        },
        (measure_supervision,),
    )


def measure_supervision(
    material: Material, variant: SupervisionVariant, seed: int, folder: Path
) -> dict[str, Measured]:
    """Tune a manipulator; compare the codes of its edits, or a copy, with the exact truth."""
    manipulator = None
    if not variant.copy:
        manipulator = tune_variant(material, variant, tuning_settings(material), seed, folder)
    return codes_measured(material, manipulator, _classifier(material), seed)


def tune_variant(
    material: Material,
    variant: SupervisionVariant,
    settings: ManipulatorSettings,
    seed: int,
    folder: Path | None = None,
) -> Manipulator:
    """Go on from the base for `tune_steps`, as `make_manipulator` does."""
    supervision = supervision_of(material, variant, seed)
    base = _base(material, seed)
    keys, windows = learning_windows(material.workspace, settings, seed)
    start = load_manipulator(base, device=material.device)
    guide = weigh_losses(supervision, keys, windows, start, settings)[0] if supervision else None
    return train_manipulator(windows, settings, start, guide, folder=folder)[0].cpu()


def _classifier(material: Material) -> EmotionClassifier:
    """Names emotions from codes; learned on actors that are not edited."""
    persons, corpus = _persons(material), material.corpus
    clips = [clip for clip in corpus.clips if corpus.roles[clip.actor] != "target"]
    features = [clip_features(persons[clip.key].expression) for clip in clips]
    return fit_emotions(np.stack(features), [clip.emotion for clip in clips])


def codes_measured(
    material: Material, manipulator: Manipulator | None, classifier: EmotionClassifier, seed: int
) -> dict[str, Measured]:
    """Edit held-back clips after a reference, and compare codes with the true face units.

    Without a manipulator nothing is edited: the codes of the source are compared.
    """
    persons = _persons(material)
    clips = {clip.key: clip for clip in material.corpus.clips}
    count = material.settings.sources_per_actor
    rows, clusters = [], []
    for edit in edit_protocol(material.corpus, sources_per_actor=count):
        source = clips[edit.source]
        wish = Wish(references=(persons[edit.reference].expression,))
        made = persons[edit.source].expression
        if manipulator is not None:
            made = edit_expression(manipulator, made, wish, anchored=ANCHORED, seed=seed)
        same = edit.emotion == EMOTIONS[0]
        with np.load(source.truth if same else source.counterpart(edit.emotion)[1]) as arrays:
            truth = arrays["face_units"]
        off = np.abs(made - truth[: len(made)])
        wanted = EMOTIONS.index(edit.emotion)
        share = classifier.probabilities(clip_features(made)[None])[0]
        rows.append(
            (off[:, MOUTH].mean(), off.mean(), share[wanted], float(share.argmax() == wanted))
        )
        clusters.append((edit.actor, edit.source))
    names = ("mouth_error", "expression_error", "emotion_probability", "emotion_accuracy")
    return {
        name: measured_means(column, np.array(clusters))
        for name, column in zip(names, np.array(rows, float).T, strict=True)
    }


def prepare_supervision(material: Material, seeds: tuple[int, ...]) -> None:
    """Base manipulators and metrics of each seed."""
    for seed in seeds:
        _base(material, seed)
        for variant in SUPERVISION_VARIANTS:
            supervision_of(material, variant, seed)
