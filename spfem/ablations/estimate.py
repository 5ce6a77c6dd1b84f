"""How long a step takes: measured before ablations start, on the default variant."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from spfem.ablations.cross_modal import learn_variant, variant_settings
from spfem.ablations.cross_modal_variants import VARIANTS as CROSS_MODAL_VARIANTS
from spfem.ablations.material import Material
from spfem.ablations.partial import initial_partial_metric
from spfem.ablations.retrieval import measure_retrieval
from spfem.ablations.retrieval_variants import VARIANTS as RETRIEVAL_VARIANTS
from spfem.ablations.spatial import learn_partial, spatial_settings
from spfem.ablations.spatial_variants import VARIANTS as SPATIAL_VARIANTS
from spfem.ablations.supervision import tune_variant, tuning_settings
from spfem.ablations.supervision_variants import VARIANTS as SUPERVISION_VARIANTS
from spfem.ablations.temporal import temporal_settings
from spfem.ablations.temporal_variants import JOINT
from spfem.ablations.temporal_variants import VARIANTS as TEMPORAL_VARIANTS
from spfem.correlation.temporal_training import train_temporal
from spfem.correlation.windows import FrameWindows

MEASURED_STEPS = 3


def seconds_of_a_step(learn: Callable[[int], object]) -> float:
    """Seconds of one step of `learn(steps)`, without what it does once."""

    def seconds(steps: int) -> float:
        started = time.perf_counter()
        learn(steps)
        return time.perf_counter() - started

    learn(1)  # warms up
    once = seconds(1)
    return max(0.0, seconds(1 + MEASURED_STEPS) - once) / MEASURED_STEPS


def spatial_step_seconds(material: Material) -> float:
    """Of the default variant of the spatial metric."""

    def learn(steps: int) -> None:
        settings = spatial_settings(material, SPATIAL_VARIANTS[0], steps)
        learn_partial(
            initial_partial_metric(settings, 0).to(material.device), material.train, seed=0
        )

    return seconds_of_a_step(learn)


def temporal_step_seconds(material: Material) -> float:
    """Of the joint metric of windows."""

    def learn(steps: int) -> None:
        settings = temporal_settings(material, TEMPORAL_VARIANTS[0], steps)
        train = FrameWindows(material.train, settings.window_frames)
        train_temporal(JOINT, train, None, settings, seed=0, device=material.device)

    return seconds_of_a_step(learn)


def cross_modal_step_seconds(material: Material) -> float:
    """Of stage A of both modalities and of stage B together."""
    variant = CROSS_MODAL_VARIANTS[0]
    return seconds_of_a_step(
        lambda steps: learn_variant(
            material, variant, variant_settings(material, variant, steps), seed=0
        )
    )


def retrieval_seconds(material: Material) -> float:
    """Of one variant of retrieval, which learns nothing."""
    started = time.perf_counter()
    measure_retrieval(material, RETRIEVAL_VARIANTS[0], material.settings.seeds[0], Path())
    return time.perf_counter() - started


def supervision_step_seconds(material: Material) -> float:
    """Of a manipulator with everything that supervises."""
    settings, seed = tuning_settings(material), material.settings.seeds[0]
    return seconds_of_a_step(
        lambda steps: tune_variant(
            material, SUPERVISION_VARIANTS[0], replace(settings, tune_steps=steps), seed
        )
    )
