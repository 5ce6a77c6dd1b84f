"""Spoken sentences: voices per actor, ways of speaking per emotion, exact phoneme times."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spfem.errors import SettingsError
from spfem.settings import EMOTIONS
from spfem.studio.words import synthesise

SAMPLE_RATE = 16000  # hertz
SILENCE = "_"
BASE_RATE = 195  # words a minute, neutral
NOISE_FLOOR = 5e-4  # rms of the room
SHORTEST_SECONDS = 0.002  # shorter phonemes are no phonemes
_STRESS_MARKS = "',%="

FEMALE_VARIANTS = ("f3", "f2", "f4", "f1", "f5", "linda", "steph", "Alicia", "belinda", "Annie")
MALE_VARIANTS = ("m3", "m1", "m7", "m2", "m4", "m8", "m6", "m5", "Andy", "Michael")


class Phoneme(NamedTuple):
    """One phoneme, or a silence (`_`)."""

    name: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Voice:
    """How an actor sounds in every emotion: eSpeak variant, pitch 0 to 100, relative rate."""

    variant: str
    pitch: int
    rate: float


@dataclass(frozen=True)
class SpeechStyle:
    """How one clip is spoken."""

    rate: float = 1.0  # relative to the voice
    pitch: int = 0  # added to the voice's pitch, eSpeak units
    pitch_range: int = 45  # 0 (monotone) to 100
    volume: float = 0.6  # peak amplitude in (0, 1]
    # relative rate of word 1, 2, ... (repeated from the start if too few).
    word_rates: tuple[float, ...] = (1.0,)
    pause_after: int = 0  # number of words before an extra pause; 0 for none
    pause_seconds: float = 0.0  # its length, roughly; eSpeak rounds it
    lead_seconds: float = 0.15  # silence before the first phoneme
    tail_seconds: float = 0.15  # silence after the last phoneme, at least


@dataclass(frozen=True)
class Speech:
    """A spoken sentence."""

    samples: np.ndarray  # float32 (A,) in [-1, 1]
    sample_rate: int  # in hertz
    # without gap from 0 to the end of the audio; silences are named `_`: the first, the last, and
    # pauses within the sentence
    phonemes: tuple[Phoneme, ...]

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return len(self.samples) / self.sample_rate

    @property
    def spoken(self) -> tuple[Phoneme, ...]:
        """The phonemes without silences."""
        return tuple(phoneme for phoneme in self.phonemes if phoneme.name != SILENCE)


_MANNERS: dict[str, SpeechStyle] = {
    "neutral": SpeechStyle(),
    "angry": SpeechStyle(rate=1.12, pitch=5, pitch_range=80, volume=0.9),
    "disgusted": SpeechStyle(rate=0.88, pitch=-5, pitch_range=50, volume=0.5, pause_seconds=0.08),
    "fear": SpeechStyle(rate=1.2, pitch=14, pitch_range=60, volume=0.45),
    "happy": SpeechStyle(rate=1.07, pitch=10, pitch_range=95, volume=0.7),
    "sad": SpeechStyle(rate=0.83, pitch=-7, pitch_range=15, volume=0.3, pause_seconds=0.12),
    "surprised": SpeechStyle(rate=0.97, pitch=18, pitch_range=100, volume=0.75, pause_seconds=0.05),
}


def speech_style(emotion: str, seed: int) -> SpeechStyle:
    """Return how a clip of `emotion` is spoken; tempo, pauses and silences vary with `seed`.

    Raises:
        SettingsError: if the emotion is unknown.
    """
    if emotion not in EMOTIONS:
        raise SettingsError(f"emotion {emotion!r} is unknown; choose one of {', '.join(EMOTIONS)}")
    manner = _MANNERS[emotion]
    random = np.random.default_rng([seed, EMOTIONS.index(emotion)])
    lead, tail = random.uniform(0.12, 0.2, 2)
    return SpeechStyle(
        rate=manner.rate * random.uniform(0.96, 1.04),
        pitch=manner.pitch + int(random.integers(-2, 3)),
        pitch_range=manner.pitch_range,
        volume=manner.volume * random.uniform(0.9, 1.1),
        word_rates=tuple(random.uniform(0.85, 1.15, 8).tolist()),
        pause_after=int(random.integers(1, 4)) if manner.pause_seconds else 0,
        pause_seconds=manner.pause_seconds,
        lead_seconds=float(lead),
        tail_seconds=float(tail),
    )


def actor_voice(index: int, *, female: bool) -> Voice:
    """Return the voice of the actor number `index` of one sex; the first ten differ in timbre."""
    variants = FEMALE_VARIANTS if female else MALE_VARIANTS
    random = np.random.default_rng([index, int(female)])
    pitch = int(random.integers(52, 72) if female else random.integers(28, 46))
    return Voice(variants[index % len(variants)], pitch, float(random.uniform(0.94, 1.06)))


def _markup(text: str, style: SpeechStyle) -> str:
    parts = []
    for index, word in enumerate(text.split()):
        rate = style.word_rates[index % len(style.word_rates)]
        parts.append(f'<prosody rate="{round(100 * rate)}%">{word}</prosody>')
        if index + 1 == style.pause_after:
            parts.append(f'<break time="{round(1000 * style.pause_seconds)}ms"/>')
    return " ".join(parts)


def _phonemes(
    events: tuple[tuple[str, int], ...], rate: int, lead: float, seconds: float
) -> tuple[Phoneme, ...]:
    """Phonemes that cover 0 to `seconds`; neighbouring silences are joined."""
    names, starts = [SILENCE], [0.0]
    for mnemonic, sample in events:
        name = SILENCE if mnemonic.startswith("_") else mnemonic.lstrip(_STRESS_MARKS)
        start = lead + sample / rate
        if len(names) > 1 and start - starts[-1] < SHORTEST_SECONDS:
            names.pop()
            starts.pop()
        if name != SILENCE or names[-1] != SILENCE:
            names.append(name)
            starts.append(start)
    ends = [*starts[1:], seconds]
    return tuple(map(Phoneme, names, starts, ends))


def speak(text: str, voice: Voice, style: SpeechStyle, *, sample_rate: int = SAMPLE_RATE) -> Speech:
    """Speak a sentence; the same arguments give the same bytes.

    The names of the spoken phonemes depend on the text only, so that position on the phoneme
    sequence is a common clock of all its recordings.

    Raises:
        SettingsError: if eSpeak finds nothing to say in `text`.
        AssetError: if eSpeak or the voice is missing.
    """
    from scipy.signal import resample_poly

    raw = synthesise(
        _markup(text, style),
        f"en-us+{voice.variant}",
        rate=round(BASE_RATE * voice.rate * style.rate),
        pitch=int(np.clip(voice.pitch + style.pitch, 0, 99)),
        pitch_range=style.pitch_range,
    )
    if not any(not name.startswith("_") for name, _ in raw.phonemes):
        raise SettingsError(f"there is nothing to say in {text!r}")
    wave = resample_poly(raw.samples.astype(np.float64), sample_rate, raw.sample_rate)
    wave *= style.volume / max(np.abs(wave).max(), 1.0)
    lead = round(style.lead_seconds * sample_rate)
    wave = np.pad(wave, (lead, round(style.tail_seconds * sample_rate)))
    noise = np.random.default_rng(zlib.crc32(f"{text} {voice} {style}".encode()))
    wave += NOISE_FLOOR * noise.standard_normal(len(wave))
    samples = np.clip(wave, -1, 1).astype(np.float32)

    phonemes = _phonemes(raw.phonemes, raw.sample_rate, lead / sample_rate, len(wave) / sample_rate)
    return Speech(samples, sample_rate, phonemes)


def speech_clock(speech: Speech, seconds: np.ndarray) -> np.ndarray:
    """Position on the phoneme sequence at given times; equal values are the same spoken moment.

    Spoken phoneme k lasts from k to k + 1, the silence before the sentence from -1 to 0, the
    silence after its K phonemes from K to K + 1; pauses within the sentence take no clock time.

    Args:
        speech: the sentence.
        seconds: times (T,).

    Returns:
        float64 (T,), not decreasing with time.
    """
    silences = np.array([phoneme.name == SILENCE for phoneme in speech.phonemes])
    silences[[0, -1]] = False
    edges = [phoneme.start_seconds for phoneme in speech.phonemes] + [speech.seconds]
    values = np.concatenate([[-1.0], np.cumsum(~silences) - 1.0])
    return np.interp(seconds, edges, values)
