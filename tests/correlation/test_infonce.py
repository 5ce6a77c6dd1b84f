from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from spfem.correlation.asccl import info_nce
from spfem.errors import ShapeError


def descriptors(rows=6, dtype=torch.float64):
    return (normalize(torch.randn(2, 4, rows, dtype=dtype), dim=1) for _ in range(2))


def test_equals_a_slow_loop():
    query, key = descriptors()
    found = info_nce(query, key, 0.07)
    for b in range(2):
        for s in range(6):
            similarity = [float(query[b, :, s] @ key[b, :, t]) / 0.07 for t in range(6)]
            wanted = math.log(sum(math.exp(v) for v in similarity)) - similarity[s]
            assert float(found[b, s]) == pytest.approx(wanted)


def test_independent_descriptors_are_no_better_than_chance():
    query, key = (normalize(torch.randn(8, 64, 128), dim=1) for _ in range(2))
    assert info_nce(query, key, 0.07).mean() > math.log(128)


def test_gradient_reaches_the_query_only_and_is_right():
    query, key = descriptors(rows=3)
    query.requires_grad_()
    key.requires_grad_()
    info_nce(query, key, 0.2).sum().backward()
    assert key.grad is None
    assert torch.autograd.gradcheck(lambda q: info_nce(q, key, 0.2), (query,))


def test_shapes_must_agree():
    with pytest.raises(ShapeError):
        info_nce(torch.zeros(1, 4, 5), torch.zeros(1, 4, 6), 0.07)
