"""SyncNet's layout on made-up weights, its crops, and files that are something else."""

import numpy as np
import pytest
import torch

from spfem.errors import CheckpointError
from spfem.evaluation.lip_sync import SyncNet, face_squares, load_released_lip_sync


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
