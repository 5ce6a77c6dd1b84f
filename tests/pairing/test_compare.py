import numpy as np
import pytest
from studies.checks import compare_pairings, path_differences, summarise_comparison

from spfem.errors import InputError, ShapeError
from spfem.pairing.pairs import Pair


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
