"""Training, with and without supervision, and rendering."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.errors import CheckpointError, InputError, SettingsError, ShapeError
from spfem.renderer.data import RendererClip, draw_sequences
from spfem.renderer.learn import FaceTerm, RendererSupervision, supervising_terms, train_renderer
from spfem.renderer.networks import new_renderer
from spfem.renderer.render import render_clips
from spfem.training import step_random
from tests.renderer.planted import PLAIN, SETTINGS, SIDE, planted_clip


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
    (before,) = render_clips(new_renderer(SETTINGS, 0).generator, [held_out.conditions])
    assert face_error(pictures, held_out) < 0.25 * face_error(before, held_out)
    assert face_error(pictures, held_out) < 8
    assert trained.curve[-1]["mouth_pixel"] < 0.5 * trained.curve[0]["mouth_pixel"]
    assert [row["step"] for row in trained.curve] == list(range(1, 61))


def test_adaptation_to_a_new_actor_lowers_its_error(trained):
    clip = planted_clip(50, 16, person=50)
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
    narrow = replace(clips[0], conditions=clips[0].conditions[..., :9])
    with pytest.raises(ShapeError, match="conditions of a renderer clip"):
        train_renderer([narrow], PLAIN, seed=0, steps=1)
    with pytest.raises(ShapeError, match="mouth_centres"):
        train_renderer(
            [replace(clips[0], mouth_centres=np.zeros((2, 2)))], SETTINGS, seed=0, steps=1
        )
    with pytest.raises(CheckpointError, match="other renderer settings"):
        train_renderer(clips, replace(SETTINGS, width=8), seed=0, steps=1, initial=trained)


@pytest.fixture(scope="module")
def edited():
    return [planted_clip(seed, 8, smile=1.0) for seed in range(2)]


def difference(generated, source, random):
    """A loss that also depends on its draws."""
    return (generated - source).abs().mean() * (1 + torch.rand((), generator=random))


def pictures_one_by_one(renderer, conditions):
    """(B, T, 3, S, S): each window on its own through the generator."""
    scaled = torch.from_numpy(conditions).movedim(-1, -3).float() / 255
    previous = torch.zeros(len(scaled), 2, 3, SIDE, SIDE)
    made = []
    for frame in range(scaled.shape[1] - 2):
        picture = renderer.generator(scaled[:, frame : frame + 3], previous)
        made.append(picture)
        previous = torch.stack([previous[:, 1], picture.detach()], 1)
    return torch.stack(made, 1)


@pytest.mark.parametrize(("position", "first"), [(0, 0), (2, 1)])  # 2 + 5 frames are too many of 6
def test_every_term_is_that_of_a_slow_loop(edited, position, first):
    renderer = new_renderer(SETTINGS, 0)
    sequence = draw_sequences(edited, 6, SETTINGS, np.random.default_rng(0))
    seen = []

    def remember(generated, source, random):
        seen.append((generated.detach(), source))
        return (generated - source).abs().mean()

    terms = (FaceTerm("wide", 2.0, 5, remember), FaceTerm("last", 0.5, 2, remember))
    values = supervising_terms(
        renderer,
        RendererSupervision(terms),
        sequence,
        position,
        random=step_random(1, 2),
        device="cpu",
    )
    made = pictures_one_by_one(renderer, sequence.edited_conditions[:, first : first + 7])
    real = torch.empty_like(made)
    for clip in range(2):
        for frame in range(5):
            face = torch.from_numpy(sequence.faces[clip, first + frame]).permute(2, 0, 1) / 127.5
            inside = sequence.conditions[clip, first + frame + 2, :, :, -1] == 255
            real[clip, frame] = torch.where(torch.from_numpy(inside), face - 1, -1.0)
    for (generated, source), frames in zip(seen, (5, 2), strict=True):
        torch.testing.assert_close(generated, made[:, -frames:].detach(), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(source, real[:, -frames:])
        assert not source.requires_grad
    assert list(values) == ["wide", "last"]
    for name, weight, frames in (("wide", 2.0, 5), ("last", 0.5, 2)):
        expected = weight * (made[:, -frames:] - real[:, -frames:]).abs().mean()
        assert float(values[name].detach()) == pytest.approx(float(expected.detach()), rel=1e-4)


def test_the_released_form_holds_a_reconstruction_to_its_own_ground_truth(edited):
    renderer, seen = new_renderer(SETTINGS, 0), []
    sequence = draw_sequences(edited, 6, SETTINGS, np.random.default_rng(0))
    bare = replace(sequence, edited_conditions=None)  # the form needs none

    def remember(generated, source, random):
        seen.append((generated.detach(), source))
        return (generated - source).abs().mean()

    term = (FaceTerm("spatial", 1.0, 4, remember),)
    released = RendererSupervision(term, released_form=True)
    options = {"random": step_random(1, 2), "device": "cpu"}
    values = supervising_terms(renderer, released, bare, 1, **options)
    made = pictures_one_by_one(renderer, sequence.conditions[:, 1:7])
    ((generated, source),) = seen
    torch.testing.assert_close(generated, made.detach(), atol=1e-5, rtol=1e-4)
    inside = torch.from_numpy(sequence.conditions[:, 3:7, ..., -1:]).movedim(-1, -3) == 255
    faces = torch.from_numpy(sequence.faces[:, 1:5]).movedim(-1, -3) / 127.5 - 1
    torch.testing.assert_close(source, torch.where(inside, faces, -1.0))
    values["spatial"].backward()
    assert any(p.grad is not None and p.grad.any() for p in renderer.generator.parameters())
    supervising_terms(renderer, RendererSupervision(term), sequence, 1, **options)
    assert not torch.equal(seen[1][0], generated)  # of the edited conditions
    assert torch.equal(seen[1][1], source)


def test_refuses_what_cannot_be_supervised(edited):
    wide = RendererSupervision((FaceTerm("wide", 1.0, 5, difference),))
    with pytest.raises(SettingsError, match="sequences of 4 frames are shorter than the 5"):
        train_renderer(edited, SETTINGS, seed=0, steps=1, supervision=wide)
    narrow = FaceTerm("narrow", 1.0, 2, difference)
    with pytest.raises(SettingsError, match="renderer_every"):
        RendererSupervision((narrow,), every=0).check(SETTINGS)
    with pytest.raises(SettingsError, match="different names"):
        RendererSupervision((narrow, narrow)).check(SETTINGS)
    bare = [replace(clip, edited_conditions=None) for clip in edited]
    with pytest.raises(InputError, match="edited_conditions"):
        train_renderer(bare, SETTINGS, seed=0, steps=1, supervision=RendererSupervision((narrow,)))


def test_every_frame_is_made_and_the_input_stays(trained):
    conditions = planted_clip(1, 5).conditions
    before = conditions.copy()
    (pictures,) = render_clips(trained.generator, [conditions])
    assert pictures.shape == (5, 32, 32, 3)
    assert pictures.dtype == np.uint8
    assert np.array_equal(before, conditions)
    assert render_clips(trained.generator, []) == []


def test_refuses_clips_that_do_not_fit(trained):
    good = planted_clip(1, 5).conditions
    with pytest.raises(InputError, match="clip 1 has no frame"):
        render_clips(trained.generator, [good, good[:0]])
    for bad in (good[..., :9], good[:, :16], good.astype(np.float32)):
        with pytest.raises(ShapeError, match="clip 0"):
            render_clips(trained.generator, [bad])
