from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.head.names import FACE_UNIT_NAMES
from spfem.reading.films import babble, film_person, mixed_motion, reader_cast, worsen_pictures
from spfem.settings import FaceSettings, ReaderFilmSettings
from spfem.studio.speech import SILENCE


def test_babble_has_no_gap_and_moves_the_mouth():
    speech = babble(1.6, np.random.default_rng(0))
    assert speech.seconds == pytest.approx(1.6)
    assert speech.phonemes[0].name == speech.phonemes[-1].name == SILENCE
    for before, after in zip(speech.phonemes[:-1], speech.phonemes[1:], strict=True):
        assert after.start_seconds == pytest.approx(before.end_seconds, abs=1e-5)
    assert speech.phonemes[-1].end_seconds == pytest.approx(1.6)


def test_neutral_clips_show_no_feeling_and_others_all_units():
    settings = ReaderFilmSettings(people=2)
    actor, random = reader_cast(settings)[0], np.random.default_rng(1)
    neutral = mixed_motion(actor, settings, random, neutral=True).face_units
    feeling = [FACE_UNIT_NAMES.index(name) for name in ("browInnerUp", "mouthSmileLeft")]
    assert neutral[:, feeling].max() == 0
    many = [mixed_motion(actor, settings, random, neutral=False).face_units for _ in range(80)]
    strongest = np.concatenate(many).max(0)
    assert strongest.min() > 0.15
    assert strongest.max() <= 1


def test_worse_pictures_are_those_of_the_same_scene():
    frames = np.random.default_rng(2).integers(60, 200, (2, 32, 32, 3)).astype(np.uint8)
    frames[:] = frames.mean((1, 2), keepdims=True)
    worse = worsen_pictures(frames, np.random.default_rng(3))
    assert worse.shape == frames.shape
    assert not np.array_equal(worse, frames)
    assert np.abs(worse.astype(int) - frames).mean() < 80


@pytest.mark.slow
def test_a_person_is_filmed_the_same_way_twice():
    settings = replace(
        ReaderFilmSettings(people=2), mixed_clips=1, mixed_frames=12, neutral_frames=12
    )
    first, second = (film_person(1, settings, FaceSettings(fit_iterations=2)) for _ in range(2))
    for name, value in vars(first).items():
        assert np.array_equal(value, getattr(second, name)), name
    assert first.starts.tolist() == [0, 12]
    assert first.units.shape == (24, 52)
    assert first.own_identity.shape[0] == 2
