"""The recorded numbers of the reference networks and losses, by kind of case."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from spfem.correlation import CrossModalCoherence
from spfem.manipulator.data import ExpressionWindows, gaussian_weights
from spfem.manipulator.learn import Retrieved, SupervisedEdit
from spfem.manipulator.losses import PairedWindows, discriminator_loss, generator_terms
from spfem.manipulator.manipulate import geometric_median, manipulate, reference_style
from spfem.manipulator.networks import ExpressionSpace, Manipulator
from spfem.settings import CrossModalSettings, ManipulatorSettings
from spfem.supervision.pairs import PairLosses, embed_windows
from tests.parity import compare_cases, in_precisions

PAPER = ManipulatorSettings(standardise=False)
CROSS_DISTANCES = {"inter distance": "intermediate_distance"}  # as the settings name it


def _manipulator(case):
    arguments = case.arguments
    keys = next(value for value in case.arrays.values() if value.ndim >= 2)
    settings = replace(
        PAPER,
        style_size=arguments.get("style_dim", 16),
        latent_size=arguments.get("latent_dim", 4),
        mapping_width=arguments.get("hidden_dim", 64),
        window_frames=arguments.get("seq_len", 10),
    )
    names = tuple(map(str, range(arguments.get("num_exp_coeffs", keys.shape[-1]))))
    manipulator = Manipulator(
        settings, ExpressionSpace(names), emotions=arguments.get("n_emotions", 7)
    )
    for name in case.facts["nets"]:
        if hasattr(manipulator, name):
            case.fill(getattr(manipulator, name), name)
    return manipulator


def _manip_nets(case):
    networks = _manipulator(case)
    x, style, z, y = (case.inputs[name] for name in ("x", "style", "z", "y"))
    case.verify("generator", networks.generator(x, style))
    case.verify("style_encoder", networks.style_encoder(x))
    case.verify("mapping_network", networks.mapping_network(z, y))
    case.verify("discriminator", networks.discriminator(x, y))
    if "x_short" in case.inputs:
        short = case.inputs["x_short"]
        case.verify("generator_short", networks.generator(short, style[:1]))
        case.verify("style_encoder_short", networks.style_encoder(short))


def _manip_losses(case):
    networks = _manipulator(case)
    x, y, label = (case.inputs[name] for name in ("x", "y_org", "y_trg"))
    if case.facts["kind"] == "manip_losses_latent":
        style = networks.mapping_network(case.inputs["z"], label)
    else:
        style = networks.style_encoder(case.inputs["x_ref"])
    fake = networks.generator(x, style)
    real_loss, fake_loss = discriminator_loss(networks.discriminator, x, y, fake, label)
    (real_loss + fake_loss).backward()
    case.verify("d_real", real_loss)
    case.verify("d_fake", fake_loss)
    case.verify("d_loss", real_loss + fake_loss)
    _verify_gradients(case, networks, "d_grad.")
    networks.zero_grad()
    terms = generator_terms(
        networks.generator,
        networks.style_encoder,
        networks.discriminator,
        x,
        style,
        label,
        epsilon=0.0,
    )
    total = terms.total(
        style_weight=case.arguments["lambda_sty"],
        cycle_weight=case.arguments["lambda_cyc"],
        mouth_weight=case.arguments["lambda_mouth"],
    )
    total.backward()
    for name, value in (
        ("g_adv", terms.adversarial),
        ("g_sty", terms.style),
        ("g_cyc", terms.cycle),
        ("g_mouth", terms.mouth),
        ("g_loss", total),
    ):
        case.verify(name, value)
    _verify_gradients(case, networks, "g_grad.")


def _manip_losses_scmcl(case):
    """Every loss by the functions of the training; the retrieval is the recorded one."""
    networks = _manipulator(case)
    inputs = case.inputs
    count = len(inputs["x"])
    metric = CrossModalCoherence(
        CrossModalSettings(
            threshold=case.arguments["dist_thresh"],
            compat=CROSS_DISTANCES[case.compat["cross_expression_distance"]],
        )
    )
    metric.supervise()
    for net, module in (
        ("expr_encoder", metric.expr_encoder),
        ("expr_attn", metric.expr_attn),
        ("scale", metric.scale_layer),
    ):
        case.fill(module, net)
    windows = ExpressionWindows(
        list(torch.cat((inputs["x"], inputs["x_tgt"], inputs["inter_tgt"]))),
        [*inputs["y_org"].tolist(), *inputs["y_trg"].tolist(), *[0] * count],
        window_frames=inputs["x"].shape[1],
        batch_size=count,
        seed=0,
    )
    numbers = torch.arange(count)
    paired = inputs["mask"] > 0
    retrieved = Retrieved(
        torch.where(paired, numbers + count, -1),
        inputs["dist"],
        torch.where(paired, numbers + 2 * count, -1),
        inputs["inter_dist"],
    )
    rows = retrieved.paired.nonzero()[:, 0]
    pairs = PairedWindows(rows, windows.take(retrieved.window[rows]).expression)
    source, label = windows.take(numbers), inputs["y_trg"]
    style = networks.style_encoder(inputs["x_ref"])

    fake = networks.generator(
        torch.cat((source.expression, pairs.target)), torch.cat((style, style[rows]))
    )
    real_loss, fake_loss = discriminator_loss(
        networks.discriminator,
        source.expression,
        source.label,
        fake,
        torch.cat((label, label[rows])),
        retrieved=pairs.target,
        retrieved_label=label[rows],
    )
    case.verify("d_real", real_loss)
    case.verify("d_fake", fake_loss)
    case.verify("d_loss", real_loss + fake_loss)

    terms = generator_terms(
        networks.generator,
        networks.style_encoder,
        networks.discriminator,
        source.expression,
        style,
        label,
        pairs=pairs,
    )
    edit = SupervisedEdit(source, terms.edited, label, networks.restore, 0, retrieved, pairs)
    guided = PairLosses(metric, embed_windows(metric, windows))(edit)
    total = (
        terms.total()
        + 2  # recorded is 1 - correlation, twice
        + case.arguments["lambda_paired"] * guided["paired"]
        + case.arguments["lambda_sim"] * guided["consistency"]
    )
    total.backward()
    for name, value in (
        ("g_adv", terms.adversarial),
        ("g_sty", terms.style),
        ("g_cyc", terms.cycle),
        ("g_mouth", 2 - terms.mouth),
        ("g_paired", guided["paired"]),
        ("g_sim", guided["consistency"]),
        ("g_loss", total),
    ):
        case.verify(name, value)
    _verify_gradients(case, networks, "g_grad.")


def _verify_gradients(case, networks, prefix):
    for name in case.facts["outputs"]:
        if name.startswith(prefix):
            parameter = networks.get_parameter(name.removeprefix(prefix))
            case.verify(name, parameter.grad)


def _geometric_median(case):
    for name in case.inputs:
        output = "median" if name == "x" else f"median_{name}"
        median = geometric_median(case.inputs[name], tolerance=case.arguments["eps"])
        case.verify(output, median)


def _overlap_add(case):
    manipulator = _manipulator(case)
    names = sorted((n for n in case.inputs if n != "source"), key=lambda n: int(n[1:]))
    styles = [reference_style(manipulator, case.inputs[name]) for name in names]
    source = case.inputs["source"]
    outputs = [manipulate(source, manipulator=manipulator, style=style) for style in styles]
    case.verify("styles", torch.stack(styles))
    case.verify("output", torch.stack(outputs))
    case.verify("window", gaussian_weights(case.arguments["seq_len"]))
    for name in case.facts["outputs"]:
        if name.startswith("window") and name != "window":
            case.verify(name, gaussian_weights(int(name.removeprefix("window"))))


COVERED = {
    "manip_nets": _manip_nets,
    "manip_losses_latent": _manip_losses,
    "manip_losses_reference": _manip_losses,
    "manip_losses_scmcl": _manip_losses_scmcl,
    "geometric_median": _geometric_median,
    "overlap_add": _overlap_add,
}
SINGLE_ONLY = ("geometric_median", "overlap_add")


@pytest.mark.parametrize(("kind", "dtype"), in_precisions(COVERED, single_only=SINGLE_ONLY))
def test_recorded_outputs(check, parity_folder, kind, dtype):
    compare_cases(COVERED, check, parity_folder, kind, dtype)
