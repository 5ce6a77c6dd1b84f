"""Timings, and two pairings side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from studies import checks as released_pairs
from studies.checks import (
    compare_pairings,
    name_unseen_actors,
    path_differences,
    stage_timings,
    summarise_comparison,
)

from spfem.corpus.clips import Clip, Corpus
from spfem.errors import InputError, ShapeError
from spfem.media.audio import write_audio
from spfem.media.video import write_video
from spfem.pairing.pairs import Pair
from spfem.settings import PairingSettings
from tests.evaluation.made_up import make_told_clips


def test_only_finished_stages_count_with_the_threads_that_made_them():
    records = {
        "faces": {"complete": True, "seconds": 1.239, "threads": 2},
        "spatial": {"complete": True, "seconds": 3.0, "facts": {"threads": 4}},
        "older": {"complete": True, "seconds": 2.0, "facts": {}},
        "pairs": {"complete": False, "seconds": 5.0, "threads": 2},
    }
    table = stage_timings(records, device="cpu")
    assert list(table.columns) == ["stage", "seconds", "device", "threads"]
    assert table.to_dict("records") == [
        {"stage": "faces", "seconds": 1.24, "device": "cpu", "threads": 2},
        {"stage": "spatial", "seconds": 3.0, "device": "cpu", "threads": 4},
        {"stage": "older", "seconds": 2.0, "device": "cpu", "threads": 0},
    ]


def wander(length, seed):
    steps = np.array([(1, 1), (0, 1), (1, 0)])
    chosen = steps[np.random.default_rng(seed).choice(3, length - 1, p=(0.6, 0.2, 0.2))]
    return np.concatenate([[(0, 0)], np.cumsum(chosen, axis=0)]).astype(np.int32)


@pytest.mark.parametrize("seed", range(5))
def test_differences_match_a_slow_count(seed):
    ours, theirs = wander(40, seed), wander(50, seed + 100)
    wanted = []
    for frame in range(min(ours[-1, 0], theirs[-1, 0]) + 1):
        means = [
            sum(int(t) for s, t in path if s == frame) / sum(1 for s, _ in path if s == frame)
            for path in (ours, theirs)
        ]
        wanted.append(abs(means[0] - means[1]))
    np.testing.assert_allclose(path_differences(ours, theirs), wanted)
    assert not path_differences(ours, ours).any()


def test_bad_paths_are_refused():
    path = wander(5, 0)
    for bad in (path[:, 0], path[:0], path.T):
        with pytest.raises(ShapeError, match=r"a path is \(L, 2\)"):
            path_differences(path, bad)
    with pytest.raises(ShapeError, match="no source frame"):
        path_differences(path, path + np.array([100, 0]))


def make_pair(emotion, number, path, cost=1.0, usable=True):
    source, target = f"M1/neutral/level_1/{number}", f"M1/{emotion}/level_3/{number}"
    return Pair(source, target, path, cost, usable)


def test_table_has_the_common_pairs_and_what_our_gate_drops():
    diagonal = np.repeat(np.arange(30)[:, None], 2, axis=1)
    ours = [
        make_pair("happy", "001", diagonal, 2.0),
        make_pair("sad", "001", diagonal, 9.0, usable=False),
        make_pair("sad", "002", diagonal),
    ]
    theirs = [
        make_pair("sad", "001", diagonal + np.array([0, 2]), 9.5),
        make_pair("happy", "001", diagonal, 2.5),
        make_pair("happy", "003", diagonal),
    ]
    table = compare_pairings(ours, theirs)
    assert list(table["target"]) == ["M1/happy/level_3/001", "M1/sad/level_3/001"]
    assert list(table["mean_distance"]) == [0, 2]
    assert list(table["within_one_frame"]) == [1, 0]
    assert list(table["dropped"]) == [False, True]
    assert list(table["cost_theirs"]) == [2.5, 9.5]
    means = summarise_comparison(table).set_index("emotion")
    assert list(means.index) == ["happy", "sad", "all"]
    assert means.loc["all", "mean_distance"] == 1
    assert list(means["dropped"]) == [0, 1, 1]
    assert list(means["pairs"]) == [1, 1, 2]
    with pytest.raises(InputError, match="no pair in common"):
        compare_pairings(ours[2:], theirs)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Two clips of one actor, and a workspace of MEAD that holds them."""
    root, random, clips = tmp_path / "mead", np.random.default_rng(0), []
    for emotion, count in (("neutral", 20), ("sad", 24)):
        clip = Clip(root, "M005", emotion, 1 if emotion == "neutral" else 3, "001", "shared-001")
        sound = random.normal(0, 0.1, 16000 * count // 30).astype(np.float32)
        frames = np.zeros((count, 16, 16, 3), np.uint8)
        write_video(clip.video, frames, 30, audio=sound, sample_rate=16000)
        write_audio(clip.audio, sound, 16000)
        clips.append(clip)
    corpus = Corpus(root, "mead", 30, tuple(clips), {"M005": "train"}, "digest")
    monkeypatch.setattr(released_pairs, "make_corpus", lambda workspace: corpus)
    data = tmp_path / "data" / "mead-demo"
    scale = SimpleNamespace(pairing=replace(PairingSettings(), maximum_cost=0.0))
    return SimpleNamespace(
        corpus="mead", data=data, scale=scale, stage_folder=lambda name: data / name
    )


def test_both_pairings_are_compared_where_the_file_is(workspace):
    assert released_pairs.compare_with_released_pairs(workspace) is None
    path = [[*range(20), 19, 19, 19, 19], [*range(24)]]
    optional = workspace.data.parent / "optional"
    optional.mkdir(parents=True)
    content = {"M005": {"sad": {"001_001": path}}}
    (optional / "aligned_path36.json").write_text(json.dumps(content))
    table = released_pairs.compare_with_released_pairs(workspace)
    assert list(table["path_theirs"]) == [24]
    assert list(table["longest_hold_theirs"]) == [4]
    assert list(table["dropped"]) == [True]
    assert (
        table["cost_theirs"] * table["path_theirs"] >= table["cost_ours"] * table["path_ours"]
    ).all()
    workspace.corpus = "synthetic"
    assert released_pairs.compare_with_released_pairs(workspace) is None


def test_planted_emotions_of_unseen_actors_are_named():
    features, emotions, actors = make_told_clips(noise=0.05)
    named = name_unseen_actors(features, emotions, actors)
    assert np.mean(np.asarray(named) == emotions) == 1.0
    with pytest.raises(ShapeError, match="two actors"):
        name_unseen_actors(np.zeros((2, 4)), ["sad", "happy"], ["A", "A"])
