"""Made-up faces, tracks, corpora and scores with planted answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spfem.corpus.clips import Clip, Corpus
from spfem.corpus.protocol import Edit, edit_protocol
from spfem.evaluation.emotion import clip_features
from spfem.evaluation.scores import CLIP_METRICS, ClipScore, FaceSample
from spfem.settings import EMOTIONS


def make_corpus(*, targets=3, learners=1, shared=2, own=2) -> Corpus:
    roles = {f"A{n}": "train" if n < learners else "target" for n in range(targets + learners)}
    clips = []
    for actor in roles:
        for emotion in EMOTIONS:
            level = 1 if emotion == "neutral" else 3
            for number in range(1, shared + own + 1):
                sentence = f"s{number}" if number <= shared else f"{emotion}{number}"
                clips.append(
                    Clip(Path("made_up"), actor, emotion, level, f"{number:03d}", sentence)
                )
    return Corpus(Path("made_up"), "made_up", 25, tuple(clips), roles, "0")


@dataclass(frozen=True)
class Track:
    found: np.ndarray
    landmarks: np.ndarray
    blendshapes: np.ndarray
    expression: np.ndarray


def make_landmarks(frames=6, seed=0) -> np.ndarray:
    """(T, 478, 3): a rigid random face whose lower lip opens and shuts."""
    random = np.random.default_rng(seed)
    face = random.uniform(30, 90, (478, 3))
    face[[33, 133, 362, 263], :2] = (40, 50), (52, 51), (68, 51), (80, 50)
    face[2, :2] = 60, 78
    landmarks = np.repeat(face[None], frames, axis=0)
    landmarks[:, 14, 1] += 5 * (1 + np.sin(np.arange(frames)))
    return landmarks.astype(np.float32)


def make_track(frames=6, seed=0, emotion=0) -> Track:
    random = np.random.default_rng(seed)
    codes = random.uniform(0, 0.1, (frames, 52))
    codes[:, emotion] += 0.8
    codes = codes.astype(np.float32)
    return Track(np.ones(frames, bool), make_landmarks(frames), codes, codes)


def make_scores(methods=("copy", "ned", "ned+asccl", "truth"), seeds=(0, 1)):
    """Scores whose values are known: 10 x (position of the method) + emotion index."""
    random = np.random.default_rng(0)
    edits: tuple[Edit, ...] = edit_protocol(make_corpus(), sources_per_actor=2)
    scores = []
    for edit in edits:
        for position, method in enumerate(methods):
            for seed in seeds:
                value = 10.0 * position + EMOTIONS.index(edit.emotion)
                values = dict.fromkeys(CLIP_METRICS, value)
                sample = make_sample(random, edit.actor, edit.emotion, shift=0.3 * position)
                scores.append(ClipScore(edit, method, seed, values, edit.emotion, sample))
    return scores


def make_sample(random, actor, emotion, shift=0.0) -> FaceSample:
    return FaceSample(
        actor,
        emotion,
        np.arange(2),
        (1 + shift + random.normal(0, 0.1, (2, 128))).astype(np.float32),
        (shift + random.normal(0, 0.1, (5, 52))).astype(np.float32),
    )


def make_real():
    random = np.random.default_rng(1)
    actors = ("A1", "A2", "A3")
    return [make_sample(random, a, e) for a in actors for e in EMOTIONS for _ in range(3)]


def without_face(track: Track) -> Track:
    return replace(track, found=np.zeros(len(track.found), bool))


def crossed_rows(*, actors, clips, emotions, seeds, every=1):
    """Labels (N, 2) of actor and clip, and seeds (N,); a seed edits every n-th cell, rotating."""
    rows = [
        (f"A{actor}", f"A{actor}c{clip}", seed)
        for actor in range(actors)
        for clip in range(clips)
        for emotion in range(emotions)
        for seed in range(seeds)
        if ((actor * clips + clip) * emotions + emotion + seed) % every == 0
    ]
    return np.array([row[:2] for row in rows]), np.array([row[2] for row in rows])


def planted_values(random, labels, seeds, deviations):
    """Values (N,) with effects of actor, clip, seed, actor with seed, and a rest."""
    _, actor = np.unique(labels[:, 0], return_inverse=True)
    _, clip = np.unique(labels[:, 1], return_inverse=True)
    groups = (actor, clip, seeds, actor * (seeds.max() + 1) + seeds, np.arange(len(seeds)))
    return sum(
        deviation * random.normal(size=group.max() + 1)[group]
        for deviation, group in zip(deviations, groups, strict=True)
    )


def make_told_clips(noise):
    """Features, emotions and actors of clips that say their emotion in one code each."""
    random = np.random.default_rng(0)
    features, emotions, actors = [], [], []
    for actor in "ABC":
        manner = random.uniform(0, 0.1, 52)
        for index, emotion in enumerate(EMOTIONS):
            for _ in range(3):
                codes = manner + random.uniform(0, 0.1, (20, 52))
                codes[:, 3 * index] += 0.5 + noise * random.normal()
                features.append(clip_features(codes))
                emotions.append(emotion)
                actors.append(actor)
    return np.stack(features), emotions, actors
