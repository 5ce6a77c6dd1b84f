"""Views of retrieval: matrices equal single distances, exact paths, contents of a bank."""

import numpy as np
import torch

from spfem.correlation.frames import ClipPair
from spfem.correlation.learn_sound import initial_joint
from spfem.correlation.retrieval import make_bank
from spfem.correlation.sound import tabulate_frames
from spfem.evaluation.retrieval import describe_bank, distance_matrix
from tests.correlation.planted_sound import SMALL, planted_clips


def test_matrices_hold_calibrated_distances_of_all_moments():
    clips, _, _ = planted_clips(("A", "B"))
    table = tabulate_frames(clips, SMALL)
    metric = initial_joint(SMALL, "expression", 0).eval()
    with torch.no_grad():
        metric.scale_layer.w.fill_(2.0)
        metric.scale_layer.b.fill_(0.5)
    keys = sorted(clips)
    source = next(key for key in keys if key.startswith("A/neutral"))
    target = next(key for key in keys if key.startswith("A/happy"))
    found = distance_matrix(
        metric, table, ClipPair(source, target, np.zeros((1, 2), int)), "expression"
    )
    windows = [
        torch.from_numpy(clips[key].expression[at - 1 : at + 1]).float()[None]
        for key, at in ((source, 5), (target, 7))
    ]
    with torch.no_grad():
        u, v = (metric.embed_visual(window) for window in windows)
        wanted = 2.0 * float((u - v).norm()) + 0.5
    runs = table.runs(table.rows(source), SMALL.frames)
    assert found.shape[0] == len(runs)
    first = [list(row) for row in (runs - runs.min()).tolist()].index([4, 5])
    second = table.runs(table.rows(target), SMALL.frames)
    other = [list(row) for row in (second - second.min()).tolist()].index([6, 7])
    np.testing.assert_allclose(found[first, other], wanted, rtol=1e-4)


def test_a_window_finds_itself_in_its_own_emotion():
    clips, _, _ = planted_clips(("A", "B"))
    metric = initial_joint(SMALL, "expression", 0)
    bank = make_bank(metric, tabulate_frames(clips, SMALL), "A", 5, "digest")
    table = describe_bank(bank, "A", ("neutral", "happy")).set_index("target_emotion")
    assert (table.actor == "A").all()
    assert table.windows["neutral"] == table.windows["happy"] > 0
    assert (table.with_candidate <= 1).all()
    assert (table.candidates_a_window >= table.with_candidate).all()
    assert table.median_distance["neutral"] <= SMALL.threshold
