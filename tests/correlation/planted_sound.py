"""Clips whose sound and expression both follow one hidden moment, which the emotion warps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from spfem.correlation import CrossModalCoherence
from spfem.correlation.sound import ClipSignals
from spfem.settings import CrossModalSettings

SMALL = CrossModalSettings(
    width=16,
    layers=4,
    doublings=(2,),
    image_width=16,
    embedding=16,
    heads=2,
    sample_rate=800,
    fps=25,
    image_size=32,
    single_image_size=32,
    consistency_start=10,
    false_negative_frames=1,
    batch_size=24,
    single_learning_rate=3e-3,
    single_steps=60,
    joint_learning_rate=3e-3,
    joint_steps=60,
    curve_steps=20,
    top_k=4,
)
EXPRESSION_SIZE = 12


@dataclass(frozen=True)
class PlantedPair:
    source: str
    target: str
    path: np.ndarray
    usable: bool = True


@dataclass(frozen=True)
class PlantedPairs:
    pairs: tuple[PlantedPair, ...]
    digest: str = "planted"


def _clip(moments: np.ndarray, sentence: int, emotion: int, random, settings) -> ClipSignals:
    words = np.random.default_rng([3, sentence])  # of the sentence, whoever says it
    bends = np.cumsum(words.normal(size=(30, 3)), axis=0)
    bends /= np.abs(bends).max(axis=0)
    state = np.stack(
        [np.interp(moments, np.arange(30), bends[:, n]) for n in range(3)], axis=1
    )  # (T, 3) in [-1, 1]
    step = settings.frame_samples
    time = np.arange(len(moments) * step) / settings.sample_rate
    smooth = np.repeat(state, step, axis=0)
    sound = sum(
        (0.25 + 0.2 * smooth[:, n]) * np.sin(2 * np.pi * tone * time)
        for n, tone in enumerate((50, 125, 250))
    )
    face = np.random.default_rng(5).normal(size=(3, EXPRESSION_SIZE)) / 2
    look = 0.3 * emotion * np.random.default_rng(6).normal(size=EXPRESSION_SIZE)
    expression = state @ face + look + 0.01 * random.normal(size=(len(moments), EXPRESSION_SIZE))
    colours = np.clip(127 + 120 * state, 0, 255).astype(np.uint8)
    image = np.broadcast_to(colours[:, None, None], (len(moments), 32, 32, 3)).copy()
    image[:, :8] = 60 * emotion
    return ClipSignals(sound.astype(np.float32), expression.astype(np.float32), image)


def planted_clips(actors=("A", "B"), sentences=2, emotions=("happy", "sad"), settings=SMALL):
    """Signals by clip key, their pairs with paths, and the clock of every clip."""
    clips, pairs, clocks = {}, [], {}
    for actor_number, actor in enumerate(actors):
        for sentence in range(sentences):
            random = np.random.default_rng([actor_number, sentence])
            neutral = np.linspace(0, 29, 30)
            source = f"{actor}/neutral/level_1/{sentence:03d}"
            clips[source] = _clip(neutral, sentence, 0, random, settings)
            clocks[source] = neutral
            for label, emotion in enumerate(emotions, start=1):
                speed = 0.8 + 0.1 * label
                moments = np.linspace(0, 29, round(30 / speed))
                target = f"{actor}/{emotion}/level_3/{sentence:03d}"
                clips[target] = _clip(moments, sentence, label, random, settings)
                clocks[target] = moments
                path = np.stack([np.round(moments).astype(int), np.arange(len(moments))], axis=1)
                pairs.append(PlantedPair(source, target, path))
    return clips, PlantedPairs(tuple(pairs)), clocks


NARROW = CrossModalSettings(width=16, image_width=16, embedding=32, image_size=32)


def build(visual="expression", settings=NARROW):
    torch.manual_seed(0)
    metric = CrossModalCoherence(settings, visual)
    with torch.no_grad():
        metric.scale_layer.w.fill_(1.5)
        metric.scale_layer.b.fill_(0.25)
    return metric


def moved_statistics(metric):
    """Give batch norms other statistics than the initial ones, as learning does."""
    for module in metric.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return metric
