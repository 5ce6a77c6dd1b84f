"""The table of moved pixels on planted scores, and the detail that it reports."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from spfem.corpus.protocol import edit_protocol
from spfem.errors import ShapeError
from spfem.evaluation.frechet import frechet_distance
from spfem.evaluation.mouth import REGIONS, ROOM, detail_ratio
from spfem.evaluation.moved_pixels import METRICS, OWN_ROWS, ROWS, moved_pixels_table
from spfem.evaluation.scores import ClipScore
from spfem.settings import EMOTIONS, EvaluationSettings
from tests.evaluation.made_up import make_corpus, make_landmarks, make_real, make_sample

SETTINGS = EvaluationSettings(resamples=300, frechet_resamples=40)
PER_CLIP = tuple(metric for metric in METRICS if metric != "fad")


def planted(rows=tuple(ROWS)):
    """Value of a metric: 10 x row + source, so a row's mean and its interval are known."""
    random = np.random.default_rng(0)
    edits = [
        edit
        for edit in edit_protocol(make_corpus(targets=2), sources_per_actor=2)
        if edit.setting == "intra" and edit.emotion != "neutral"
    ]
    sources = sorted({edit.source for edit in edits})
    scores = []
    for place, row in enumerate(ROWS):
        for edit in edits if row in rows else ():
            if row in OWN_ROWS and edit.emotion != EMOTIONS[1]:
                continue
            values = dict.fromkeys(PER_CLIP, 10.0 * place + sources.index(edit.source))
            sample = make_sample(random, edit.actor, edit.emotion, shift=0.3 * place)
            scores.append(ClipScore(edit, row, 0, values, edit.emotion, sample))
    return scores


@pytest.fixture(scope="module")
def table():
    return moved_pixels_table(planted(), make_real(), SETTINGS)


def test_values_are_means_over_edits_and_intervals_hold_them(table):
    found = table.set_index(["row", "metric"])
    for place, row in enumerate(ROWS):
        for metric in PER_CLIP:
            cell = found.loc[row, metric]
            if row in OWN_ROWS and metric == "emotion_accuracy":
                assert (cell.edits, np.isnan(cell.value)) == (0, True)
                continue
            assert cell.value == pytest.approx(10 * place + 1.5)  # four sources: 0, 1, 2, 3
            assert cell.edits == (4 if row in OWN_ROWS else 24)
            assert cell.ci_low <= cell.value <= cell.ci_high


def test_intervals_redraw_sources_not_edits(table):
    """By hand: means of four sources drawn with replacement, all edits of a source together."""
    draws = np.random.default_rng(1).integers(0, 4, (20_000, 4)).mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    cell = table.set_index(["row", "metric"]).loc["copy", "mouth_error"]
    assert (cell.ci_low, cell.ci_high) == pytest.approx((low, high), abs=0.26)


def test_bad_scores_are_named():
    scores = planted(("ned",))
    with pytest.raises(ShapeError, match="one edit"):
        moved_pixels_table([*scores, scores[0]], make_real(), SETTINGS)
    with pytest.raises(ShapeError, match="ours"):
        moved_pixels_table([replace(scores[0], method="ours")], make_real(), SETTINGS)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 255, (5, 128, 128, 3), dtype=np.uint8)


def test_detail_against_a_slow_version(pictures):
    marks = make_landmarks(5)
    blurred = np.stack([cv2.GaussianBlur(one, (0, 0), 1.0) for one in pictures])
    ratios = []
    for result, truth, places in zip(blurred, pictures, marks, strict=True):
        box = places[list(REGIONS["eyes"]), :2].astype(float)
        room = ROOM * max(np.ptp(box[:, 0]), np.ptp(box[:, 1]))
        left, top = (int(np.floor(box[:, k].min() - room)) for k in (0, 1))
        right, bottom = (int(np.ceil(box[:, k].max() + room)) for k in (0, 1))
        variances = []
        for picture in (result, truth):
            grey = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_RGB2GRAY).astype(float)
            wide = np.pad(grey, 1, mode="reflect")
            around = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
            variances.append((around - 4 * grey).var())
        ratios.append(variances[0] / variances[1])
    assert detail_ratio(blurred, pictures, marks, "eyes") == pytest.approx(np.median(ratios))


def test_detail_refuses_what_does_not_fit(pictures):
    marks = make_landmarks(5)
    with pytest.raises(ShapeError, match="same moments"):
        detail_ratio(pictures[:4], pictures, marks, "mouth")
    with pytest.raises(ShapeError, match="mouth, eyes"):
        detail_ratio(pictures, pictures, marks, "nose")


def test_fad_is_the_mean_over_emotions_of_pooled_sources(table):
    scores, real = planted(), make_real()
    by_hand = []
    for emotion in EMOTIONS[1:]:
        shown = [
            s.sample.blendshapes for s in scores if (s.method, s.edit.emotion) == ("ned", emotion)
        ]
        true = [s.blendshapes for s in real if s.emotion == emotion]
        by_hand.append(frechet_distance(np.concatenate(shown), np.concatenate(true)))
    cell = table.set_index(["row", "metric"]).loc["ned", "fad"]
    assert cell.value == pytest.approx(np.mean(by_hand))
    assert 0 <= cell.ci_low <= cell.value <= cell.ci_high
    assert np.isnan(table.set_index(["row", "metric"]).loc["own", "fad"].value)
