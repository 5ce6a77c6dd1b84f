"""Motion: closures, opening, smoothness, lead; only the emotion differs in a counterpart."""

import numpy as np
import pytest

from spfem.errors import CorpusError
from spfem.head.names import FACE_UNIT_NAMES
from spfem.settings import EMOTIONS
from spfem.studio.motion import actor_style, face_motion
from spfem.studio.speech import actor_voice, speak, speech_style
from spfem.studio.visemes import VISEME_NAMES, unit_vector, viseme_weights
from spfem.studio.words import SHARED

STYLE = actor_style(7)
SPEECH = {e: speak(SHARED[0], actor_voice(1, female=True), speech_style(e, 3)) for e in EMOTIONS}
JAW = FACE_UNIT_NAMES.index("jawOpen")


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_shapes_and_ranges(emotion):
    motion = face_motion(SPEECH[emotion], emotion, STYLE, 25, 5)
    count = round(SPEECH[emotion].seconds * 25)
    assert motion.face_units.shape == (count, 52)
    assert motion.face_units.min() >= 0
    assert motion.face_units.max() <= 1
    assert motion.viseme_weights.shape == (count, 15)
    np.testing.assert_allclose(motion.viseme_weights.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(motion.viseme, motion.viseme_weights.argmax(1))
    assert motion.rotation.shape == (count, 3)
    assert motion.translation.shape == (count, 2)
    assert motion.scale.shape == motion.emotion_envelope.shape == motion.clock.shape == (count,)
    assert (np.diff(motion.clock) >= 0).all()
    assert np.abs(motion.rotation).max() < 0.6
    assert np.abs(motion.scale - 1).max() < 0.1


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_counterpart_changes_the_emotion_only(emotion):
    speech = SPEECH["angry"]
    own, other = (face_motion(speech, e, STYLE, 25, 5) for e in ("angry", emotion))
    for name in ("viseme_weights", "viseme", "clock", "rotation", "translation", "scale"):
        np.testing.assert_array_equal(getattr(own, name), getattr(other, name))
    if emotion != "angry":
        assert np.abs(own.face_units - other.face_units).max() > 0.3


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_lips_close_for_bilabials_and_jaw_opens_for_open_vowels(emotion):
    speech = speak(SHARED[2], actor_voice(0, female=False), speech_style(emotion, 2))
    motion = face_motion(speech, emotion, STYLE, 100, 1)
    seconds = (np.arange(len(motion.clock)) + 0.5) / 100
    jaw = motion.face_units[:, JAW]

    def around(phoneme):
        return (seconds > phoneme.start_seconds - 0.06) & (seconds < phoneme.end_seconds + 0.02)

    closures = [jaw[around(p)].min() for p in speech.phonemes if p.name in ("m", "p", "b")]
    vowels = [jaw[around(p)].max() for p in speech.phonemes if p.name == "a"]
    assert len(closures) == 4
    assert max(closures) < 0.13
    assert min(vowels) > 0.35


def test_mouth_leads_the_sound_and_moves_smoothly():
    speech = SPEECH["neutral"]
    seconds = np.arange(0, speech.seconds, 0.002)
    weights = viseme_weights(speech, seconds)
    first = speech.spoken[0]
    assert first.name == "m"
    half = seconds[np.argmax(weights[:, VISEME_NAMES.index("PP")] > 0.5)]
    assert 0.03 < first.start_seconds - half < 0.09
    assert np.abs(np.diff(weights, axis=0)).max() < 0.12  # per 2 ms


def test_bad_input():
    with pytest.raises(CorpusError, match="noUnit"):
        unit_vector({"noUnit": 1})
    assert unit_vector({"mouthSmile": 0.5}).sum() == 1
