import numpy as np
import pytest
import torch
from torch import nn

from spfem import distributed
from spfem.distributed import own_share, refuse_sharing
from spfem.errors import SettingsError


def test_shares_are_equal_disjoint_and_complete(monkeypatch):
    monkeypatch.setattr(distributed, "process_count", lambda: 3)
    shares = []
    for rank in range(3):
        monkeypatch.setattr("torch.distributed.get_rank", lambda rank=rank: rank)
        shares.append(own_share(np.arange(6)))
    assert np.array_equal(np.concatenate(shares), np.arange(6))
    assert {len(share) for share in shares} == {2}
    with pytest.raises(SettingsError, match="7 cannot be shared equally by 3"):
        own_share(np.arange(7))
    with pytest.raises(SettingsError, match="the renderer learns in one process"):
        refuse_sharing("the renderer")


class _SumOfTwo(torch.autograd.Function):
    """Stands in for the sum over two processes that hold the same rows."""

    @staticmethod
    def forward(context, value):
        return 2 * value

    @staticmethod
    def backward(context, gradient):
        return 2 * gradient


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.BatchNorm2d])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_shared_norm_is_that_of_the_doubled_batch(monkeypatch, kind, momentum):
    torch.manual_seed(0)
    features = torch.randn(3, 4, *(5,) * (1 if kind is nn.BatchNorm1d else 2), dtype=torch.float64)
    shared, plain = (kind(4, momentum=momentum).double() for _ in range(2))
    with torch.no_grad():
        for norm in (shared, plain):
            norm.weight.copy_(torch.arange(1.0, 5))
            norm.bias.fill_(0.3)
    monkeypatch.setattr(distributed, "process_count", lambda: 2)
    monkeypatch.setattr(distributed, "_Sum", _SumOfTwo)
    forward = distributed._shared_norm(shared)
    mine, doubled = features.clone().requires_grad_(), features.clone().requires_grad_()
    for _ in range(2):
        ours, wanted = forward(mine), plain(torch.cat([doubled, doubled]))[:3]
    torch.testing.assert_close(ours, wanted)
    torch.testing.assert_close(shared.running_var, plain.running_var)
    torch.testing.assert_close(shared.running_mean, plain.running_mean)
    assert shared.num_batches_tracked == plain.num_batches_tracked == 2
    shared.eval()
    plain.eval()
    torch.testing.assert_close(forward(features), plain(features))
