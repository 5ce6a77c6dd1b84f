"""Distances of all moments of two clips, calibrated, by sound and by expression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.correlation.frames import ClipPair
from spfem.correlation.learn_sound import initial_joint
from spfem.correlation.sound import ClipSignals, tabulate_frames
from spfem.errors import SettingsError
from spfem.explore.moments import distance_matrix, moment_distances
from tests.correlation.planted_sound import SMALL, planted_clips
from tests.explore.made_up import CROSS_MODAL, made_clip


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


def test_a_clip_without_face_units_says_so():
    clip = made_clip("neutral")
    blind = replace(clip, expression=None)
    with pytest.raises(SettingsError, match="face units"):
        moment_distances(METRIC, clip, blind, np.zeros((1, 2), int))
