from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from spfem.correlation.similarity import (
    matched_similarity,
    mismatched_similarity,
    released_similarity,
)


def test_scores_equal_slow_loops():
    query, key = (normalize(torch.randn(2, 5, 24, dtype=torch.float64), dim=1) for _ in range(2))
    gram = query.transpose(1, 2) @ key
    for b in range(2):
        same = [float(gram[b, s, s]) for s in range(24)]
        other = [float(gram[b, s, t]) for s in range(24) for t in range(24) if s // 8 != t // 8]
        assert float(matched_similarity(query, key)[b]) == pytest.approx(sum(same) / 24)
        assert float(mismatched_similarity(query, key)[b]) == pytest.approx(sum(other) / len(other))


def test_released_score_compares_profiles_over_places():
    query, key = torch.randn(2, 3, 10), torch.randn(2, 3, 10)
    order = torch.randperm(10)
    positive, negative = released_similarity(query, key, order)
    for found, other in ((positive, key), (negative, key[..., order])):
        rows = [
            float(query[b, c] @ other[b, c] / (query[b, c].norm() * other[b, c].norm()))
            for b in range(2)
            for c in range(3)
        ]
        assert float(found) == pytest.approx(sum(rows) / 6, abs=1e-6)
