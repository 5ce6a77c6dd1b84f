"""SCMCL's retrieval taken apart: threshold and number of pairs. Nothing is learned for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from spfem.ablations.material import Material
from spfem.ablations.measured import Measured, measured_means
from spfem.ablations.recipe import Recipe
from spfem.ablations.retrieval_variants import RetrievalVariant
from spfem.ablations.table import ablation_folder
from spfem.artifacts import file_digest
from spfem.corpus.clips import Clip
from spfem.corpus.protocol import learning_clips
from spfem.correlation.crossmodal.bank import AudioBank, make_bank
from spfem.correlation.crossmodal.model import CrossModalCoherence
from spfem.correlation.crossmodal.retrieval_table import NEAR_FRAMES, exact_moments, spoken_frames
from spfem.correlation.crossmodal.samples import tabulate_frames
from spfem.evaluation.supervision_probe import MOUTH
from spfem.settings import EMOTIONS, CrossModalSettings
from spfem.stages.metrics import clip_signals, make_cross_modal_metric

BLIND_SEED = 0


def _variant_settings(
    settings: CrossModalSettings, variant: RetrievalVariant
) -> CrossModalSettings:
    return replace(settings, **variant.changes)


def retrieval_recipe(material: Material, variant: RetrievalVariant, seed: int) -> Recipe:
    """What decides the numbers of a variant."""
    workspace = material.workspace
    changed = _variant_settings(workspace.scale.cross_modal, variant)
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
    model.settings = _variant_settings(model.settings, variant)
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


@dataclass(frozen=True)
class _Truth:
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
