"""Cases of the cross-modal metric: encoders, fusion, losses of learning and of supervision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.agreement import Case
from benchmarks.correlation_cases import normal
from benchmarks.made_up import EXPRESSIONS, made_up_images
from benchmarks.sizes import Sizes
from spfem.correlation.learn_sound import initial_encoder, initial_joint
from spfem.correlation.paired import distance_consistency_loss, paired_expression_loss
from spfem.correlation.scmcl import (
    CrossModalCoherence,
    ScaleLayer,
    consistency_loss,
    mean_distances,
    pair_loss,
)
from spfem.settings import CrossModalSettings

WINDOWS = 6


def cross_modal_cases(sizes: Sizes) -> Iterator[Case]:
    """All cases of `spfem.correlation.crossmodal`."""
    settings = sizes.cross_modal
    sound = normal(4, settings.frame_samples).clamp(-3, 3) / 3
    side = settings.image_size
    for modality, shown in (
        ("audio", sound[:, None]),
        ("expression", normal(4, 1, EXPRESSIONS)),
        ("image", made_up_images(4, side, 0).double()),
    ):
        encoder = initial_encoder(modality, settings, 0).train()
        yield Case(f"SCMCL encoder of {modality}", encoder, {"x": shown}, _embed)
    yield from _losses()
    expression = {
        "audio": (normal(WINDOWS, 2, settings.frame_samples) / 3).clamp(-1, 1),
        "visual": normal(WINDOWS, 2, EXPRESSIONS, seed=1),
    }
    faces = made_up_images(2 * WINDOWS, side, 1).double().unflatten(0, (WINDOWS, 2))
    for visual, shown in (("expression", expression["visual"]), ("image", faces)):
        metric = initial_joint(settings, visual, 0).train()  # type: ignore[arg-type]
        inputs = {"audio": expression["audio"], "visual": shown}
        yield Case(f"SCMCL joint, {visual}", metric, inputs, _joint)
    yield from _supervising(settings)


def _embed(encoder: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    return [encoder(given["x"])]


def _joint(metric: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    assert isinstance(metric, CrossModalCoherence)
    u, v = metric.embed_audio(given["audio"]).chunk(2)
    x, y = metric.embed_visual(given["visual"]).chunk(2)
    heard, audio_distances = pair_loss(u, v)
    seen, visual_distances = pair_loss(x, y)
    scaled = metric.scale_layer(visual_distances)
    return [heard + seen + consistency_loss(audio_distances, scaled), audio_distances, scaled]


def _losses() -> Iterator[Case]:
    pairs = {"u": normal(8, 16, seed=2).tanh(), "v": normal(8, 16, seed=3).tanh()}
    mask = (torch.arange(64).reshape(8, 8) % 5 == 1) & ~torch.eye(8, dtype=torch.bool)
    for mode in ("l2", "cosine"):

        def both(module: nn.Module, given: Mapping[str, Tensor], mode: str = mode) -> list[Tensor]:
            u, v = given["u"], given["v"]
            loss, distances = pair_loss(u, v, mode=mode, mask=mask.to(u.device))
            return [loss, distances, *mean_distances(u, v, mode=mode)]

        yield Case(f"SCMCL pair loss, {mode}", nn.Identity(), pairs, both)

    def agree(scale: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
        distances = [torch.cdist(given[name], given[name].flip(0)) for name in ("u", "v")]
        held = scale(distances[1])
        return [consistency_loss(distances[0], held, form=f) for f in ("distance", "softmax")]

    yield Case("SCMCL consistency", ScaleLayer(), pairs, agree)


def _supervising(settings: CrossModalSettings) -> Iterator[Case]:
    """The paired terms on windows of which some have no pair and some cross two emotions."""
    inputs = {
        "generated": normal(WINDOWS, 10, EXPRESSIONS, seed=4),
        "source": normal(WINDOWS, 10, EXPRESSIONS, seed=5),
        "between": normal(WINDOWS, 10, EXPRESSIONS, seed=6),
        "distance": torch.linspace(0.1, 1.5, WINDOWS, dtype=torch.float64),
        "further": torch.linspace(1.0, 0.2, WINDOWS, dtype=torch.float64),
        "from": torch.tensor([0, 1, 2, 0, 1, 0]),
        "to": torch.tensor([2, 0, 1, 3, 1, 4]),
    }
    constants = ("source", "between", "distance", "further")

    def held(metric: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
        assert isinstance(metric, CrossModalCoherence)
        paired = torch.arange(WINDOWS, device=given["from"].device) != 3
        loss = distance_consistency_loss(
            metric,
            given["generated"],
            given["source"],
            given["distance"],
            paired,
            given["from"],
            given["to"],
            intermediate=given["between"],
            intermediate_distance=given["further"],
        )
        absolute = [
            paired_expression_loss(
                given["generated"],
                given["source"],
                given["distance"],
                paired,
                intermediate_distance=given["further"],
                form=form,
            )
            for form in ("cosine", "absolute")
        ]
        plain = metric(given["generated"], given["source"], given["distance"])
        return [loss, *absolute, plain]

    for name, changed in (
        ("SCMCL, supervising", settings),
        ("SCMCL, supervising as released", replace(settings, compat="upstream")),
    ):
        metric = initial_joint(changed, "expression", 0).supervise()
        yield Case(name, metric, inputs, held, constants)
