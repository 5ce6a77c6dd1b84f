"""Speech: same bytes, one phoneme sequence per sentence, exact and complete times."""

import numpy as np
import pytest

from spfem.errors import AssetError, SettingsError
from spfem.settings import EMOTIONS
from spfem.studio.speech import (
    SILENCE,
    SpeechStyle,
    Voice,
    actor_voice,
    speak,
    speech_clock,
    speech_style,
)
from spfem.studio.words import SHARED, synthesise

VOICE = actor_voice(0, female=True)


def test_same_arguments_give_the_same_bytes_whatever_was_said_before():
    style = speech_style("happy", 4)
    first = speak(SHARED[0], VOICE, style)
    speak(SHARED[1], actor_voice(3, female=False), speech_style("fear", 1))
    again = speak(SHARED[0], VOICE, style)
    np.testing.assert_array_equal(first.samples, again.samples)
    assert first.phonemes == again.phonemes


@pytest.mark.parametrize("text", SHARED)
def test_one_phoneme_sequence_for_all_emotions_and_actors(text):
    sequences = {
        tuple(phoneme.name for phoneme in speak(text, voice, speech_style(emotion, seed)).spoken)
        for seed, emotion in enumerate(EMOTIONS)
        for voice in (actor_voice(seed, female=True), actor_voice(seed, female=False))
    }
    assert len(sequences) == 1
    assert len(sequences.pop()) >= 12


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_phonemes_cover_the_audio_without_gap(emotion):
    speech = speak(SHARED[2], VOICE, speech_style(emotion, 9))
    starts = [phoneme.start_seconds for phoneme in speech.phonemes]
    ends = [phoneme.end_seconds for phoneme in speech.phonemes]
    assert starts[0] == 0
    assert starts[1:] == ends[:-1]
    assert ends[-1] == pytest.approx(speech.seconds)
    assert all(end > start for start, end in zip(starts, ends, strict=True))
    assert speech.phonemes[0].name == speech.phonemes[-1].name == SILENCE
    assert 0.12 <= ends[0] <= 0.2
    assert 0.12 <= ends[-1] - starts[-1] <= 0.35


def test_sound_is_where_the_phonemes_are():
    speech = speak(SHARED[0], VOICE, SpeechStyle())
    power = {name: [] for name in ("silence", "vowel")}
    for name, start, end in speech.phonemes:
        part = speech.samples[round(start * 16000) : round(end * 16000)]
        if name == SILENCE:
            power["silence"].append(np.square(part).mean())
        elif name in ("O:", "u:", "oU", "i:", "eI"):
            power["vowel"].append(np.square(part).mean())
    assert min(power["vowel"]) > 100 * power["silence"][0]


def test_clock_counts_phonemes_and_stands_still_in_pauses():
    style = SpeechStyle(pause_after=2, pause_seconds=0.15)
    speech = speak(SHARED[2], VOICE, style)
    pauses = [p for p in speech.phonemes[1:-1] if p.name == SILENCE]
    assert len(pauses) == 1
    spoken = speech.spoken
    middles = np.array([(p.start_seconds + p.end_seconds) / 2 for p in spoken])
    np.testing.assert_allclose(speech_clock(speech, middles), np.arange(len(spoken)) + 0.5)
    before, after = speech_clock(
        speech, np.array([pauses[0].start_seconds, pauses[0].end_seconds - 1e-6])
    )
    assert before == pytest.approx(after)
    ends = speech_clock(speech, np.array([0.0, speech.seconds]))
    np.testing.assert_allclose(ends, [-1, len(spoken) + 1])


def test_bad_input():
    with pytest.raises(AssetError, match="no voice"):
        synthesise("hello", "xx-nowhere", rate=180, pitch=50, pitch_range=50)
    with pytest.raises(SettingsError, match="nothing to say"):
        speak(" ", Voice("f3", 50, 1.0), SpeechStyle())
    with pytest.raises(SettingsError, match="glad"):
        speech_style("glad", 0)
