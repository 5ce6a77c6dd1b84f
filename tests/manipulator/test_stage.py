from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from spfem.errors import InputError
from spfem.manipulator import Supervision, load_manipulator
from spfem.manipulator.learn import Guide
from spfem.run.learned import learn_manipulator
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


def test_supervision_gets_keys_and_windows_in_training_order(tmp_path, clips, small, space):
    tracks, labels = clips
    seen = []

    def bind(keys, windows):
        for number in (0, 25, len(windows) - 1):
            window = windows.take(torch.tensor([number]))
            start = int(window.start)
            wanted = tracks[keys[int(window.clip)]].expression[start : start + 10]
            assert np.array_equal(window.expression[0].numpy(), wanted)  # in coefficients

        def losses(edit):
            assert edit.source.expression.shape == edit.edited.shape == (small.batch_size, 10, 12)
            real = edit.restore(edit.source.expression)
            for window, clip, start in zip(
                real, edit.source.clip.tolist(), edit.source.start.tolist(), strict=True
            ):
                own = tracks[keys[clip]].expression[start : start + 10]
                assert np.allclose(window.numpy(), own, atol=1e-5)
            seen.append(edit.step)
            return {"first": edit.edited.square().mean(), "second": edit.edited.abs().mean()}

        return Guide({"first": 1.0, "second": 0.1}, losses)

    path = learn_manipulator(
        tracks,
        labels,
        tmp_path / "m",
        small,
        space=space,
        inputs={},
        supervision=Supervision({}, {}, bind),
    )
    assert seen == list(range(small.steps))
    assert (path.parent / "curve.csv").read_text().splitlines()[0].endswith(",first,second")


def test_bad_input(tmp_path, clips, small, space):
    tracks, labels = clips
    with pytest.raises(InputError, match="actor/999"):
        learn_manipulator(
            tracks, labels | {"actor/999": 1}, tmp_path / "a", small, space=space, inputs={}
        )
    short = {key: Track(track.expression[:9]) for key, track in tracks.items()}
    with pytest.raises(InputError, match="none of 14 clips"):
        learn_manipulator(short, labels, tmp_path / "b", small, space=space, inputs={})
