"""The recorded numbers of the released metric, by kind of case."""

from __future__ import annotations

import pytest
import torch

from spfem.correlation.asccl import (
    ProjectionHeads,
    SpatialCoherence,
    adaptive_weight,
    info_nce,
    normalise_channels,
)
from spfem.correlation.backbone import IResNet
from spfem.correlation.learn import released_similarity
from spfem.settings import SpatialSettings
from tests.parity import compare_cases, in_precisions


def _backbone(case):
    images = case.inputs["image"]
    names = case.released_shapes()
    widths = [
        shape[0] for name, shape in names.items() if name.endswith(".0.conv2.weight")
    ]  # of the first block of each stage
    blocks = case.arguments.get("blocks") or [
        sum(f"layer{level + 1}." in n and n.endswith(".conv2.weight") for n in names)
        for level in range(len(widths))
    ]
    net = case.fill(IResNet(widths, blocks))
    with torch.no_grad():
        for level, features in enumerate(net(images)):
            case.verify(f"level{level}", features)
    for name in case.facts["outputs"]:
        if "running_" in name:
            case.verify(name, net.get_buffer(name))


def _heads(case):
    widths = [pair[0] for pair in case.arguments["widths"]]
    heads = case.fill(ProjectionHeads(widths))
    for level in range(len(widths)):
        rows = heads.project(level, case.inputs[f"level{level}"])
        case.verify(f"head{level}", rows)
        case.verify(f"z{level}", normalise_channels(rows.transpose(1, 2)))


def _spatial(case):
    inputs = case.inputs
    arguments = case.arguments
    settings = SpatialSettings(
        image_size=inputs["image_q"].shape[-1],
        centres=tuple(arguments["samples"]),
        temperature=arguments["tau"],
        scale=case.compat["scale"],
        compat="upstream",
    )
    metric = case.fill(SpatialCoherence(settings))
    images = inputs["image_q"].requires_grad_()
    count = len(settings.centres)
    levels = metric.compare(
        images, inputs["image_k"], centres=[inputs[f"centres{n}"] for n in range(count)]
    )
    loss = metric.total(levels)
    loss.backward()
    case.verify("loss", loss)
    scores = [
        released_similarity(level.query, level.key, inputs[f"perm{n}"])
        for n, level in enumerate(levels)
    ]
    case.verify("pos", sum(positive for positive, _ in scores) / count)
    case.verify("neg", sum(negative for _, negative in scores) / count)
    for n, level in enumerate(levels):
        case.verify(f"level_loss{n}", level.loss)
        case.verify(f"level_weight{n}", level.weight[0, 0])
        case.verify(f"level_ce{n}", level.cross_entropy.mean())
        case.verify(f"z_q{n}", level.query)
        case.verify(f"z_k{n}", level.key)
    case.verify("grad.image_q", images.grad)
    for name in case.facts["outputs"]:
        if name.startswith("grad.") and name not in case.compared:
            case.verify(name, metric.get_parameter(name.removeprefix("grad.")).grad)
        if name.startswith("after."):
            case.verify(name, metric.get_buffer(name.removeprefix("after.")))


def _patch_nce(case):
    inputs = case.inputs
    for tau in case.arguments["tau"]:
        query = inputs["q"].clone().requires_grad_()
        rows = info_nce(normalise_channels(query), normalise_channels(inputs["k"]), tau)
        weighted = rows.mean() * inputs["w"].mean()
        weighted.backward()
        case.verify(f"unweighted_tau{tau}", rows.mean())
        case.verify(f"weighted_tau{tau}", weighted)
        case.verify(f"grad_q_tau{tau}", query.grad)


def _adaptive_weight(case):
    case.verify("w", adaptive_weight(case.inputs["d"]))


COVERED = {
    "iresnet50": _backbone,
    "iresnet50_train": _backbone,
    "mlp_heads": _heads,
    "spatial_upstream_eval": _spatial,
    "spatial_inner_eval": _spatial,
    "spatial_upstream_train": _spatial,
    "patch_nce": _patch_nce,
    "adaptive_weight": _adaptive_weight,
}
SLOW = [kind for kind, run in COVERED.items() if run in (_spatial, _backbone)]


@pytest.mark.parametrize(("kind", "dtype"), in_precisions(COVERED, slow=SLOW))
def test_recorded_outputs(check, parity_folder, kind, dtype):
    compare_cases(COVERED, check, parity_folder, kind, dtype)
