"""The streamed rendering against rendering a whole clip at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.edit.chain import ConditionSource, put_back
from spfem.edit.sample import EditPlan, FaceSample, edited_faces, edited_frames, sample_shift
from spfem.errors import InputError
from spfem.face.align import align_faces
from spfem.face.clip_track import ClipTrack
from spfem.face.conditions import ConditionPainter
from spfem.face.texture import face_texture
from spfem.head import load_head_model
from spfem.renderer.networks import new_renderer
from spfem.renderer.render import render_clips
from tests.edit.made_up import RENDERER
from tests.face.planted import planted_clip

FRAMES, SIDE = 19, RENDERER.image_size
SIZE = (131, 151)


@pytest.fixture(scope="module")
def track():
    planted = planted_clip(load_head_model(), frames=FRAMES)
    codes, tracked = planted.codes, planted.tracked
    return ClipTrack(
        fps=25.0,
        frame_size=SIZE,
        face_size=SIDE,
        found=tracked.found,
        shown=tracked.found,
        landmarks=tracked.landmarks,
        blendshapes=tracked.blendshapes,
        identity=codes.identity,
        expression=codes.expression,
        rotation=codes.rotation,
        scale=codes.scale,
        translation=codes.translation,
        reprojection_error=np.zeros(FRAMES, np.float32),
        align=codes.align,
    )


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(60, 200, (FRAMES, *SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def painter():
    return ConditionPainter(load_head_model(), SIDE)


@pytest.fixture(scope="module")
def whole(track, frames, painter):
    """Face track of the whole clip, texture, conditions of the edit."""
    part = track.part(painter, np.arange(FRAMES), align_faces(frames, track.align, SIDE))
    return part, face_texture(painter, [part])


@pytest.fixture(scope="module")
def plan(track, painter, whole):
    moved = np.clip(track.expression + 0.2, 0, 1)
    generator = new_renderer(RENDERER, 0).generator.eval()
    return EditPlan(track, moved, painter, whole[1], generator, "cpu")


@pytest.fixture(scope="module")
def reference(plan, frames, whole):
    part, texture = whole
    drawn = ConditionSource(plan.painter, part, texture).conditions(plan.expression)
    pictures = render_clips(plan.generator, [drawn])[0]
    return drawn, pictures, put_back(frames, part, pictures, drawn[..., -1])


def test_the_stream_gives_the_frames_of_the_whole_clip(plan, frames, whole, reference):
    everything = np.arange(FRAMES)
    sample = FaceSample(everything, whole[0], [everything], [everything])
    shift = sample_shift(plan, sample)
    streamed = np.stack(list(edited_frames(iter(frames), plan, shift)))
    assert np.array_equal(streamed, reference[2])
    assert (streamed != frames).any(axis=(1, 2, 3)).all()


def test_background_stays_bit_for_bit_outside_the_mask(plan, frames, whole):
    faces = list(edited_faces(plan))
    streamed = edited_frames(iter(frames), plan, np.array([5.0, 0, 0]))
    for before, after, face, matrix in zip(frames, streamed, faces, plan.track.align, strict=True):
        rows, columns = np.nonzero((after != before).any(-1))
        places = np.stack([columns, rows], 1) + 0.5
        aligned = np.floor(places @ matrix[:, :2].T + matrix[:, 2] + 1e-3).astype(int)
        assert len(rows) > 500
        near = face[1][aligned[:, 1].clip(0, SIDE - 1), aligned[:, 0].clip(0, SIDE - 1)] > 0
        assert near.mean() > 0.99  # rounding to the nearest pixel of the mask
        assert ((aligned >= 0) & (aligned < SIDE)).all()


def test_frames_without_the_face_pass_and_the_recurrence_starts_anew(plan, frames):
    shown = np.ones(FRAMES, bool)
    shown[3] = False
    shown[8:16] = False  # a whole chunk
    holes = replace(plan, track=replace(plan.track, shown=shown))
    full = list(edited_frames(iter(frames), plan, np.zeros(3)))
    result = list(edited_frames(iter(frames), holes, np.zeros(3)))
    for index in np.flatnonzero(~shown):
        assert np.array_equal(result[index], frames[index])
    for index in (0, 1, 2, 4, 7):  # a hole within a chunk leaves its neighbours alone
        assert np.array_equal(result[index], full[index])
    assert (result[17] != frames[17]).any()


def test_track_file_round_trip_and_damage(track, tmp_path):
    track.save(tmp_path / "track.npz")
    again = ClipTrack.load(tmp_path / "track.npz")
    assert again.frame_size == SIZE
    assert again.face_size == SIDE
    assert np.array_equal(again.landmarks, track.landmarks)
    (tmp_path / "track.npz").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=r"track\.npz is no track"):
        ClipTrack.load(tmp_path / "track.npz")
