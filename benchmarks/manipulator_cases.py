"""Cases of the manipulator: its networks, losses, styles and the edit of a clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.agreement import Case
from benchmarks.correlation_cases import normal
from benchmarks.made_up import EXPRESSIONS
from benchmarks.networks import made_up_expression, made_up_manipulator
from benchmarks.sizes import Sizes
from spfem.manipulator.data import overlap_add, slide_windows
from spfem.manipulator.losses import (
    PairedWindows,
    discriminator_loss,
    generator_terms,
    jaw_correlation,
)
from spfem.manipulator.manipulate import (
    geometric_median,
    label_style,
    manipulate,
    mix_styles,
    set_intensity,
)
from spfem.manipulator.networks import Manipulator

WINDOWS, PAIRS = 6, 2


def manipulator_cases(sizes: Sizes) -> Iterator[Case]:
    """All cases of `spfem.manipulator`."""
    settings = sizes.manipulator
    manipulator = made_up_manipulator(settings).train()
    inputs = {
        "source": normal(WINDOWS, settings.window_frames, EXPRESSIONS),
        "target": normal(PAIRS, settings.window_frames, EXPRESSIONS, seed=1),
        "style": normal(WINDOWS, settings.style_size, seed=2),
        "latent": normal(WINDOWS, settings.latent_size, seed=3),
        "label": torch.arange(WINDOWS) % 7,
    }
    yield Case("manipulator, networks", manipulator, inputs, _networks)
    yield Case("manipulator, losses", manipulator, inputs, _losses)
    anchored = Manipulator(replace(settings, residual=True), manipulator.space).train()
    yield Case("manipulator, residual, losses", anchored, inputs, _losses)
    clip = {
        "clip": made_up_expression(40).double(),
        "style": normal(settings.style_size, seed=4),
        "other": normal(settings.style_size, seed=5),
    }
    yield Case("manipulator, edit of a clip", manipulator.eval(), clip, _edit)
    points = {"points": normal(50, settings.style_size, seed=6)}
    yield Case("geometric median", nn.Identity(), points, _median, constants=("points",))


def _networks(module: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    assert isinstance(module, Manipulator)
    return [
        module.generator(given["source"], given["style"]),
        module.style_encoder(given["source"]),
        module.mapping_network(given["latent"], given["label"]),
        module.discriminator(given["source"], given["label"]),
        jaw_correlation(given["source"], given["source"].flip(1)),
    ]


def _losses(module: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    assert isinstance(module, Manipulator)
    rows = torch.arange(PAIRS, device=given["label"].device)
    terms = generator_terms(
        module.generator,
        module.style_encoder,
        module.discriminator,
        given["source"],
        given["style"],
        given["label"],
        pairs=PairedWindows(rows, given["target"]),
    )
    real, fake = discriminator_loss(
        module.discriminator,
        given["source"],
        given["label"],
        terms.edited,
        given["label"],
        retrieved=given["target"],
        retrieved_label=given["label"][:PAIRS],
    )
    return [terms.total(), terms.adversarial, terms.style, terms.cycle, terms.mouth, real, fake]


def _edit(module: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    assert isinstance(module, Manipulator)
    clip = given["clip"].detach()
    edited, anchored = (
        manipulate(clip, manipulator=module, style=given["style"].detach(), anchored=anchored)
        for anchored in (False, True)
    )
    windows = slide_windows(given["clip"], module.settings.window_frames)
    return [
        edited,
        anchored,
        set_intensity(clip, edited, 0.3),
        mix_styles(given["style"], given["other"], 0.4),
        label_style(module, 2, seed=1, latents=5),
        overlap_add(windows),
    ]


def _median(module: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    return [geometric_median(given["points"])]
