"""Clips of drawn heads, redrawn: against the corpus' own renderer, and what must not happen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from spfem.edit.move import BATCH_FRAMES, ClipMover, move_clip
from spfem.errors import FaceNotFoundError, ShapeError
from spfem.face.landmarks import LEFT_EYE, OUTER_LIPS
from spfem.settings import MovedSettings
from tests.edit.drawn import SIZE, draw_clip, lose, speaking, units

SMILE = {"mouthSmile": 0.7, "browInnerUp": 0.5, "cheekSquint": 0.3}
SETTINGS = MovedSettings()


def _moved(clip, **values):
    expression = np.clip(clip.track.expression + units(len(clip.frames), **values), 0, 1)
    return expression, move_clip(clip.frames, clip.track, expression)


def _error(first, second, box=None):
    rows, columns = box or (slice(None), slice(None))
    return np.abs(first[:, rows, columns].astype(float) - second[:, rows, columns]).mean()


def _box(clip, marks, margin):
    places = clip.track.landmarks[:, list(marks), :2].reshape(-1, 2)
    low, high = places.min(0) - margin, places.max(0) + margin
    columns, rows = (slice(max(int(a), 0), int(b)) for a, b in zip(low, high, strict=True))
    return rows, columns


@pytest.fixture(scope="module")
def clip():
    return speaking()


@pytest.fixture(scope="module")
def smiling(clip):
    return _moved(clip, **SMILE)


EQUAL = {
    "speaking": lambda: speaking(),
    "closed": lambda: draw_clip(units(2)),
    "still": lambda: draw_clip(units(3, jawOpen=0.2)),
    "one frame": lambda: draw_clip(units(1, jawOpen=0.2)),
    "blinking": lambda: draw_clip(units(3, eyeBlink=[0.0, 0.5, 1.0])),
    "outside": lambda: speaking(2, centre=(0.1, 0.75)),
    "larger than the frame": lambda: speaking(2, scale=2.2),
    "turned": lambda: speaking(2, turn=(0.2, 0.6, 0.1)),
    "profile": lambda: speaking(2, turn=(0, 1.45, 0)),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal_codes_give_the_very_frames(name):
    clip = EQUAL[name]()
    random = np.random.default_rng(0)
    noisy = clip.track.landmarks + random.normal(0, 1.5, clip.track.landmarks.shape)
    track = replace(clip.track, landmarks=noisy.astype(np.float32))
    assert np.array_equal(move_clip(clip.frames, track, track.expression), clip.frames)


@pytest.mark.parametrize(
    ("wish", "whole", "part", "marks"),
    [
        (SMILE, 0.6, 0.6, OUTER_LIPS),
        ({"mouthFrown": 0.7, "browDown": 0.6}, 0.6, 0.7, OUTER_LIPS),
        ({"mouthPucker": 0.6}, 0.75, 0.75, OUTER_LIPS),
        ({"jawOpen": 0.2}, 0.6, 0.6, OUTER_LIPS),
        ({"eyeBlink": 0.9}, 0.8, 0.6, LEFT_EYE),
    ],
)
def test_the_edit_looks_as_the_corpus_draws_it(clip, wish, whole, part, marks):
    expression, made = _moved(clip, **wish)
    true = draw_clip(expression)
    assert _error(made, true.frames) < whole * _error(clip.frames, true.frames)
    box = _box(true, marks, 4)
    assert _error(made, true.frames, box) < part * _error(clip.frames, true.frames, box)


def test_a_mouth_opened_more_than_shown_takes_another_frame_of_the_clip():
    """What the open mouth shows is painted green in the one frame that has it."""
    opening = np.zeros(8)
    opening[4:] = 0.5
    clip = draw_clip(units(8, jawOpen=opening))
    mouth = draw_clip(units(1, jawOpen=0.5)).track.landmarks[0, list(OUTER_LIPS), :2]
    low, high = mouth.min(0).astype(int), mouth.max(0).astype(int)
    inner = clip.frames[7, low[1] : high[1], low[0] : high[0]]
    dark = inner.sum(-1) < 240
    clip.frames[4:, low[1] : high[1], low[0] : high[0]][:, dark] = (20, 200, 20)
    expression = units(8, jawOpen=0.5)
    made = move_clip(clip.frames, clip.track, expression)
    part = made[0, low[1] : high[1], low[0] : high[0]].astype(int)
    green = (part[..., 1] > part[..., 0] + 60).sum()
    assert green > 0.6 * dark.sum() > 20
    never = replace(clip, frames=clip.frames[:4])
    track = replace(
        clip.track,
        **{
            name: getattr(clip.track, name)[:4]
            for name in (
                "expression", "rotation", "scale", "translation", "landmarks", "found",
            )
        },
    )  # fmt: skip
    painted = move_clip(never.frames, track, expression[:4])
    part = painted[0, low[1] : high[1], low[0] : high[0]].astype(int)
    assert (part[..., 1] < part[..., 0] + 60).all()
    opened = part[dark]
    assert (
        opened.mean(-1) < 0.7 * clip.frames[0, low[1] : high[1], low[0] : high[0]].mean()
    ).mean() > 0.5


def _drawn_near(clip, expression, reach):
    """Where pixels lie beyond a reach around the landmarks' box before and after, (H, W)."""
    both = np.concatenate([clip.track.landmarks, draw_clip(expression).track.landmarks])
    low, high = both[..., :2].min((0, 1)), both[..., :2].max((0, 1))
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    inside = (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])
    return distance_transform_edt(~inside) > reach


