from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from spfem.correlation import SpatialCoherence, SpatialTemporalCoherence, TemporalCoherence
from spfem.face.mesh import ShapeRenderer
from spfem.head import load_head_model
from spfem.settings import SpatialSettings, TemporalSettings
from spfem.supervision.manipulator import PLACES, HeadLosses
from spfem.training import step_generator
from tests.supervision.made_up import make_edit

SPATIAL = SpatialSettings(
    image_size=48, widths=(16, 16, 16), blocks=(1, 1, 1), centres=(8, 4, 2), precision="float32"
)
TEMPORAL = TemporalSettings(spatial=SPATIAL, window_frames=3, places=(16, 8, 4))
IDENTITIES = torch.randn(2, 48, generator=torch.Generator().manual_seed(0)) / 2


@pytest.fixture(scope="module")
def renderer():
    return ShapeRenderer(load_head_model(), 48)


@pytest.fixture(scope="module")
def metrics():
    torch.manual_seed(0)
    joint = TemporalSettings(spatial=SPATIAL, window_frames=5, places=(16, 8, 4), formulation="cm")
    return (
        SpatialCoherence(SPATIAL).supervise(),
        {
            "temporal_vd": TemporalCoherence(TEMPORAL).supervise(),
            "spatial_temporal_cm": SpatialTemporalCoherence(joint).supervise(),
        },
    )


def make_losses(renderer, spatial=None, temporal=None, *, frames=2, windows=1, seed=3):
    return HeadLosses(
        spatial,
        temporal or {},
        renderer,
        IDENTITIES,
        frames=frames,
        windows=windows,
        seed=seed,
    )


class Recorder:
    """Keeps what it is asked to compare; its loss is a plain difference of pictures."""

    def __init__(self, window_frames=1):
        self.settings = replace(TEMPORAL, window_frames=max(2, window_frames))
        self.pictures = None

    def compare(self, drawn, real, *, generator):
        self.pictures = drawn.detach(), real, torch.rand(1, generator=generator)
        return (drawn - real).square()

    def total(self, compared):
        return compared.mean()


def test_metrics_see_the_frames_round_the_middle_of_the_first_windows(renderer):
    spatial, temporal = Recorder(), {"short": Recorder(3), "long": Recorder(5)}
    edit = make_edit(step=7)
    values = make_losses(renderer, spatial, temporal, windows=2)(edit)
    assert list(values) == ["spatial", "short", "long"]
    random = step_generator(3, PLACES, 7)
    for name, metric, frames in (
        ("spatial", spatial, (5,)),
        ("short", temporal["short"], (4, 5, 6)),
        ("long", temporal["long"], (3, 4, 5, 6, 7)),
    ):
        wanted = []
        for expression in (edit.edited.detach(), edit.source.expression):
            for row in range(2):
                identity = IDENTITIES[edit.source.clip[row]][None]
                for frame in frames:
                    wanted.append(renderer(identity, edit.restore(expression[row, frame])[None]))
        shape = (2, 2) if name == "spatial" else (2, 2, len(frames))
        drawn, real = torch.cat(wanted).unflatten(0, shape)
        assert metric.pictures[0].shape == drawn.shape
        assert (metric.pictures[0] - drawn).abs().mean() < 1e-5
        assert (metric.pictures[1] - real).abs().mean() < 1e-5
        torch.testing.assert_close(values[name].item(), (drawn - real).square().mean().item())
        assert torch.equal(metric.pictures[2], torch.rand(1, generator=random))


def test_values_are_those_of_the_metrics(renderer, metrics):
    """On the pictures of the only window, and with the places of the step."""
    spatial, temporal = metrics
    edit = make_edit(count=1, step=7)
    rows = torch.zeros(5, dtype=torch.int64), torch.arange(3, 8)
    identity = IDENTITIES[:1].expand(5, -1)
    drawn, real = (
        renderer(identity, edit.restore(expression[rows]))
        for expression in (edit.edited.detach(), edit.source.expression)
    )
    joint = temporal["spatial_temporal_cm"]
    random = step_generator(3, PLACES, 7)
    wanted = joint.total(joint.compare(drawn[None], real[None], generator=random))
    values = make_losses(renderer, None, {"spatial_temporal_cm": joint})(edit)
    torch.testing.assert_close(values["spatial_temporal_cm"].detach(), wanted)
    random = step_generator(3, PLACES, 7)
    wanted = spatial.total(spatial.compare(drawn[2:3], real[2:3], generator=random))
    values = make_losses(renderer, spatial)(edit)
    torch.testing.assert_close(values["spatial"].detach(), wanted, rtol=1e-3, atol=0)


def test_gradient_reaches_compared_frames_of_the_generated_side_only(renderer, metrics):
    spatial, temporal = metrics
    before = {
        name: tensor.clone()
        for metric in (spatial, *temporal.values())
        for name, tensor in metric.state_dict(prefix=str(id(metric))).items()
    }
    edit = make_edit()
    edit.source.expression.requires_grad_()
    values = make_losses(renderer, spatial, temporal)(edit)
    for name, frames in (
        ("spatial", {(0, 5), (1, 5)}),
        ("temporal_vd", {(0, frame) for frame in (4, 5, 6)}),
        ("spatial_temporal_cm", {(0, frame) for frame in range(3, 8)}),
    ):
        (gradient,) = torch.autograd.grad(values[name], edit.edited, retain_graph=True)
        assert torch.isfinite(gradient).all()
        touched = (gradient.abs().sum(-1) > 0).nonzero().tolist()
        assert {tuple(place) for place in touched} == frames
    sum(values.values()).backward()
    assert edit.source.expression.grad is None
    for metric in (spatial, *temporal.values()):
        assert not metric.training
        assert all(parameter.grad is None for parameter in metric.parameters())
        for name, tensor in metric.state_dict(prefix=str(id(metric))).items():
            assert torch.equal(before[name], tensor), name
