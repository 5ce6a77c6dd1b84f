from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from studies.window_similarity import list_window_comparisons, score_window_similarity

from spfem.correlation.frames import FrameWindows, held_steps
from spfem.correlation.learn import TEMPORAL_METRICS, untrained_temporal_metric, window_images
from spfem.settings import TemporalSettings
from tests.correlation.planted import SMALL, planted_pairs

FRAMES = 3
SPATIAL = replace(SMALL, image_size=24)  # maps of 12 and 6
SETTINGS = TemporalSettings(spatial=SPATIAL, places=(16, 6), window_frames=FRAMES)


@pytest.fixture(scope="module")
def planted():
    frames, visemes = planted_pairs((0, 1))
    return frames, FrameWindows(frames, FRAMES), visemes


def start(name, frames):
    return untrained_temporal_metric(name, frames, SETTINGS, seed=0)


@torch.no_grad()
@pytest.mark.parametrize("name", TEMPORAL_METRICS)
def test_scores_are_those_of_the_metric_at_every_place(planted, name):
    frames, windows, visemes = planted
    metric = start(name, frames)
    rows = list_window_comparisons(windows, visemes, 8, seed=0)
    found = score_window_similarity(metric, windows, rows)
    row, pair = rows[3], frames.pairs[rows[3].pair]
    entries, others = (pair.path[first : first + FRAMES] for first in (row.start, row.other_start))
    for key_entries, scores in ((entries, found.matched), (others, found.mismatched_speech)):
        query = window_images(frames.faces[pair.source][entries[:, 0]][None])
        key = window_images(frames.faces[pair.target][key_entries[:, 1]][None])
        held = [held_steps(entries)[:, 0], held_steps(key_entries)[:, 1]]
        held = torch.from_numpy(np.stack(held, axis=1))[None]
        everywhere = [
            torch.cartesian_prod(torch.arange(1, side - 1), torch.arange(1, side - 1))
            for side in (12, 6)
        ]
        joint = name.startswith("spatial")
        where = {"places": everywhere} | ({"centres": everywhere} if joint else {})
        compared = metric.compare(query, key, held=held, **where)
        for level in range(2):
            parts = [_slow_matched(compared.temporal[level])]
            places = [_slow_elsewhere(compared.temporal[level], 1)]
            if joint:
                middle = _frame(compared.spatial[level], FRAMES // 2)
                parts.append(_slow_matched(middle))
                places.append(_slow_elsewhere(middle, 8 if name.endswith("vd") else 1))
            assert scores[3, level] == pytest.approx(np.mean(parts), abs=1e-5)
            if scores is found.matched:
                assert found.mismatched_place[3, level] == pytest.approx(np.mean(places), abs=1e-5)
    assert found.clusters[3].tolist() == [pair.actor, f"{pair.source} {pair.target}"]


def _frame(level, number):
    chosen = slice(number, number + 1)
    return replace(
        level, query=level.query[chosen], key=level.key[chosen], weight=level.weight[chosen]
    )


def _slow_matched(level):
    rows = [n for n in range(len(level.query)) if level.weight[n].sum() > 0]
    places = range(level.query.shape[2])
    return np.mean([float(level.query[n, :, s] @ level.key[n, :, s]) for n in rows for s in places])


def _slow_elsewhere(level, rows_a_place):
    rows = [n for n in range(len(level.query)) if level.weight[n].sum() > 0]
    cosines = torch.einsum("bcs,bct->bst", level.query.double(), level.key.double())[rows]
    place = torch.arange(cosines.shape[1]) // rows_a_place
    return float(cosines[:, place[:, None] != place[None]].mean())


def test_maps_have_the_scores_as_means_and_the_metric_is_left_alone(planted):
    frames, windows, visemes = planted
    metric = start("spatial_temporal_vd", frames)
    before = {name: value.clone() for name, value in metric.state_dict().items()}
    rows = list_window_comparisons(windows, visemes, 8, seed=0)
    scores = score_window_similarity(metric, windows, rows)
    assert [maps.shape for maps in scores.matched_maps] == [(8, 10, 10), (8, 4, 4)]
    for level in range(2):
        means = scores.speech_maps[level].mean(axis=(1, 2))
        np.testing.assert_allclose(means, scores.mismatched_speech[:, level], rtol=1e-5)
    assert all(torch.equal(before[name], value) for name, value in metric.state_dict().items())
