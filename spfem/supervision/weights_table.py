"""Which loss has which weight, in both networks and every method, as one table."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from spfem.methods import METHODS, Method
from spfem.settings import ManipulatorSettings, RendererSettings, Scale, SupervisionSettings
from spfem.supervision.manipulator import manipulator_weights


def loss_weights(scale: Scale, methods: Iterable[Method] = METHODS.values()) -> pd.DataFrame:
    """Weights of a scale, one row a loss; names are those of the learning curves.

    The losses of NED come first, the same in every method; then what supervises. A metric's loss
    carries the metric's own scale in addition, and a weight of 0 switches a loss off.

    Args:
        scale: whose settings.
        methods: to show.

    Returns:
        Columns `network`, `loss`, and one a method by its title; 0 where a method lacks a loss.
    """
    chosen = tuple(methods)
    of_networks = {
        "manipulator": {
            method.title: _manipulator_losses(scale.manipulator)
            | manipulator_weights(
                scale.supervision,
                spatial=method.spatial,
                temporal=method.temporal,
                paired=method.paired,
            )
            for method in chosen
        },
        "renderer": {
            method.title: _renderer_losses(scale.renderer)
            | renderer_weights(scale.supervision, method)
            for method in chosen
        },
    }
    rows = []
    for network, of_methods in of_networks.items():
        losses = dict.fromkeys(name for weights in of_methods.values() for name in weights)
        for loss in losses:
            shown = {title: weights.get(loss, 0.0) for title, weights in of_methods.items()}
            rows.append({"network": network, "loss": loss, **shown})
    return pd.DataFrame(rows)


def renderer_weights(settings: SupervisionSettings, method: Method) -> dict[str, float]:
    """Weight of each loss that supervises a renderer, by name as in the learning curve."""
    weights = {"spatial": settings.renderer_spatial} if method.spatial else {}
    weights |= dict.fromkeys(method.temporal, settings.renderer_temporal)
    if method.paired:
        weights["paired"] = settings.renderer_paired
        weights["consistency"] = settings.renderer_consistency
    return weights


def _manipulator_losses(settings: ManipulatorSettings) -> dict[str, float]:
    return {
        "adversarial": 1.0,
        "style": settings.style_weight,
        "cycle": settings.cycle_weight,
        "mouth": settings.mouth_weight,
    }


def _renderer_losses(settings: RendererSettings) -> dict[str, float]:
    return {
        "adversarial": settings.adversarial_weight,
        "feature": settings.feature_weight,
        "perceptual": settings.perceptual_weight,
        "pixel": settings.pixel_weight,
    }
