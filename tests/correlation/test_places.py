from __future__ import annotations

import torch

from spfem.correlation.places import features_at, sample_places


def draw(count, released, side=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return sample_places(side, side, count, with_replacement=released, generator=generator)


def test_places_differ_and_have_all_neighbours_unless_as_released():
    places = draw(16, False)
    assert len({tuple(place) for place in places.tolist()}) == 16
    assert places.min() >= 1
    assert places.max() <= 4
    released = draw(400, True)
    assert len({tuple(place) for place in released.tolist()}) == 36  # the whole map, repeated
    assert torch.equal(released, draw(400, True))


def test_features_are_taken_at_row_and_column():
    maps = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert features_at(maps, torch.tensor([[2, 1], [0, 3]]))[0].tolist() == [[9, 3], [21, 15]]
