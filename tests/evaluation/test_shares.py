"""Seeds that each show a share of the edits give the table of all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.corpus.protocol import share_edits
from spfem.evaluation.differences import method_differences
from spfem.evaluation.estimates import Estimates
from spfem.evaluation.scores import Instruments, score_codes
from spfem.evaluation.tables import main_results
from spfem.settings import EvaluationSettings
from tests.evaluation.made_up import make_real, make_scores

SETTINGS = EvaluationSettings(resamples=20, frechet_resamples=5)
SHARE = 2


@pytest.fixture(scope="module")
def whole():
    return make_scores(methods=("copy", "ned", "ned+asccl"), seeds=(0, 1))


def as_codes(score):
    """The score of the same edit without pictures."""
    codes = score_codes(
        score.edit, score.method, None, instruments=Instruments(None), seed=score.seed
    )
    known = codes.scores | {"mesh_mouth_error": score.scores["mesh_mouth_error"]}
    sample = replace(codes.sample, backbone=score.sample.backbone)
    return replace(codes, scores=known, sample=sample, backbones=score.backbones)


@pytest.fixture(scope="module")
def shared(whole):
    """Of each seed half of the edits as pictures, of all the codes."""
    edits = tuple(dict.fromkeys(score.edit for score in whole))
    scores = []
    for score in whole:
        if score.method == "copy" or score.edit in share_edits(edits, SHARE, score.seed):
            scores.append(score)
            continue
        scores.append(as_codes(score))
    return scores


def test_shares_give_the_values_of_all_pictures(whole, shared):
    tables = [
        main_results(scores, make_real(), SETTINGS).set_index(
            ["setting", "method", "metric", "backbone", "emotion"]
        )
        for scores in (whole, shared)
    ]
    one, other = tables
    assert one.index.equals(other.index)
    for metric in ("mouth_error", "mesh_mouth_error", "emotion_accuracy", "csim"):
        cells = [table.xs(metric, level="metric") for table in tables]
        assert np.allclose(cells[0].value, cells[1].value, equal_nan=True), metric
        assert cells[0].clips.equals(cells[1].clips)
    assert other.xs("fad", level="metric").value.notna().all()


def test_methods_are_compared_on_the_edits_that_both_show(shared):
    table = method_differences(shared, make_real(), SETTINGS)
    row = table[(table.metric == "mouth_error") & (table.method == "ned+asccl")]
    assert np.allclose(row.difference, 10)
    assert (row.clips > 0).all()


def test_edits_without_pictures_leave_frechet_distances_as_they_are(whole):
    """Only their codes are known: no face of theirs is compared, and none is missed."""
    scores = [s for s in whole if (s.method, s.edit.setting, s.seed) == ("ned", "intra", 0)]
    hidden = scores[0].edit.source
    shown = [score for score in scores if score.edit.source != hidden]
    mixed = [as_codes(score) if score.edit.source == hidden else score for score in scores]
    wanted, found = (Estimates(make_real(), SETTINGS).of(part) for part in (shown, mixed))
    distances = [measure for measure in wanted if measure[0] == "fad"]
    assert distances
    for measure in distances:
        assert list(found[measure]) == list(wanted[measure])
        for emotion, cell in wanted[measure].items():
            assert np.isfinite(cell.estimate.value)
            assert found[measure][emotion].estimate.value == pytest.approx(cell.estimate.value)
            assert found[measure][emotion].clips == cell.clips
