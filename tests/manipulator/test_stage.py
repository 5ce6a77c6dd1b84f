from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from spfem.errors import InputError
from spfem.manipulator import Supervision, learn_manipulator, load_manipulator
from tests.manipulator.conftest import planted_speech


@dataclass
class Track:
    expression: np.ndarray


@pytest.fixture
def clips():
    sequences, labels, _ = planted_speech(14, frames=20)
    keys = [f"actor/{index:03}" for index in range(14)]
    tracks = {key: Track(s.numpy()) for key, s in zip(keys, sequences, strict=True)}
    return tracks, dict(zip(keys, labels, strict=True))


class Forbidden(dict):
    def __getitem__(self, key):
        raise AssertionError("a finished stage reads no tracks")


def test_makes_a_checkpoint_and_reuses_it(tmp_path, clips, small, space):
    tracks, labels = clips
    tracks["actor/000"].expression = tracks["actor/000"].expression[:5]  # too short: left out
    inputs = {"faces": "abc"}
    path = learn_manipulator(tracks, labels, tmp_path / "m", small, space=space, inputs=inputs)
    assert load_manipulator(path).space == space
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "artifact.json",
        "curve.csv",
        "manipulator.safetensors",
    ]
    header, *rows = (path.parent / "curve.csv").read_text().splitlines()
    assert header.startswith("step,discriminator,adversarial,style,cycle,mouth")
    assert len(rows) == small.steps
    again = learn_manipulator(
        Forbidden(tracks), labels, tmp_path / "m", small, space=space, inputs=inputs
    )
    assert again == path


def test_supervision_gets_the_keys_in_training_order(tmp_path, clips, small, space):
    tracks, labels = clips
    seen = []

    def bind(keys):
        def loss(source, generated, clip):
            assert source.shape == generated.shape == (small.batch_size, 10, 12)
            for window, index in zip(source, clip.tolist(), strict=True):
                own = torch.from_numpy(tracks[keys[index]].expression).unfold(0, 10, 1)
                distance = (own.transpose(1, 2) - window).abs().amax(dim=(1, 2))
                assert distance.min() < 1e-5
            seen.append(clip)
            return generated.square().mean()

        return loss

    path = learn_manipulator(
        tracks,
        labels,
        tmp_path / "m",
        small,
        space=space,
        inputs={},
        supervision=Supervision("spatial", "1", bind),
    )
    assert len(seen) == small.steps
    assert (path.parent / "curve.csv").read_text().splitlines()[0].endswith(",metric")


def test_bad_input(tmp_path, clips, small, space):
    tracks, labels = clips
    with pytest.raises(InputError, match="actor/999"):
        learn_manipulator(
            tracks, labels | {"actor/999": 1}, tmp_path / "a", small, space=space, inputs={}
        )
    short = {key: Track(track.expression[:9]) for key, track in tracks.items()}
    with pytest.raises(InputError, match="none of 14 clips"):
        learn_manipulator(short, labels, tmp_path / "b", small, space=space, inputs={})
