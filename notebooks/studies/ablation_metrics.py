"""What every ablation reads: the corpus, its faces and pairs, and actors that no metric saw.

The stage of one variant and seed: what decides its numbers, and its folder.

An ablation table as data: its variants, what they are measured by, and how that is done.

SCMCL taken apart: consistency, masked negatives, fusion, stage A, what is seen.

SCMCL's retrieval taken apart: threshold and number of pairs. Nothing is learned for it.

ASCCL taken apart: neighbours, centres, temperature, levels, adaptive weights.

STCCL taken apart: parts, formulation, window, places, weights.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spfem.corpus.clips import Clip, Corpus
from spfem.corpus.protocol import learning_clips
from spfem.correlation.frames import (
    AlignedClips,
    FramePairs,
    FrameProvider,
    FrameWindows,
    collect_frame_pairs,
    held_steps,
)
from spfem.correlation.learn import (
    formulated,
    frame_pairs_of_role,
    learn_from_frames,
    train_temporal,
)
from spfem.correlation.learn_sound import embed_runs, initial_joint, train_joint, train_single
from spfem.correlation.retrieval import AudioBank, make_bank
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.similarity import (
    Comparison,
    SimilarityScores,
    list_comparisons,
    score_similarity,
)
from spfem.correlation.sound import FrameSamples, FrameTable, tabulate_frames
from spfem.correlation.window_similarity import (
    WindowChoice,
    list_window_comparisons,
    score_window_similarity,
)
from spfem.errors import CorpusError
from spfem.files import digest, file_digest
from spfem.pairing.pairs import PairIndex
from spfem.run.artifacts import RECORD_NAME, open_stage
from spfem.run.data import make_corpus, make_faces, make_pairs
from spfem.run.deciding_code import MadeBy, code_digest
from spfem.run.faces import FaceStore
from spfem.run.learned import clip_signals, frames_of_roles, make_cross_modal_metric
from spfem.run.workspace import Workspace
from spfem.scales import AblationSettings
from spfem.settings import (
    EMOTIONS,
    CrossModalSettings,
    SpatialSettings,
    TemporalSettings,
)
from spfem.training import Progress
from studies.ablation_variants import (
    LONGEST,
    SHORTEST,
    SPATIAL_ALONE,
    CrossModalVariant,
    Measured,
    PartialSpatialCoherence,
    Quantity,
    RetrievalVariant,
    SpatialVariant,
    TemporalVariant,
    Variant,
    initial_partial_metric,
    load_measured,
    measured_means,
    save_measured,
)
from studies.probes import MOUTH, gradient_maps, mouth_region
from studies.retrieval import (
    NEAR_FRAMES,
    ClipEmbeddings,
    direct_distances,
    exact_moments,
    over_windows,
    relational_distances,
    score_retrieval,
    spoken_frames,
)

UNSEEN_ROLES = ("held_out", "target")


@dataclass(frozen=True, eq=False)  # by identity, so that what is learned can be kept by it
class Material:
    """Corpus, faces and pairs of a workspace, opened once."""

    workspace: Workspace
    corpus: Corpus
    faces: FaceStore
    pairs: PairIndex

    @property
    def settings(self) -> AblationSettings:
        """How much is learned and scored."""
        return self.workspace.scale.ablations

    @property
    def inputs(self) -> dict[str, str]:
        """Digests of what is read."""
        return {
            "corpus": self.corpus.digest,
            "faces": self.faces.digest,
            "pairs": self.pairs.digest,
        }

    @property
    def device(self) -> str:
        """Where to learn."""
        return self.workspace.device

    @cached_property
    def train(self) -> FramePairs:
        """Frames of the actors that metrics learn from."""
        return frame_pairs_of_role(self.faces, self.pairs, self.corpus.roles, "train")

    def scored_pairs(self) -> tuple[AlignedClips, ...]:
        """Usable clip pairs of unseen actors, evenly spread over actors and emotions.

        Held-out and target actors alike: no metric learns from either.
        """
        roles = self.corpus.roles
        usable = [
            pair
            for pair in self.pairs.pairs
            if pair.usable and roles[pair.source.split("/")[0]] in UNSEEN_ROLES
        ]
        most = min(self.settings.scored_pairs, len(usable))
        spread = np.linspace(0, len(usable), most, endpoint=False).astype(int)
        return tuple(usable[number] for number in spread)

    @cached_property
    def unseen(self) -> FramePairs:
        """Frames of the scored pairs."""
        scored = self.scored_pairs()
        return collect_frame_pairs(self.faces, scored, {p.source.split("/")[0] for p in scored})

    def truths(self, name: str) -> dict[str, np.ndarray]:
        """The array `name` of the exact truth of each clip of the scored pairs, by clip key."""
        clips = {clip.key: clip for clip in self.corpus.clips}
        truths = {}
        for pair in self.scored_pairs():
            for key in (pair.source, pair.target):
                with np.load(clips[key].truth) as arrays:
                    truths[key] = arrays[name]
        return truths


def read_material(workspace: Workspace) -> Material:
    """Corpus, faces and pairs, made where they are not.

    Raises:
        CorpusError: if the corpus has no exact truth to measure against.
    """
    corpus = make_corpus(workspace)
    if not corpus.has_truth:
        raise CorpusError(
            f"{corpus.root} has no exact truth, which ablations are measured against; only the "
            "embedded corpus (--corpus synthetic) has it"
        )
    return Material(workspace, corpus, make_faces(workspace), make_pairs(workspace))


MEASURED_NAME = "measured.npz"
LEARNING_FOLDER = "learning"


@dataclass(frozen=True)
class Recipe:
    """Everything that the numbers of a variant depend on.

    Attributes:
        folder: of the stage, `ablations/<table>/<variant>/seed<k>`.
        name: of the stage.
        settings: plain values and dataclasses.
        inputs: digests of what is read.
        code: functions that make the numbers, see `open_stage`.
    """

    folder: Path
    name: str
    settings: Any
    inputs: Mapping[str, str]
    code: tuple[MadeBy, ...]


def read_variant(recipe: Recipe) -> dict[str, Measured] | None:
    """What was measured, if the stage is complete and up to date; nothing is changed on disk."""
    try:
        record = json.loads((recipe.folder / RECORD_NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    wanted = digest(
        {
            "stage": recipe.name,
            "settings": recipe.settings,
            "inputs": dict(recipe.inputs),
            "code": code_digest(*recipe.code),
        }
    )
    if record.get("digest") != wanted or not record.get("complete"):
        return None
    return load_measured(recipe.folder / MEASURED_NAME)


def make_variant(
    recipe: Recipe, measure: Callable[[Path], Mapping[str, Measured]]
) -> dict[str, Measured]:
    """Learn and measure, unless the stage is complete.

    Args:
        recipe: of the variant.
        measure: gets a folder for the state of learning, from which a killed run goes on; the
            folder is removed in the end, so that only numbers are kept.
    """
    stage = open_stage(
        recipe.folder,
        recipe.name,
        settings=recipe.settings,
        inputs=recipe.inputs,
        code=recipe.code,
    )
    path, learning = recipe.folder / MEASURED_NAME, recipe.folder / LEARNING_FOLDER
    if not stage.complete:
        learning.mkdir(exist_ok=True)
        save_measured(path, measure(learning))
        shutil.rmtree(learning)
        stage.finish(threads=torch.get_num_threads())
    return load_measured(path)


@dataclass(frozen=True)
class AblationTable:
    """One table.

    Attributes:
        name: `spatial`, `temporal` and so on; the folder below `ablations/`.
        subject: what is taken apart, in words.
        scored_on: what the values are measured on, in words.
        variants: with `name`, `component`, `what` and `against`.
        quantities: by name, in the order of the panels of the figure.
        recipe: of a variant and seed; made in the process that asks.
        measure: learns a variant from a seed, in a folder that keeps its state, and measures it.
        prepare: makes the stages that all variants read; gets the seeds that are learned.
        steps: of learning of a variant, for the estimate of time.
        step_seconds: measures one step of the default variant, for the estimate of time.
        scoring_steps: about as many steps as reading and scoring take the time of.
    """

    name: str
    subject: str
    scored_on: str
    variants: tuple[Any, ...]
    quantities: Mapping[str, Quantity]
    recipe: Callable[[Material, Any, int], Recipe]
    measure: Callable[[Material, Any, int, Path], Mapping[str, Measured]]
    prepare: Callable[[Material, tuple[int, ...]], None]
    steps: Callable[[AblationSettings], int]
    step_seconds: Callable[[Material], float]
    scoring_steps: int


def no_preparation(material: Material, seeds: tuple[int, ...]) -> None:
    """For tables that read corpus, faces and pairs only."""


def ablation_folder(material: Material, table: str, variant: str, seed: int) -> Path:
    """Folder of the stage of a variant; only letters, digits, dots and dashes of its name."""
    name = re.sub(r"[^a-z0-9.]+", "-", variant.lower()).strip("-")
    return material.workspace.stage_folder("ablations", table, name, f"seed{seed}")


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


LIST_SEED = 0


def spatial_settings(material: Material, variant: Variant, steps: int) -> SpatialSettings:
    """Settings of the spatial metric with the changes of a variant, and so many steps."""
    return replace(
        material.workspace.scale.spatial,
        **{**variant.changes, "steps": steps},
    )


def learn_partial(
    model: PartialSpatialCoherence,
    train: FrameProvider,
    *,
    seed: int,
    folder: Path | None = None,
    progress: Progress = iter,
) -> PartialSpatialCoherence:
    """Learn in place, as `train_spatial` does, and freeze.

    Args:
        model: with initial weights.
        train: frames to learn from.
        seed: of all draws.
        folder: of the state from which a killed run goes on.
        progress: wrapper of the step loop.
    """
    learn_from_frames(model, train, None, seed=seed, folder=folder, progress=progress)
    return model.supervise()


def spatial_recipe(material: Material, variant: SpatialVariant, seed: int) -> Recipe:
    """What decides the numbers of a variant."""
    scored = material.settings
    return Recipe(
        ablation_folder(material, "spatial", variant.name, seed),
        "ablation of the spatial metric",
        {
            "spatial": spatial_settings(material, variant, material.settings.spatial_steps),
            "levels": variant.levels,
            "neighbours": variant.neighbours,
            "seed": seed,
            "roles": dict(material.corpus.roles),
            "scored": [scored.scored_pairs, scored.comparisons, scored.gradient_moments],
        },
        material.inputs,
        (measure_spatial,),
    )


def measure_spatial(
    material: Material, variant: SpatialVariant, seed: int, folder: Path
) -> dict[str, Measured]:
    """Learn a variant and measure it on actors that it did not see."""
    settings = spatial_settings(material, variant, material.settings.spatial_steps)
    model = initial_partial_metric(
        settings, seed, levels=variant.levels, neighbours=variant.neighbours
    )
    learn_partial(model.to(material.device), material.train, seed=seed, folder=folder)
    moments = list_comparisons(
        material.unseen, material.truths("viseme"), material.settings.comparisons, seed=LIST_SEED
    )
    scores = score_similarity(model, material.unseen, moments)
    model.cpu()
    looked_at = moments[:: max(1, len(moments) // material.settings.gradient_moments)]
    return {
        **similarity_measured(scores, model.levels),
        "mouth_share": _mouth_share(model, material, looked_at),
    }


def similarity_measured(
    scores: SimilarityScores, levels: tuple[int, ...] | None = None
) -> dict[str, Measured]:
    """Speech and place as an ablation measures them, means over `levels` (default all)."""
    matched, speech, place = (
        (part if levels is None else part[:, list(levels)]).mean(axis=1)
        for part in (scores.matched, scores.mismatched_speech, scores.mismatched_place)
    )
    return {
        "speech_auc": Measured(np.stack([matched, speech], axis=1), scores.clusters),
        "speech_gap": measured_means(matched - speech, scores.clusters),
        "place_gap": measured_means(matched - place, scores.clusters),
    }


def _mouth_share(
    model: PartialSpatialCoherence, material: Material, moments: list[Comparison]
) -> Measured:
    """Share of the gradient on the mouth where only the mouth is wrong; see `gradient_map`."""
    unseen, faces = material.unseen, material.faces
    pairs = [unseen.pairs[row.pair] for row in moments]
    rows = list(zip(pairs, moments, strict=True))
    shown = np.stack([unseen.faces[pair.target][row.other_frame] for pair, row in rows])
    source = np.stack([unseen.faces[pair.source][row.source_frame] for pair, row in rows])
    regions = np.stack([mouth_region(faces[pair.target], row.other_frame) for pair, row in rows])
    shares = (gradient_maps(model, shown, source) * regions).sum(axis=(1, 2))
    clusters = np.array([[pair.actor, f"{pair.source} {pair.target}"] for pair in pairs])
    return measured_means(shares, clusters)


def temporal_settings(material: Material, variant: TemporalVariant, steps: int) -> TemporalSettings:
    """Settings of a metric of windows with the changes of a variant, and so many steps."""
    settings = material.workspace.scale.temporal
    if variant.metric != SPATIAL_ALONE:
        settings = formulated(variant.metric, settings)
    return replace(settings, **{**variant.changes, "steps": steps})


def _single_frames(settings: TemporalSettings) -> SpatialSettings:
    """The spatial part alone: as many frames a step, learned as the joint metric is."""
    return replace(
        settings.spatial,
        batch_size=settings.batch_size * settings.window_frames,
        learning_rate=settings.learning_rate,
        decay_share=settings.decay_share,
        steps=settings.steps,
    )


def temporal_recipe(material: Material, variant: TemporalVariant, seed: int) -> Recipe:
    """What decides the numbers of a variant."""
    return Recipe(
        ablation_folder(material, "temporal", variant.name, seed),
        "ablation of the temporal metric",
        {
            "metric": variant.metric,
            "temporal": temporal_settings(material, variant, material.settings.temporal_steps),
            "seed": seed,
            "roles": dict(material.corpus.roles),
            "scored": [material.settings.scored_pairs, material.settings.comparisons],
        },
        material.inputs,
        (measure_temporal,),
    )


def common_moments(material: Material) -> list[WindowChoice]:
    """Windows of `LONGEST` steps whose middle `SHORTEST` steps move, in every comparison.

    So windows of any length between can be cut from them, and all variants answer the same
    questions.
    """
    windows = FrameWindows(material.unseen, LONGEST)
    choices = list_window_comparisons(
        windows, material.truths("viseme"), material.settings.comparisons, seed=LIST_SEED
    )
    shift = (LONGEST - SHORTEST) // 2

    def held(choice: WindowChoice, start: int) -> np.ndarray:
        path = material.unseen.pairs[choice.pair].path
        return held_steps(path[start + shift : start + shift + SHORTEST])

    kept = []
    for choice in choices:
        own, other = held(choice, choice.start), held(choice, choice.other_start)
        still = own.any(axis=1).all() or (own[:, 0] | other[:, 1]).all()
        if not still:
            kept.append(choice)
    return kept


def cut_windows(choices: list[WindowChoice], window_frames: int) -> list[WindowChoice]:
    """The same moments as shorter windows around the same middle."""
    shift = (LONGEST - window_frames) // 2
    return [
        replace(choice, start=choice.start + shift, other_start=choice.other_start + shift)
        for choice in choices
    ]


def middle_frames(material: Material, choices: list[WindowChoice]) -> list[Comparison]:
    """The middle frames of the windows, for a metric of single frames."""
    middle = LONGEST // 2
    rows = []
    for choice in choices:
        path = material.unseen.pairs[choice.pair].path
        (source, target), other = path[choice.start + middle], path[choice.other_start + middle, 1]
        rows.append(Comparison(choice.pair, int(source), int(target), int(other)))
    return rows


def measure_temporal(
    material: Material, variant: TemporalVariant, seed: int, folder: Path
) -> dict[str, Measured]:
    """Learn a variant and measure it on actors that it did not see."""
    settings = temporal_settings(material, variant, material.settings.temporal_steps)
    moments = common_moments(material)
    if variant.metric == SPATIAL_ALONE:
        model = initial_partial_metric(_single_frames(settings), seed).to(material.device)
        learn_partial(model, material.train, seed=seed, folder=folder)
        frames = middle_frames(material, moments)
        return similarity_measured(score_similarity(model, material.unseen, frames))
    train = FrameWindows(material.train, settings.window_frames)
    learned = train_temporal(
        variant.metric, train, None, settings, seed=seed, device=material.device, folder=folder
    )
    windows = FrameWindows(material.unseen, settings.window_frames)
    cut = cut_windows(moments, settings.window_frames)
    return similarity_measured(score_window_similarity(learned.model.supervise(), windows, cut))
