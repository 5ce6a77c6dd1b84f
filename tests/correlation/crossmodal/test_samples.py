from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.correlation.sound import ClipSignals, collect_samples, slice_audio, tabulate_frames
from spfem.errors import CorpusError, ShapeError
from tests.correlation.crossmodal.planted import SMALL, planted_clips


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
