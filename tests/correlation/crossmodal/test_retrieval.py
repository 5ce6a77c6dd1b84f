from __future__ import annotations

import numpy as np
import pytest

from spfem.correlation.retrieval import AudioBank, Nearest, nearest_below, retrieve_all
from spfem.errors import CorpusError
from spfem.settings import EMOTIONS

COUNTS = {"neutral": 7, "happy": 9, "sad": 5}
THRESHOLD, TOP = 2.0, 3


@pytest.fixture(scope="module")
def planted():
    """A bank made of random distances, and these distances (rows neutral)."""
    random = np.random.default_rng(0)
    distances = {
        name: random.uniform(0.5, 4, (COUNTS["neutral"], COUNTS[name])).astype(np.float32)
        for name in ("happy", "sad")
    }
    distances["happy"][2] = 3.0  # a neutral window without a happy one
    distances["sad"][:, 1] = 3.5  # a sad window without a neutral one
    distances["sad"][:, 0] = 3.0
    distances["sad"][2, 0] = 0.5  # a sad window whose neutral one has no happy one
    emotion = np.concatenate([np.full(n, EMOTIONS.index(name)) for name, n in COUNTS.items()])
    bank = AudioBank(
        "A",
        ("A/neutral/1", "A/happy/1", "A/sad/1"),
        10,
        np.repeat(np.arange(3), list(COUNTS.values())).astype(np.int32),
        np.concatenate([np.arange(n) for n in COUNTS.values()]).astype(np.int32),
        emotion.astype(np.int32),
        {name: nearest_below(table, THRESHOLD, TOP) for name, table in distances.items()},
        {name: nearest_below(table.T, THRESHOLD, TOP) for name, table in distances.items()},
        THRESHOLD,
        "planted",
    )
    return bank, distances


def brute_force(distances, source, number, target):
    """Candidates as (number among the target's windows, distance, neutral window, distance)."""
    if source == target:
        return [(number, 0.0, None, 0.0)]
    if "neutral" in (source, target):
        line = distances[target][number] if source == "neutral" else distances[source][:, number]
        ranked = sorted((d, k) for k, d in enumerate(line) if d <= THRESHOLD)
        return [(k, d, None, 0.0) for d, k in ranked[:TOP]]
    first = distances[source][:, number]
    neutral = int(np.argmin(first))
    onward = distances[target][neutral]
    if first[neutral] > THRESHOLD or onward.min() > THRESHOLD:
        return []
    return [(int(np.argmin(onward)), onward.min(), neutral, first[neutral])]


def test_candidates_are_those_of_a_plain_search(planted):
    bank, distances = planted
    start = dict(zip(COUNTS, np.cumsum([0, *COUNTS.values()]), strict=False))
    sizes = set()
    for target in COUNTS:
        everything = retrieve_all(bank, target)
        for source in COUNTS:
            for number in range(COUNTS[source]):
                row = start[source] + number
                wanted = brute_force(distances, source, number, target)
                count = len(wanted)
                sizes.add((source == "neutral", target == "neutral", count))
                assert everything.found[row] == bool(wanted)
                assert (everything.window[row, count:] == -1).all()
                assert np.isinf(everything.distance[row, count:]).all()
                for column, (k, d, neutral, first) in enumerate(wanted):
                    assert everything.window[row, column] == start[target] + k
                    assert everything.distance[row, column] == np.float32(d)
                    assert everything.by_way_of[row, column] == (
                        -1 if neutral is None else start["neutral"] + neutral
                    )
                    assert everything.first_distance[row, column] == np.float32(first)
                single = retrieve_all(bank, target, np.array([row]))
                assert np.array_equal(single.window[0], everything.window[row])
                assert np.array_equal(single.distance[0], everything.distance[row])
    assert {(False, False, 0), (False, False, 1), (True, False, 0), (True, False, 3)} <= sizes


def test_nearest_keeps_the_earlier_of_equals_and_the_threshold_itself():
    found = nearest_below(np.array([[2.0, 1.0, 1.0, 5.0], [3.0, 3.0, 3.0, 3.0]]), 2.0, 3)
    assert found.index.tolist() == [[1, 2, 0], [-1, -1, -1]]
    assert found.distance[0].tolist() == [1, 1, 2]
    assert np.isinf(found.distance[1]).all()


def test_bad_questions_are_refused(planted):
    bank, _ = planted
    with pytest.raises(CorpusError, match="fear"):
        retrieve_all(bank, "fear")
    with pytest.raises(CorpusError, match="bored"):
        retrieve_all(bank, "bored")
    assert isinstance(bank.from_neutral["happy"], Nearest)
