"""Moments against moments: equal to single maps, highest at the same picture."""

import numpy as np
import pytest

from spfem.correlation.images import images_from_frames
from spfem.correlation.learn import initial_metric
from spfem.correlation.maps import correlation_map, moment_similarity
from spfem.errors import ShapeError
from tests.correlation.planted import SMALL, draw_face


@pytest.fixture(scope="module")
def metric():
    return initial_metric(SMALL, 0).eval()


def test_equal_to_the_mean_of_single_correlation_maps(metric):
    first = np.stack([draw_face(viseme, 0, 0) for viseme in (0, 2)])
    second = np.stack([draw_face(viseme, 1, 0) for viseme in (0, 1, 3)])
    region = slice(5, 8), slice(6, 9)
    found = moment_similarity(metric, first, second, region, level=0)
    wanted = np.zeros((2, 3))
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            pair = (images_from_frames(one[None]), images_from_frames(other[None]))
            places = [(row, column) for row in range(5, 8) for column in range(6, 9)]
            wanted[i, j] = np.mean(
                [correlation_map(metric, *pair, place, 0)[place] for place in places]
            )
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_region_without_neighbours_is_refused(metric):
    frames = draw_face(0, 0, 0)[None]
    with pytest.raises(ShapeError, match="no place with 8 neighbours"):
        moment_similarity(metric, frames, frames, (slice(0, 1), slice(0, 16)), level=0)
