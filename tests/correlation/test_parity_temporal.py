"""The recorded numbers of the released temporal metric, by kind of case."""

from __future__ import annotations

import pytest
import torch

from spfem.correlation.learn import released_similarity
from spfem.correlation.stccl import (
    TemporalCoherence,
    differences_to_first,
    mean_over_time,
    pair_differences,
    shuffled_differences,
)
from spfem.settings import SpatialSettings, TemporalSettings
from tests.parity import compare_cases, in_precisions


def _operators(case):
    inputs = case.inputs
    case.verify("pair_differences", pair_differences(inputs["x"]))
    case.verify("accumulated_differences", differences_to_first(inputs["x"]))
    case.verify("aggregation", mean_over_time(inputs["x"]))
    case.verify("shuffle_and_subtract", shuffled_differences(inputs["x"], inputs["order"]))


def _subtraction(case):
    inputs, counts = case.inputs, tuple(case.arguments["samples"])
    spatial = SpatialSettings(
        image_size=inputs["clip_q"].shape[-1], temperature=case.arguments["tau"]
    )
    settings = TemporalSettings(
        spatial=spatial, places=counts, window_frames=case.arguments["T"], compat="upstream"
    )
    metric = case.fill(TemporalCoherence(settings))
    windows = inputs["clip_q"].requires_grad_()
    query, key = metric.feature_maps(windows, inputs["clip_k"], None)
    places = []
    for level, maps in enumerate(query):
        flat = inputs[f"flat{level}"]
        places.append(torch.stack([flat // maps.shape[3], flat % maps.shape[3]], dim=1))
    compared = metric.compare_maps(query, key, places, None, windows.shape[:2])
    loss = metric.total(compared)
    loss.backward()
    case.verify("loss", loss)
    scores = [
        released_similarity(level.query, level.key, inputs[f"perm{n}"])
        for n, level in enumerate(compared.temporal)
    ]
    case.verify("pos", sum(positive for positive, _ in scores) / len(scores))
    case.verify("neg", sum(negative for _, negative in scores) / len(scores))
    recorded = {"grad.clip_q": windows.grad}
    for n, level in enumerate(compared.temporal):
        recorded |= {f"level_loss{n}": level.loss, f"z_q{n}": level.query, f"z_k{n}": level.key}
    for name in case.facts["outputs"]:
        if name in recorded:
            case.verify(name, recorded[name])
        elif name.startswith("grad."):
            case.verify(name, metric.get_parameter(name.removeprefix("grad.")).grad)
        elif name.startswith("after."):
            case.verify(name, metric.get_buffer(name.removeprefix("after.")))


COVERED = {
    "temporal_operators": _operators,
    "temporal_sub": _subtraction,
    "temporal_sub_train": _subtraction,
}


@pytest.mark.parametrize(
    ("kind", "dtype"), in_precisions(COVERED, slow=("temporal_sub", "temporal_sub_train"))
)
def test_recorded_outputs(check, parity_folder, kind, dtype):
    compare_cases(COVERED, check, parity_folder, kind, dtype)
