from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.correlation.sound import (
    BatchDraw,
    ClipSignals,
    collect_samples,
    slice_audio,
    tabulate_frames,
)
from spfem.errors import CorpusError, ShapeError
from spfem.released.arithmetic import ReleasedBatchDraw
from tests.correlation.planted_sound import SMALL, planted_clips


def test_a_slice_starts_with_its_frame_even_where_the_rates_do_not_divide():
    settings = replace(SMALL, sample_rate=16000, fps=30)
    samples = np.arange(16000 * 4, dtype=np.float32)
    slices = slice_audio(samples, settings)
    assert slices.shape == (120, 533)
    for frame in (0, 1, 29, 119):
        assert slices[frame, 0] == frame * 16000 // 30
        assert np.array_equal(np.diff(slices[frame]), np.ones(532))


@pytest.mark.parametrize("cut", [0, 1, 31, 32, 40])
def test_only_whole_slices_count(cut):
    samples = np.zeros(32 * 10 - cut, np.float32)
    assert len(slice_audio(samples, SMALL)) == (32 * 10 - cut) // 32


def test_sound_shorter_than_the_video_shortens_every_modality_alike():
    whole = ClipSignals(np.zeros(32 * 9, np.float32), np.arange(20.0).reshape(10, 2))
    later = ClipSignals(np.ones(32 * 12, np.float32), np.full((10, 2), 7.0))
    table = tabulate_frames({"A/neutral/1": whole, "A/happy/1": later}, SMALL)
    assert table.starts.tolist() == [0, 9, 19]
    assert [len(table.signals[name]) for name in ("audio", "expression")] == [19, 19]
    row = table.rows("A/happy/1")[0]
    assert row == 9
    assert table.signals["audio"][row].min() == 1
    assert table.signals["expression"][row].tolist() == [7, 7]


def test_samples_are_the_path_entries_that_can_be_used():
    clips, pairs, _ = planted_clips(("A",), 1, ("happy",))
    pair = pairs.pairs[0]
    hidden = np.ones(len(clips[pair.source].expression), bool)
    hidden[3] = False
    clips[pair.source] = replace(clips[pair.source], found=hidden)
    clips[pair.target] = replace(clips[pair.target], audio=clips[pair.target].audio[:-1])
    table = tabulate_frames(clips, SMALL)
    samples = collect_samples(table, pairs.pairs, {"A": "train"}, "train")
    last = len(clips[pair.target].expression) - 1
    wanted = [(s, 30 + t) for s, t in pair.path if s != 3 and t < last]
    assert list(zip(samples.source, samples.target, strict=True)) == wanted
    assert samples.names == ("A/happy",)


def test_bad_input_is_refused():
    with pytest.raises(CorpusError, match="modalities"):
        tabulate_frames({}, SMALL)
    with pytest.raises(CorpusError, match="modalities"):
        tabulate_frames({"a": ClipSignals(expression=np.zeros((3, 2))), "b": ClipSignals()}, SMALL)
    with pytest.raises(ShapeError, match="audio"):
        slice_audio(np.full(100, np.nan), SMALL)
    with pytest.raises(ShapeError, match="audio"):
        slice_audio(np.zeros(31), SMALL)
    with pytest.raises(ShapeError, match="image of a"):
        tabulate_frames({"a": ClipSignals(image=np.zeros((3, 2)))}, SMALL)


@pytest.fixture(scope="module")
def material():
    clips, pairs, _ = planted_clips()
    table = tabulate_frames(clips, SMALL)
    return table, collect_samples(table, pairs.pairs, {"A": "train", "B": "train"}, "train")


def owners(table, rows):
    return {(table.keys[n].split("/")[0], table.keys[n].split("/")[1]) for n in table.clip_of[rows]}


def test_a_batch_is_of_one_actor_and_emotion_and_all_groups_are_drawn(material):
    table, samples = material
    draw = BatchDraw(table, samples, SMALL)
    seen = set()
    for step in range(40):
        batch = draw(np.random.default_rng(step))
        (actor, emotion), *others = owners(table, batch.target)
        assert not others
        assert owners(table, batch.source) == {(actor, "neutral")}
        seen.add((actor, emotion))
        assert len(batch.source) == SMALL.batch_size
    assert seen == {(actor, emotion) for actor in "AB" for emotion in ("happy", "sad")}


def test_the_mask_is_what_a_plain_loop_finds(material):
    table, samples = material
    settings = replace(SMALL, false_negative_frames=2)
    batch = BatchDraw(table, samples, settings)(np.random.default_rng(3))
    clip = table.clip_of
    masked = 0
    for i in range(len(batch.source)):
        for j in range(len(batch.source)):
            near = False
            for rows in (batch.source, batch.target):
                same = clip[rows[i]] == clip[rows[j]]
                near = near or (same and abs(rows[i] - rows[j]) <= 2)
            assert bool(batch.mask[i, j]) == near
            masked += near
    assert len(batch.source) < masked < len(batch.source) ** 2


def test_the_released_draw_repeats_others_but_never_the_anchor_and_masks_nothing(material):
    table, samples = material
    settings = replace(SMALL, compat="false_negatives", batch_size=200)
    batch = ReleasedBatchDraw(table, samples, settings)(np.random.default_rng(0))
    drawn = list(zip(batch.source, batch.target, strict=True))
    assert batch.mask is None
    assert len(drawn) == 200
    assert len(set(drawn)) < 200
    assert drawn[0] not in drawn[1:]
