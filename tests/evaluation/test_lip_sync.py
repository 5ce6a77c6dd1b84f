"""Windows, the search over shifts, the learned network on planted speech, and SyncNet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.errors import CheckpointError, SettingsError, ShapeError
from spfem.evaluation.lip_sync import (
    SyncNet,
    distances_by_shift,
    face_squares,
    frames_at_25,
    lip_windows,
    load_lip_sync,
    load_released_lip_sync,
    save_lip_sync,
    score_distances,
    sound_windows,
    window_count,
)
from spfem.evaluation.lip_sync_meter import (
    LearnedLipSync,
    SpokenClip,
    check_lip_sync,
    contrast,
    embed_clip,
    learn_network,
)
from spfem.settings import LipSyncSettings


@pytest.mark.parametrize("fps", [30, 29.97, 24, 50, 60])
def test_resampled_frames_are_the_nearest_in_time(fps):
    index = frames_at_25(120, fps)
    assert len(index) == pytest.approx(120 * 25 / fps, abs=1)
    times = index / fps
    assert np.abs(times - np.arange(len(index)) / 25).max() <= 0.5 / fps + 1e-9
    assert (np.diff(index) >= 0).all()


def test_no_frame_or_rate_is_refused():
    for count, fps in ((0, 25), (4, 0)):
        with pytest.raises(ShapeError, match="frames and a rate"):
            frames_at_25(count, fps)


def test_windows_of_lips_and_sound_start_together():
    index = np.array([0, 3])
    lips = lip_windows(np.arange(10), index)
    assert lips.tolist() == [[0, 1, 2, 3, 4], [3, 4, 5, 6, 7]]
    rows = np.repeat(np.arange(40.0)[:, None], 13, axis=1)
    sound = sound_windows(rows, index)
    assert sound.shape == (2, 13, 20)
    assert sound[1, 0].tolist() == list(range(12, 32))  # 4 rows a frame
    assert window_count(10, 40) == 6
    assert window_count(10, 39) == 5  # the sound is too short for the last
    assert window_count(4, 99) == 0


@pytest.fixture
def sound():
    return np.random.default_rng(0).normal(size=(40, 8))


def moved(sound, shift):
    """Lips whose sound comes `shift` frames later."""
    return np.roll(sound, -shift, axis=0)


@pytest.mark.parametrize("shift", [-7, -1, 0, 3, 12])
def test_planted_offset_is_found_and_costs_nothing(sound, shift):
    score = score_distances(distances_by_shift(moved(sound, shift), sound, 15))
    assert score.offset == shift
    assert score.lse_d == pytest.approx(0, abs=1e-12)
    assert score.lse_c > 2  # the median of unrelated windows
    assert score.search == 15


def slow_search(lips, sound, search, zeros):
    means = []
    for shift in range(-search, search + 1):
        gaps = []
        for window in range(len(lips)):
            partner = window + shift
            if 0 <= partner < len(sound):
                gaps.append(sum((lips[window] - sound[partner]) ** 2) ** 0.5)
            elif zeros:
                gaps.append(sum(lips[window] ** 2) ** 0.5)
        means.append(sum(gaps) / len(gaps))
    return means


@pytest.mark.parametrize("zeros", [False, True])
def test_distances_equal_a_slow_search(sound, zeros):
    lips = np.random.default_rng(1).normal(size=sound.shape)
    found = distances_by_shift(lips, sound, 9, zeros_beyond=zeros)
    np.testing.assert_allclose(found, slow_search(lips, sound, 9, zeros), rtol=1e-12)
    score = score_distances(found)
    assert score.lse_d == min(found)
    assert score.lse_c == sorted(found)[9] - min(found)


SETTINGS = LipSyncSettings(crop_size=16, width=16, embedding=16, steps=60, clips=4, moments=12)


def planted(seed: int, frames: int = 45) -> SpokenClip:
    """A mouth that opens with the sound: a dark bar as high as the energy of that moment."""
    random = np.random.default_rng(seed)
    opening = np.convolve(random.normal(size=frames + 4), np.ones(2) / 2, "same")[:frames]
    crops = np.full((frames, 16, 16), 150 + 10 * seed % 60, np.uint8)
    for crop, amount in zip(crops, opening, strict=True):
        crop[8 - int(np.clip(2 + 3 * amount, 0, 7)) : 9, 4:12] = 30
    rows = random.normal(0, 0.1, (4 * frames + 16, 13)).astype(np.float32)
    rows[: 4 * frames, 0] += np.repeat(opening, 4) * 3
    return SpokenClip(crops, rows)


@pytest.fixture(scope="module")
def learned():
    clips = [planted(seed) for seed in range(12)]
    return learn_network(clips, SETTINGS, seed=0)


def test_shifts_of_unseen_clips_are_found(learned):
    network, curve = learned
    losses = [row["loss"] for row in curve]
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:3])
    meter = LearnedLipSync(network, SETTINGS)
    unseen = {"unseen": [planted(seed) for seed in range(50, 58)]}
    row = check_lip_sync(meter, unseen, (-5, 0, 4)).iloc[0]
    assert row.auc > 0.9
    assert row.offset_found > 0.9
    assert row.clips == 8


def test_checkpoint_measures_alike(learned, tmp_path):
    network, _ = learned
    save_lip_sync(tmp_path / "n.safetensors", network)
    again = load_lip_sync(tmp_path / "n.safetensors")
    clip = planted(80)
    assert all(map(np.array_equal, embed_clip(again, clip), embed_clip(network, clip)))
    (tmp_path / "n.safetensors").write_bytes(b"half")
    with pytest.raises(CheckpointError, match="damaged"):
        load_lip_sync(tmp_path / "n.safetensors")


def test_contrast_equals_its_definition():
    random = np.random.default_rng(0)
    lips, sound = (random.normal(size=(5, 3)) for _ in range(2))
    scores = lips @ sound.T / 0.5
    wanted = 0.0
    for row in range(5):
        for line in (scores[row], scores[:, row]):
            wanted += (np.log(np.exp(line).sum()) - scores[row, row]) / 10
    found = contrast(torch.from_numpy(lips), torch.from_numpy(sound), 0.5)
    assert float(found) == pytest.approx(wanted)


def test_too_short_clips_and_senseless_settings_are_refused(learned):
    with pytest.raises(ShapeError, match="long enough"):
        learn_network([planted(0, 5)], SETTINGS, seed=0)
    short = LearnedLipSync(learned[0], SETTINGS).score(planted(0, 10))
    assert np.isnan(short.lse_d)
    for change in ({"crop_size": 20}, {"clips": 0}, {"temperature": 0.0}):
        with pytest.raises(SettingsError):
            replace(SETTINGS, **change)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("released") / "syncnet_v2.model"
    weights = SyncNet().state_dict()  # older files have no counters
    torch.save({name: value for name, value in weights.items() if "tracked" not in name}, path)
    return path


def test_names_and_shapes_are_those_of_the_public_network():
    shapes = {name: tuple(value.shape) for name, value in SyncNet().state_dict().items()}
    assert shapes["netcnnaud.0.weight"] == (64, 1, 3, 3)
    assert shapes["netcnnaud.18.weight"] == (512, 256, 5, 4)
    assert shapes["netfcaud.3.weight"] == shapes["netfclip.3.weight"] == (1024, 512)
    assert shapes["netcnnlip.0.weight"] == (96, 3, 5, 7, 7)
    assert shapes["netcnnlip.4.weight"] == (256, 96, 1, 5, 5)
    assert shapes["netcnnlip.18.weight"] == (512, 256, 1, 6, 6)


@pytest.mark.slow
def test_a_clip_is_measured_and_a_short_one_is_not(file):
    meter = load_released_lip_sync(file)
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, (34, 64, 64, 3), dtype=np.uint8)
    landmarks = np.broadcast_to(random.uniform(16, 48, (478, 3)), (34, 478, 3))
    audio = random.normal(0, 0.1, 34 * 640 + 640)
    score = meter.measure(frames, landmarks, audio, 25)
    assert score.lse_d > 0
    assert score.lse_c >= 0
    assert score.search == 15
    assert np.isnan(meter.measure(frames[:30], landmarks[:30], audio, 25).lse_d)


def test_squares_hold_the_face_with_room_below():
    frames = np.zeros((3, 100, 100, 3), np.uint8)
    frames[:, 40:60, 40:60] = 200
    landmarks = np.tile(np.array([[40.0, 40, 0], [60, 60, 0]]), (3, 239, 1))
    squares = face_squares(frames, landmarks)
    assert squares.shape == (3, 224, 224, 3)
    bright = np.argwhere(squares[1, ..., 0] > 150)
    # The face, 20 pixels, takes 20 / 28 of the square: top, and in the middle across.
    assert bright.min(0) == pytest.approx([0, 32], abs=2)
    assert bright.max(0) == pytest.approx([160, 192], abs=5)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "other.model"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="syncnet"):
        load_released_lip_sync(path)
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(CheckpointError, match="could run code"):
        load_released_lip_sync(path)
