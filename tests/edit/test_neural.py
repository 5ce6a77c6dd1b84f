"""NED's renderer on a clip: streamed against rendering a whole clip at once; what is sampled."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from spfem.edit.chain import ConditionSource, blended_frames, put_back
from spfem.edit.neural import (
    LARGEST_FACE_SIZE,
    ClipSample,
    choose_face_size,
    drawn_faces,
    sample_shift,
    spread_stretches,
)
from spfem.errors import InputError
from spfem.face.align import align_faces
from spfem.face.clip_track import ClipTrack
from spfem.face.conditions import ConditionPainter
from spfem.head import load_head_model
from spfem.renderer.networks import new_renderer
from spfem.renderer.render import render_clips
from tests.edit.made_up import RENDERER
from tests.face.planted import planted_clip

FRAMES, SIDE = 19, RENDERER.image_size
SIZE = (131, 151)


@pytest.fixture(scope="module")
def track():
    codes = replace(planted_clip(load_head_model(), frames=FRAMES).codes, frame_size=SIZE)
    return ClipTrack(**vars(codes), face_size=SIDE, shown=codes.found)


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(60, 200, (FRAMES, *SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def painter():
    return ConditionPainter(load_head_model(), SIDE)


@pytest.fixture(scope="module")
def whole(track, frames, painter):
    """Face track of the whole clip."""
    return track.part(painter, np.arange(FRAMES), align_faces(frames, track.align, SIDE))


@pytest.fixture(scope="module")
def moved(track):
    """Face units of the edit."""
    return np.clip(track.expression + 0.2, 0, 1)


@pytest.fixture(scope="module")
def generator():
    return new_renderer(RENDERER, 0).generator.eval()


@pytest.fixture(scope="module")
def draw(painter):
    return lambda part, shown: ConditionSource(painter, part).conditions(shown)


@pytest.fixture(scope="module")
def faces(track, painter, moved, generator, draw):
    """Gives the drawn faces where the face is shown."""

    def drawn(shown):
        def conditions(frames):
            return draw(track.part(painter, np.arange(FRAMES)[frames]), moved[frames])

        return list(drawn_faces(generator, conditions, shown, "cpu"))

    return drawn


def test_the_stream_gives_the_frames_of_the_whole_clip(
    track, frames, whole, moved, generator, draw, faces
):
    everything, part = np.arange(FRAMES), whole
    conditions = draw(part, moved)
    pictures = render_clips(generator, [conditions])[0]
    sample = ClipSample(everything, part, [everything], [everything])
    shift = sample_shift(sample, moved, draw, generator, "cpu")
    streamed = np.stack(list(blended_frames(iter(frames), track.align, faces(track.shown), shift)))
    assert np.array_equal(streamed, put_back(frames, part, pictures, conditions[..., -1]))
    assert (streamed != frames).any(axis=(1, 2, 3)).all()


def test_background_stays_bit_for_bit_outside_the_mask(track, frames, faces):
    drawn = faces(track.shown)
    streamed = blended_frames(iter(frames), track.align, drawn, np.array([5.0, 0, 0]))
    for before, after, face, matrix in zip(frames, streamed, drawn, track.align, strict=True):
        rows, columns = np.nonzero((after != before).any(-1))
        places = np.stack([columns, rows], 1) + 0.5
        aligned = np.floor(places @ matrix[:, :2].T + matrix[:, 2] + 1e-3).astype(int)
        assert len(rows) > 500
        near = face[1][aligned[:, 1].clip(0, SIDE - 1), aligned[:, 0].clip(0, SIDE - 1)] > 0
        assert near.mean() > 0.99  # rounding to the nearest pixel of the mask
        assert ((aligned >= 0) & (aligned < SIDE)).all()


def test_frames_without_the_face_pass_and_the_recurrence_starts_anew(track, frames, faces):
    shown = np.ones(FRAMES, bool)
    shown[3] = False
    shown[8:16] = False  # a whole chunk
    full, result = (
        list(blended_frames(iter(frames), track.align, faces(some)))
        for some in (track.shown, shown)
    )
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


def _scaled(scale, found=(True, True, False)):
    align = np.tile(np.array([[scale, 0, 0], [0, scale, 0]]), (3, 1, 1))
    align[2] *= 50  # a frame without a face must not count
    return SimpleNamespace(align=align, found=np.array(found), face_size=96)


@pytest.mark.parametrize(
    ("scale", "size"),
    [(1.0, 96), (2.0, 96), (0.6, 160), (0.5, 192), (0.1, LARGEST_FACE_SIZE["cpu"])],
)
def test_face_size_follows_the_detail_of_the_clip(scale, size):
    assert choose_face_size(_scaled(scale), 96, "cpu") == size


def test_a_renderer_trained_large_is_never_made_smaller():
    assert choose_face_size(_scaled(0.5), 256, "cpu") == 256


def test_frames_without_the_face_are_not_learned_from():
    shown = np.ones(40, bool)
    shown[10:14] = False
    runs = spread_stretches(shown, 300, 50)
    assert [(run[0], run[-1]) for run in runs] == [(0, 9), (14, 39)]


def test_a_long_clip_gives_bounded_stretches_spread_over_it():
    shown = np.ones(20_000, bool)
    shown[5_000:6_000] = False
    runs = spread_stretches(shown, 300, 50)
    assert sum(map(len, runs)) == 300
    assert all(np.array_equal(np.diff(run), np.ones(49)) for run in runs)
    assert all(shown[run].all() for run in runs)
    starts = np.array([run[0] for run in runs])
    assert starts[0] < 3_000
    assert starts[-1] > 17_000
    assert np.diff(starts).min() > 2_000
