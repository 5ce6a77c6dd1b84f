from __future__ import annotations

import numpy as np

from spfem.correlation.frames import ClipPair
from spfem.correlation.learn_sound import initial_joint
from spfem.correlation.sound import ClipSignals, tabulate_frames
from spfem.evaluation.retrieval import distance_matrix, moment_distances
from tests.explore.made_up import CROSS_MODAL, made_clip

METRIC = initial_joint(CROSS_MODAL, "expression", 0).supervise()


def test_distances_are_those_of_retrieval():
    clips = {"a": made_clip("neutral"), "b": made_clip("happy")}
    signals = {
        key: ClipSignals(audio=clip.waveform, expression=clip.expression)
        for key, clip in clips.items()
    }
    path = np.array([[0, 0], [3, 2]])
    table, pair = tabulate_frames(signals, METRIC.settings), ClipPair("a", "b", path)
    found = moment_distances(METRIC, clips["a"], clips["b"], path)
    for shown, modality in zip(found, ("audio", "expression"), strict=True):
        wanted = distance_matrix(METRIC, table, pair, modality)
        assert shown.shape == (17, 15)
        assert np.allclose(shown[: wanted.shape[0], : wanted.shape[1]], wanted, atol=1e-5)
