from __future__ import annotations

import torch

from spfem.correlation.asccl import normalise_channels
from spfem.correlation.stccl import correlation_entries


def units(*shape):
    features = torch.randn(*shape, dtype=torch.float64)
    return features / features.norm(dim=2, keepdim=True)


def test_entries_equal_the_matrix_written_out():
    members = units(2, 4, 6, 3)
    found = correlation_entries(members)
    for b in range(2):
        for s in range(3):
            matrix = members[b, :, :, s] @ members[b, :, :, s].T
            wanted = torch.stack([matrix[i, j] for i in range(4) for j in range(i + 1, 4)])
            wanted = wanted - wanted.mean()
            torch.testing.assert_close(found[b, :, s], wanted / wanted.norm(), atol=1e-5, rtol=0)


def test_entries_left_out_do_not_count_and_nothing_left_is_zero_with_finite_gradient():
    members = units(2, 3, 4, 5).requires_grad_()
    keep = torch.tensor([[True, False, True], [False, False, False]])
    found = correlation_entries(members, keep)
    assert (found[0, 1] == 0).all()
    assert (found[1] == 0).all()
    whole = torch.einsum("bics,bjcs->bijs", members, members)
    left = torch.stack([whole[0, 0, 1], whole[0, 1, 2]])
    left = normalise_channels((left - left.mean(dim=0))[None])[0]
    torch.testing.assert_close(found[0, [0, 2]], left)
    found.sum().backward()
    assert torch.isfinite(members.grad).all()
    assert (members.grad[1] == 0).all()
