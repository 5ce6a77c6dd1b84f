from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.correlation.learn_sound import initial_joint
from spfem.supervision import renderer as renderer_distances
from spfem.supervision.renderer import hold_distances
from tests.correlation.planted_sound import SMALL
from tests.renderer.test_pairs import planted_pairs


@pytest.fixture
def metric():
    made = initial_joint(SMALL, "image", 0)
    with torch.no_grad():  # initial weights hardly tell pictures apart
        made.image_attn.proj_q.weight.mul_(100)
    return made.supervise()


def images(faces):
    return torch.from_numpy(faces).movedim(-1, -3).float() / 127.5 - 1


def crossing_pairs():
    """Two pairs between emotions, whose reference is a neutral window, and three with neutral."""
    pairs = planted_pairs()
    return replace(
        pairs, source_label=np.array([0, 2, 3, 1, 0]), target_label=np.array([1, 4, 5, 0, 6])
    )


@pytest.mark.parametrize("at_once", [2, 32])
def test_value_is_the_mean_of_the_distances_one_by_one(metric, monkeypatch, at_once):
    monkeypatch.setattr(renderer_distances, "EMBEDDED_AT_ONCE", at_once)
    pairs = crossing_pairs()
    rows = np.array([0, 1, 4])
    pictures = images(pairs.faces[rows]).requires_grad_()
    value = hold_distances(metric, pairs)(pictures, torch.from_numpy(rows))
    parts = []
    for picture, row in zip(pictures, rows, strict=True):
        own = metric.embed_visual(picture[None])
        other = metric.embed_visual(images(pairs.references[[row]]))
        distance = metric.embedding_distance(own, other)[0]
        parts.append(abs(float(distance.detach()) - float(pairs.distance[row])))
    assert float(value.detach()) == pytest.approx(np.mean(parts), rel=1e-4)
    assert np.std(parts) > 0
    value.backward()
    assert pictures.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in metric.parameters())