def test_bytes_beyond_the_reach_of_the_face_stay(clip, smiling):
    expression, made = smiling
    unit = float(clip.track.scale[0])
    far = _drawn_near(clip, expression, SETTINGS.reach * unit)
    assert far.mean() > 0.05
    assert np.array_equal(made[:, far], clip.frames[:, far])
    assert (made != clip.frames).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize(
    "words",
    [
        {"centre": (0.08, 0.53)},
        {"centre": (0.9, 0.95)},
        {"centre": (1.6, 0.5)},
        {"scale": 2.2},
        {"turn": (0, 1.45, 0)},
        {"turn": (0, -1.45, 0.3)},
        {"turn": (0.9, 0, 0)},
    ],
    ids=["left", "corner", "gone", "large", "profile", "other profile", "looks down"],
)
def test_faces_beyond_the_frame_and_from_the_side_are_not_smeared(words):
    """Colours are those of the frame, and what the true edit leaves alone stays about as it was."""
    clip = speaking(2, **words)
    expression, made = _moved(clip, **SMILE)
    true = draw_clip(expression, **words)
    assert made.shape == clip.frames.shape
    assert made.dtype == np.uint8
    assert _error(made, true.frames) <= _error(clip.frames, true.frames) + 0.05
    if words == {"centre": (1.6, 0.5)}:
        assert np.array_equal(made, clip.frames)


def test_a_hand_before_the_face_stays(clip):
    """A green patch on the cheek of some frames of a longer clip."""
    clip = draw_clip(units(9, jawOpen=np.tile([0, 0.1, 0.2], 3)))
    patch = (slice(62, 92), slice(66, 92))
    clip.frames[4:6, patch[0], patch[1]] = (30, 160, 60)
    _, made = _moved(clip, **SMILE)
    inner = (slice(4, 6), slice(70, 84), slice(74, 84))
    assert np.abs(made[inner].astype(int) - clip.frames[inner]).max() <= 2
    rim = made[4:6, patch[0], patch[1]].astype(int)
    assert (np.abs(rim - (30, 160, 60)).max(-1) < 40).mean() > 0.85
    bare = made[2, patch[0], patch[1]].astype(int) - clip.frames[2, patch[0], patch[1]]
    assert np.abs(bare).max() > 8


def test_frames_without_the_face_stay_and_others_do_not_care(clip, smiling):
    expression, whole = smiling
    lost = lose(clip, [1, 2])
    made = move_clip(lost.frames, lost.track, expression)
    assert np.array_equal(made[1:3], clip.frames[1:3])
    assert (made[[0, 3, 4]] != clip.frames[[0, 3, 4]]).any(axis=(1, 2, 3)).all()
    assert _error(made[3:], whole[3:]) < 1.0


def test_a_stream_gives_the_frames_of_an_array_and_is_read_as_it_is_drawn():
    clip = speaking(3 * BATCH_FRAMES + 2, size=64)
    expression = np.clip(clip.track.expression + units(len(clip.frames), **SMILE), 0, 1)
    mover = ClipMover(clip.track, expression, fps=25)
    mover.gather(iter(clip.frames))
    taken = 0

    def passing():
        nonlocal taken
        for frame in clip.frames:
            taken += 1
            yield frame

    streamed = []
    for frame in mover.move(passing()):
        streamed.append(frame)
        assert taken <= len(streamed) - 1 + 3 * BATCH_FRAMES
    assert np.array_equal(np.stack(streamed), move_clip(clip.frames, clip.track, expression))


def test_codes_of_another_clip_and_frames_that_are_missing(clip):
    track, count = clip.track, len(clip.frames)
    with pytest.raises(ShapeError, match=r"\(4, 52\); the track has \(5, 52\).*same clip"):
        move_clip(clip.frames, track, track.expression[:-1])
    with pytest.raises(ShapeError, match="same clip"):
        move_clip(clip.frames, track, track.expression[:, :-1])
    with pytest.raises(ShapeError, match=f"{count - 1} frames; the track has {count}"):
        move_clip(clip.frames[:-1], track, track.expression)
    with pytest.raises(ShapeError, match=f"more than the {count} frames of the track"):
        move_clip(np.concatenate([clip.frames, clip.frames]), track, track.expression)
    with pytest.raises(FaceNotFoundError, match=f"no face in any of {count} frames"):
        move_clip(clip.frames, lose(clip, list(range(count))).track, track.expression)
