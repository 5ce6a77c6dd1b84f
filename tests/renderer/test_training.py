from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.errors import CheckpointError, InputError, SettingsError, ShapeError
from spfem.renderer.data import RendererClip
from spfem.renderer.learn import train_renderer
from spfem.renderer.render import render_clips
from tests.renderer.planted import PLAIN, SETTINGS, planted_clip


def face_error(pictures, clip):
    """Mean absolute difference in grey levels inside the mask."""
    inside = clip.conditions[..., -1] > 0
    return np.abs(pictures.astype(float) - clip.faces)[inside].mean()


def same(one, two):
    pairs = zip(one.networks().values(), two.networks().values(), strict=True)
    return all(
        torch.equal(value, b.state_dict()[key])
        for a, b in pairs
        for key, value in a.state_dict().items()
    )


def test_training_lowers_the_error_on_a_held_out_clip(trained, clips):
    clip = planted_clip(0, 30)
    held_out = RendererClip(clip.conditions[12:], clip.faces[12:], clip.mouth_centres[12:])
    (pictures,) = render_clips(trained.generator, [held_out.conditions])
    texture = held_out.conditions[..., 9:12]
    assert face_error(pictures, held_out) < 0.5 * face_error(texture, held_out)
    assert face_error(pictures, held_out) < 8
    assert trained.curve[-1]["mouth_pixel"] < 0.5 * trained.curve[0]["mouth_pixel"]
    assert [row["step"] for row in trained.curve] == list(range(1, 61))


def test_adaptation_to_a_new_actor_lowers_its_error(trained):
    clip = planted_clip(50, 16)
    before = [value.clone() for value in trained.generator.state_dict().values()]
    adapted = train_renderer([clip], SETTINGS, seed=0, steps=20, initial=trained)
    errors = [
        face_error(render_clips(renderer.generator, [clip.conditions])[0], clip)
        for renderer in (trained, adapted)
    ]
    assert errors[1] < errors[0]
    for old, new in zip(before, trained.generator.state_dict().values(), strict=True):
        assert torch.equal(old, new)


def test_refuses_bad_input(trained, clips):
    with pytest.raises(InputError, match="no clip"):
        train_renderer([], SETTINGS, seed=0, steps=1)
    with pytest.raises(SettingsError, match="at least one step"):
        train_renderer(clips, SETTINGS, seed=0, steps=0)
    with pytest.raises(SettingsError, match="one chunk"):
        train_renderer(clips, replace(SETTINGS, chunk_frames=5), seed=0, steps=1)
    with pytest.raises(SettingsError, match="precision"):
        train_renderer(clips, replace(SETTINGS, precision="half"), seed=0, steps=1)
    with pytest.raises(ShapeError, match="conditions of a renderer clip"):
        train_renderer(clips, PLAIN, seed=0, steps=1)
    with pytest.raises(ShapeError, match="mouth_centres"):
        train_renderer(
            [replace(clips[0], mouth_centres=np.zeros((2, 2)))], SETTINGS, seed=0, steps=1
        )
    with pytest.raises(CheckpointError, match="other renderer settings"):
        train_renderer(clips, replace(SETTINGS, width=8), seed=0, steps=1, initial=trained)
