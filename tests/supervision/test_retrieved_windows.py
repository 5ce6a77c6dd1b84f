from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.correlation.retrieval import AudioBank, nearest_below, retrieve_all
from spfem.manipulator.data import ExpressionWindows
from spfem.settings import EMOTIONS
from spfem.supervision.manipulator import RetrievedWindows

WINDOW = 4
FRAMES = {  # of the clips in training order, which is not the order of the banks
    "A/happy/1": 9,
    "B/neutral/1": 6,
    "A/neutral/1": 8,
    "B/sad/1": 5,
    "A/sad/1": 7,
    "A/happy/2": 5,
}
KEYS = tuple(FRAMES)
SHORT_SOUND = {"A/happy/1": 2}  # windows that the banks do not know


def make_windows(frames=FRAMES, window=WINDOW):
    """Frame f of clip c is (c, f), so that a window tells where it comes from."""
    sequences = [
        torch.stack([torch.full((count,), float(clip)), torch.arange(count).float()], dim=1)
        for clip, count in enumerate(frames.values())
    ]
    labels = [EMOTIONS.index(key.split("/")[1]) for key in frames]
    return ExpressionWindows(sequences, labels, window_frames=window, batch_size=4, seed=0)


def make_bank(actor, seed, clips=None):
    random = np.random.default_rng(seed)
    keys = tuple(
        sorted(
            (key for key in clips or KEYS if key.startswith(actor)),
            key=lambda key: (EMOTIONS.index(key.split("/")[1]), key),
        )
    )
    counts = [FRAMES.get(key, 6) - WINDOW + 1 - SHORT_SOUND.get(key, 0) for key in keys]
    labels = np.array([EMOTIONS.index(key.split("/")[1]) for key in keys], np.int32)
    clip = np.repeat(np.arange(len(keys)), counts).astype(np.int32)
    emotion = labels[clip]
    first = np.concatenate([np.arange(count) for count in counts]).astype(np.int32)
    distances = {
        EMOTIONS[label]: random.uniform(0, 3, ((emotion == 0).sum(), (emotion == label).sum()))
        for label in set(labels.tolist()) - {0}
    }
    return AudioBank(
        actor,
        keys,
        WINDOW,
        clip,
        first,
        emotion,
        {name: nearest_below(table, 2.0, 3) for name, table in distances.items()},
        {name: nearest_below(table.T, 2.0, 3) for name, table in distances.items()},
        2.0,
        "planted",
    )


@pytest.fixture(scope="module")
def banks():
    return {"A": make_bank("A", 0), "B": make_bank("B", 1)}


def place(bank, number):
    """(clip key, first frame) of a window of a bank."""
    return bank.keys[bank.clip[number]], int(bank.first[number])


def located(windows, number):
    """(clip key, first frame) of a training window, read from its frames."""
    clip, frame = windows.take(torch.tensor([number])).expression[0, 0].tolist()
    return KEYS[int(clip)], int(frame)


def test_candidates_are_those_of_the_banks_window_by_window(banks):
    windows = make_windows()
    table = RetrievedWindows(banks, KEYS, windows, seed=0)
    bank_numbers = {
        place(bank, number): (bank, number)
        for bank in banks.values()
        for number in range(len(bank.clip))
    }
    paired = 0
    for number in range(len(windows)):
        key, first = located(windows, number)
        known = bank_numbers.get((key, first))
        for label, emotion in enumerate(EMOTIONS):
            mine = [
                (
                    located(windows, int(target)),
                    float(distance),
                    located(windows, int(between)) if between >= 0 else None,
                    float(before),
                )
                for target, distance, between, before in zip(
                    table.window[number, label],
                    table.distance[number, label],
                    table.by_way_of[number, label],
                    table.first_distance[number, label],
                    strict=True,
                )
                if target >= 0
            ]
            wanted = []
            if known is not None and (known[0].emotion == label).any():
                found = retrieve_all(known[0], emotion, np.array([known[1]]))
                wanted = [
                    (
                        place(known[0], window),
                        float(found.distance[0, column]),
                        place(known[0], found.by_way_of[0, column])
                        if found.by_way_of[0, column] >= 0
                        else None,
                        float(found.first_distance[0, column]),
                    )
                    for column, window in enumerate(found.window[0])
                    if window >= 0
                ]
            assert mine == wanted
            paired += len(wanted)
    assert paired > 50


def test_a_drawn_pair_is_one_of_the_candidates_and_all_come_up(banks):
    windows = make_windows()
    table = RetrievedWindows(banks, KEYS, windows, seed=0)
    batch = windows.take(torch.arange(len(windows)))
    seen = {}
    for step in range(60):
        label = torch.full((len(windows),), EMOTIONS.index("happy"))
        drawn = table.draw(batch, label, step)
        for row in range(len(windows)):
            candidates = table.window[row, label[row]]
            if not drawn.paired[row]:
                assert (candidates < 0).all()
                assert drawn.window[row] == -1
                assert torch.isinf(drawn.distance[row])
                assert torch.isinf(drawn.first_distance[row])
                continue
            column = (candidates == drawn.window[row]).nonzero()[0, 0]
            for mine, all_of_them in (
                (drawn.distance, table.distance),
                (drawn.by_way_of, table.by_way_of),
                (drawn.first_distance, table.first_distance),
            ):
                assert mine[row] == all_of_them[row, label[row], column]
            assert windows.labels[windows.clip[drawn.window[row]]] == label[row]
            seen.setdefault(row, set()).add(int(column))
    for row, columns in seen.items():
        count = int((table.window[row, EMOTIONS.index("happy")] >= 0).sum())
        assert columns == set(range(count))
    assert max(map(len, seen.values())) == 3
