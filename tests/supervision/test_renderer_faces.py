from __future__ import annotations

import pytest
import torch

from spfem.correlation import SpatialCoherence
from spfem.correlation.learn import formulated, metric_class
from spfem.renderer.learn import RendererSupervision, train_renderer
from spfem.settings import SpatialSettings, TemporalSettings
from spfem.supervision.renderer import held_steps, spatial_term, window_term
from tests.renderer.planted import SETTINGS, planted_clip

SPATIAL = SpatialSettings(image_size=32, widths=(16, 16), blocks=(1, 1), centres=(8, 4))
TEMPORAL = TemporalSettings(spatial=SPATIAL, places=(16, 8), window_frames=3)


def spatial_metric():
    torch.manual_seed(0)
    return SpatialCoherence(SPATIAL).supervise()


def window_metric(name):
    torch.manual_seed(0)
    return metric_class(name)(formulated(name, TEMPORAL)).supervise()


def windows(seed, frames):
    random = torch.Generator().manual_seed(seed)
    return torch.rand(2, frames, 3, 32, 32, generator=random) * 2 - 1


def draws():
    return torch.Generator().manual_seed(5)


def test_the_spatial_term_is_the_metric_on_all_frames_and_its_gradient_is_on_the_output():
    metric = spatial_metric()
    term = spatial_term(metric, 0.5, 4)
    assert (term.name, term.weight, term.frames) == ("spatial", 0.5, 4)
    generated, source = windows(0, 4).requires_grad_(), windows(1, 4)
    value = term.loss(generated, source, draws())
    pairs = [(clip, frame) for clip in range(2) for frame in range(4)]
    own, other = (torch.stack([side[pair] for pair in pairs]) for side in (generated, source))
    expected = metric.total(metric.compare(own, other, generator=draws()))
    assert torch.equal(value, expected)
    shifted = metric.total(metric.compare(own, other.roll(1, 0), generator=draws()))
    assert not torch.equal(value, shifted)
    value.backward()
    assert generated.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in metric.parameters())


@pytest.mark.parametrize("name", ["temporal_vd", "temporal_cm", "spatial_temporal_vd"])
def test_a_window_term_is_the_metric_with_the_sources_held_steps(name):
    metric = window_metric(name)
    term = window_term(name, metric, 2.0)
    assert (term.name, term.weight, term.frames) == (name, 2.0, 3)
    generated, source = windows(0, 3).requires_grad_(), windows(1, 3)
    source[1, 2] = source[1, 1]
    held = torch.tensor([[False, False], [False, True]])
    assert torch.equal(held_steps(source), held)
    value = term.loss(generated, source, draws())
    expected = metric.total(metric.compare(generated, source, held=held, generator=draws()))
    assert torch.equal(value, expected)
    assert not torch.equal(
        value, metric.total(metric.compare(generated, source, generator=draws()))
    )
    value.backward()
    assert generated.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in metric.parameters())


def test_training_leaves_metrics_untouched_and_names_every_column():
    metrics = {"spatial": spatial_metric(), "temporal_vd": window_metric("temporal_vd")}
    before = {
        name: {key: value.clone() for key, value in metric.state_dict().items()}
        for name, metric in metrics.items()
    }
    terms = (
        spatial_term(metrics["spatial"], 1.0, 2),
        window_term("temporal_vd", metrics["temporal_vd"], 1.0),
    )
    clips = [planted_clip(seed, 8, smile=1.0) for seed in range(2)]
    made = train_renderer(clips, SETTINGS, seed=0, steps=2, supervision=RendererSupervision(terms))
    assert {"spatial", "temporal_vd"} <= set(made.curve[0])
    for name, metric in metrics.items():
        assert not metric.training
        for key, value in metric.state_dict().items():
            assert torch.equal(value, before[name][key]), key
