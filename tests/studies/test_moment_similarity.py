from __future__ import annotations

import numpy as np
import pytest
from studies.moment_similarity import (
    QUANTITIES,
    SimilarityScores,
    list_comparisons,
    moment_similarity,
    score_similarity,
    similarity_rows,
)

from spfem.correlation import images_from_frames
from spfem.correlation.frames import MOMENT_GAP_FRAMES
from spfem.correlation.learn import untrained_metric
from spfem.correlation.maps import correlation_map, describe_patches
from spfem.errors import ShapeError
from tests.correlation.planted import SMALL, draw_face, planted_pairs


@pytest.fixture(scope="module")
def planted():
    frames, visemes = planted_pairs((0, 1))
    return frames, visemes, untrained_metric(frames, SMALL, seed=0)


def test_comparisons_are_fixed_balanced_and_true_to_their_meaning(planted):
    frames, visemes, _ = planted
    rows = list_comparisons(frames, visemes, 20, seed=0)
    assert rows == list_comparisons(frames, visemes, 20, seed=0)
    assert rows != list_comparisons(frames, visemes, 20, seed=1)
    assert [sum(row.pair == n for row in rows) for n in range(4)] == [5] * 4
    for row in rows:
        pair = frames.pairs[row.pair]
        assert [row.source_frame, row.target_frame] in pair.path.tolist()
        heard = visemes[pair.target]
        assert heard[row.other_frame] != heard[row.target_frame]
        assert heard[row.other_frame] != visemes[pair.source][row.source_frame]
        assert abs(row.other_frame - row.target_frame) >= MOMENT_GAP_FRAMES


def test_scores_equal_slow_loops_and_do_not_depend_on_the_batch(planted):
    frames, visemes, metric = planted
    rows = list_comparisons(frames, visemes, 4, seed=0)
    found = score_similarity(metric, frames, rows, batch_size=3)
    row, pair = rows[1], frames.pairs[rows[1].pair]
    chosen = (
        (pair.source, row.source_frame),
        (pair.target, row.target_frame),
        (pair.target, row.other_frame),
    )
    level = 1
    query, key, other = (
        describe_patches(metric, images_from_frames(frames.faces[c][t : t + 1]))[level]
        .values[0]
        .permute(2, 3, 1, 0)
        .flatten(0, 1)
        .double()
        .numpy()
        for c, t in chosen
    )  # (places, 8, C)
    same, speech, place = [], [], []
    for p in range(len(query)):
        for n in range(8):
            same.append(query[p, n] @ key[p, n])
            speech.append(query[p, n] @ other[p, n])
            place += [
                query[p, n] @ key[t, m] for t in range(len(query)) if t != p for m in range(8)
            ]
    assert found.matched[1, level] == pytest.approx(np.mean(same), abs=1e-5)
    assert found.mismatched_speech[1, level] == pytest.approx(np.mean(speech), abs=1e-5)
    assert found.mismatched_place[1, level] == pytest.approx(np.mean(place), abs=1e-5)
    assert found.clusters[1].tolist() == [pair.actor, f"{pair.source} {pair.target}"]


def test_planted_mouths_are_seen_where_they_are(planted):
    frames, visemes, metric = planted
    scores = score_similarity(metric, frames, list_comparisons(frames, visemes, 24, seed=0))
    difference = (scores.matched_maps[0] - scores.speech_maps[0]).mean(axis=0)
    row, column = np.unravel_index(difference.argmax(), difference.shape)
    assert row >= 7
    assert 3 <= column <= 10


def made_up(matched, speech, pairs):
    shape = (len(matched), 2)
    return SimilarityScores(
        matched=np.broadcast_to(np.array(matched)[:, None], shape),
        mismatched_place=np.zeros(shape),
        mismatched_speech=np.broadcast_to(np.array(speech)[:, None], shape),
        matched_maps=(),
        speech_maps=(),
        clusters=np.array([["A", pair] for pair in pairs]),
    )


def test_table_has_the_four_quantities_with_intervals():
    scores = [
        made_up([0.9, 0.8, 0.7, 0.6], [0.5, 0.6, 0.75, 0.1], "aabb"),
        made_up([0.7, 0.6, 0.5, 0.4], [0.1, 0.1, 0.1, 0.1], "aabb"),
    ]
    rows = similarity_rows(
        scores, metric="spatial", state="after", split="held_out", resamples=50, confidence=0.9
    )
    assert [row["quantity"] for row in rows] == list(QUANTITIES)
    assert list(rows[0]) == [
        "metric",
        "state",
        "split",
        "quantity",
        "value",
        "ci_low",
        "ci_high",
        "seeds",
    ]
    values = {row["quantity"]: row["value"] for row in rows}
    assert values["matched"] == pytest.approx(0.65)
    assert values["mismatched_place"] == 0
    assert values["speech_auc"] == pytest.approx((13.5 / 16 + 1) / 2)
    assert all(row["ci_low"] <= row["value"] <= row["ci_high"] for row in rows)
    assert all(row["seeds"] == 2 for row in rows)


def test_moments_equal_the_mean_of_single_correlation_maps(planted):
    metric = planted[2]
    first = np.stack([draw_face(viseme, 0, 0) for viseme in (0, 2)])
    second = np.stack([draw_face(viseme, 1, 0) for viseme in (0, 1, 3)])
    found = moment_similarity(metric, first, second, (slice(5, 8), slice(6, 9)), level=0)
    wanted = np.zeros((2, 3))
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            pair = (images_from_frames(one[None]), images_from_frames(other[None]))
            places = [(row, column) for row in range(5, 8) for column in range(6, 9)]
            wanted[i, j] = np.mean(
                [correlation_map(metric, *pair, place, 0)[place] for place in places]
            )
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    with pytest.raises(ShapeError, match="no place with 8 neighbours"):
        moment_similarity(metric, first, first, (slice(0, 1), slice(0, 16)), level=0)
