import numpy as np
import torch

from spfem.correlation import SpatialCoherence
from spfem.head import load_head_model
from spfem.settings import SpatialSettings
from spfem.supervision import supervise_expressions


class Track:
    def __init__(self, seed):
        self.identity = np.random.default_rng(seed).normal(0, 0.5, 48).astype(np.float32)


def _supervision(tmp_path):
    settings = SpatialSettings(
        image_size=48, widths=(16, 16, 16), blocks=(1, 1, 1), centres=(8, 4, 2)
    )
    path = tmp_path / "metric.safetensors"
    torch.manual_seed(0)
    SpatialCoherence(settings).save(path)
    tracks = {"a": Track(0), "b": Track(1)}
    return supervise_expressions(path, load_head_model(), tracks, frames=2)


def test_gradient_reaches_the_generated_expression_only(tmp_path):
    loss = _supervision(tmp_path).bind(("a", "b"))
    source = torch.rand(3, 10, 52).mul(0.3).requires_grad_()
    generated = torch.rand(3, 10, 52).mul(0.3).requires_grad_()
    value = loss(source, generated, torch.tensor([0, 1, 0]))
    value.backward()
    assert torch.isfinite(value)
    assert source.grad is None or not source.grad.any()
    touched = generated.grad.abs().sum(-1) > 0
    assert touched[:2, 5].all()  # the middle frame of the compared windows
    assert touched.sum() == 2


def test_digest_changes_with_the_metric(tmp_path):
    first = _supervision(tmp_path)
    (tmp_path / "metric.safetensors").unlink()
    torch.manual_seed(1)
    settings = SpatialSettings(
        image_size=48, widths=(16, 16, 16), blocks=(1, 1, 1), centres=(8, 4, 2)
    )
    SpatialCoherence(settings).save(tmp_path / "metric.safetensors")
    second = supervise_expressions(tmp_path / "metric.safetensors", load_head_model(), {})
    assert first.digest != second.digest
