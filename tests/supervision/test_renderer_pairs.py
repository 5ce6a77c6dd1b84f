from __future__ import annotations

import numpy as np

from spfem.correlation.retrieval import AudioBank, nearest_below
from spfem.edit.chain import mouth_centres
from spfem.face.track import FaceTrack
from spfem.settings import RendererSettings
from spfem.supervision.renderer import collect_pairs, draw_pairs

FRAMES, WINDOW, SIDE, UNITS = 14, 6, 8, 5
SETTINGS = RendererSettings(image_size=SIDE, mouth_size=4)
NEUTRAL, HAPPY, SAD = "A/neutral/1", "A/happy/1", "A/sad/1"
KEYS = (NEUTRAL, HAPPY, SAD)
STARTS = FRAMES - WINDOW + 1  # windows a clip
JAW = (0, 3)


def planted_bank():
    """Neutral window i sounds like happy i, 0.5 apart, and sad i, 1.5 apart; none like the last."""
    apart = np.full((STARTS, STARTS), 9.0)
    tables = {}
    for name, near in (("happy", 0.5), ("sad", 1.5)):
        tables[name] = apart.copy()
        np.fill_diagonal(tables[name][:-1, :-1], near)
    emotion = np.repeat([0, 4, 5], STARTS).astype(np.int32)  # neutral, happy, sad
    return AudioBank(
        "A",
        KEYS,
        WINDOW,
        np.repeat(np.arange(3), STARTS).astype(np.int32),
        np.tile(np.arange(STARTS), 3).astype(np.int32),
        emotion,
        {name: nearest_below(table, 2.0, 3) for name, table in tables.items()},
        {name: nearest_below(table.T, 2.0, 3) for name, table in tables.items()},
        2.0,
        "planted",
    )


def planted_track(number):
    """Every frame tells which clip and frame it is."""
    random = np.random.default_rng(number)
    place = 100 * number + np.arange(FRAMES)
    return FaceTrack(
        fps=25.0,
        frame_size=(20, 20),
        found=np.ones(FRAMES, bool),
        landmarks=random.uniform(0, 9, (FRAMES, 478, 3)).astype(np.float32),
        blendshapes=np.zeros((FRAMES, 51), np.float32),
        identity=np.zeros(3, np.float32),
        expression=np.repeat(place[:, None], UNITS, 1).astype(np.float32),
        rotation=np.zeros((FRAMES, 3), np.float32),
        scale=np.ones(FRAMES, np.float32),
        translation=np.zeros((FRAMES, 2), np.float32),
        reprojection_error=np.zeros(FRAMES, np.float32),
        align=np.tile(np.eye(2, 3, dtype=np.float32), (FRAMES, 1, 1)),
        faces=np.broadcast_to(place[:, None, None, None], (FRAMES, SIDE, SIDE, 3)).astype(np.uint8),
        masks=np.zeros((FRAMES, SIDE, SIDE), np.uint8),
    )


TRACKS = {key: planted_track(number) for number, key in enumerate(KEYS)}


class Shown:
    """Conditions that hold the expression instead of a drawing of it."""

    def __init__(self, track):
        self.track = track

    def conditions(self, expression):
        stacked = np.zeros((len(expression), SIDE, SIDE, 10), np.uint8)
        stacked[:, 0, 0, :UNITS] = expression
        stacked[:, 0, 1, 0] = self.track.expression[:, 0]
        return stacked


def edit(source, target):
    """The source's numbers, plus 10 where the wished clip is the happy one and 20 for the sad."""
    return source.expression + 10 * (target.expression[0, 0] // 100)


def collect(drawn, frames=2):
    return collect_pairs(
        planted_bank(), drawn, TRACKS, edit, Shown, SETTINGS, frames=frames, jaw_columns=JAW
    )


def test_draws_pairs_of_different_emotions_that_were_retrieved():
    bank = planted_bank()
    drawn = draw_pairs(bank, 1000, 0)
    per_emotion = STARTS - 1  # the last window sounds like none
    assert len(drawn.source) == 6 * per_emotion
    assert len(set(zip(drawn.source, bank.emotion[drawn.target], strict=True))) == 6 * per_emotion
    for row in range(len(drawn.source)):
        source, target, between = drawn.source[row], drawn.target[row], drawn.by_way_of[row]
        emotions = {int(bank.emotion[source]), int(bank.emotion[target])}
        assert len(emotions) == 2
        assert bank.first[source] == bank.first[target]
        assert (between >= 0) == (0 not in emotions)
        near = {4: 0.5, 5: 1.5}
        onward = int(bank.emotion[target]) or int(bank.emotion[source])
        assert drawn.distance[row] == near[onward]
        first = near[int(bank.emotion[source])] if between >= 0 else 0
        assert drawn.first_distance[row] == first
        if between >= 0:
            assert (bank.emotion[between], bank.first[between]) == (0, bank.first[source])


def test_collected_pairs_show_the_source_on_the_retrieved_frames():
    bank = planted_bank()
    drawn = draw_pairs(bank, 1000, 0)
    pairs = collect(drawn)
    assert len(pairs) == len(drawn.source)
    for row in range(len(pairs)):
        own, other = (bank.clip[window] for window in (drawn.source[row], drawn.target[row]))
        last = bank.first[drawn.source[row]] + WINDOW  # of both windows
        source = 100 * own + np.arange(last - 4, last) + 10 * other
        target = 100 * other + np.arange(last - 4, last)
        told = pairs.conditions[row, :, 0]
        for column in range(UNITS):
            wanted = target if column in JAW else source
            assert np.array_equal(told[:, 0, column], wanted.astype(np.uint8))
        assert np.array_equal(told[:, 1, 0], target.astype(np.uint8))  # drawn on that track
        assert np.array_equal(pairs.faces[row, :, 0, 0, 0], target[2:].astype(np.uint8))
        reference = own if drawn.by_way_of[row] < 0 else 0
        wanted = 100 * reference + np.arange(last - 2, last)
        assert np.array_equal(pairs.references[row, :, 0, 0, 0], wanted.astype(np.uint8))
        centres = mouth_centres(TRACKS[KEYS[other]])[last - 2 : last]
        assert np.array_equal(pairs.mouth_centres[row], centres)
    assert np.array_equal(pairs.source_label, bank.emotion[drawn.source])
    assert np.array_equal(pairs.target_label, bank.emotion[drawn.target])
    # 1 / (1 + (d + d') / 2), for 0.5 alone and 0.5 by way of 1.5
    assert {round(float(w), 4) for w in pairs.weights} == {0.8, 0.5714, 0.5}
