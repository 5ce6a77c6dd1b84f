"""How the people of the films move: speech of no language under feelings that change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spfem.corpus.synthetic.actors import Actor
from spfem.corpus.synthetic.emotions import EMOTION_UNITS, add_emotion
from spfem.corpus.synthetic.motion import Motion, actor_style, face_motion
from spfem.corpus.synthetic.speech import SAMPLE_RATE, SILENCE, Phoneme, Speech
from spfem.corpus.synthetic.visemes import unit_vector
from spfem.face_units import FACE_UNIT_NAMES
from spfem.settings import EMOTIONS, CorpusSettings, ReaderFilmSettings

_SPOKEN = (
    "p", "b", "m", "f", "v", "T", "t", "d", "k", "tS", "S", "s", "z", "n", "l", "r", "w", "u:",
    "i:", "I", "E", "@", "aa", "A:", "O", "oU", "aI", "eI",
)  # fmt: skip
_BLINK = unit_vector({"eyeBlink": 1}) > 0
_OPEN_LIDS = unit_vector({"eyeWide": 1, "eyeSquint": 1})
_HELD_BACK = unit_vector({"tongueOut": 1, "cheekPuff": 1, "mouthClose": 1}) > 0  # seldom alone


def babble(seconds: float, random: np.random.Generator) -> Speech:
    """Random phonemes without sound, so that mouths move as in speech of no language."""
    phonemes, time = [Phoneme(SILENCE, 0.0, 0.12)], 0.12
    while time < seconds - 0.12:
        name = SILENCE if random.uniform() < 0.06 else str(random.choice(_SPOKEN))
        end = min(time + float(random.uniform(0.05, 0.16)), seconds - 0.1)
        phonemes.append(Phoneme(name, time, end))
        time = end + (1e-6 if end >= seconds - 0.12 else 0.0)
    phonemes.append(Phoneme(SILENCE, phonemes[-1].end_seconds, seconds))
    return Speech(
        np.zeros(round(seconds * SAMPLE_RATE), np.float32), SAMPLE_RATE, tuple(phonemes), ()
    )


def mixed_motion(
    actor: Actor, settings: ReaderFilmSettings, random: np.random.Generator, *, neutral: bool
) -> Motion:
    """Neutral speech, or speech with a feeling that changes: emotions, mixtures, single units.

    Args:
        actor: whose habits it has.
        settings: length and turning of the head.
        random: of the clip.
        neutral: no feeling at all.
    """
    fps = CorpusSettings().fps
    frames = settings.neutral_frames if neutral else settings.mixed_frames
    speech = babble(frames / fps, random)
    motion = face_motion(
        speech, "neutral", actor_style(actor.seed), fps, int(random.integers(1 << 30))
    )
    turn = random.normal(0, settings.turn_radians, 3) * np.array([0.6, 1.0, 0.5])
    count = len(motion.face_units)
    drift = np.linspace(0, 1, count)[:, None] * random.normal(0, 0.5, 3) * settings.turn_radians
    rotation = motion.rotation + (turn + drift).clip(-0.6, 0.6)
    units = motion.face_units.astype(np.float64)
    if not neutral:
        units = _with_feeling(units, motion, random)
    return replace(
        motion, face_units=units.astype(np.float32), rotation=rotation.astype(np.float32)
    )


def _with_feeling(units: np.ndarray, motion: Motion, random: np.random.Generator) -> np.ndarray:
    """Speech and blinks (T, 52) under a feeling that passes over into another one."""
    first, last = _apex(random), _apex(random)
    if random.uniform() < 0.5:
        last = first * random.uniform(0, 1)
    time = np.linspace(0, 1, len(units))
    middle, haste = random.uniform(0.2, 0.8), random.uniform(4, 20)
    share = 1 / (1 + np.exp(-haste * (time - middle)))[:, None]
    apex = first * (1 - share) + last * share
    waves = 0.9 + 0.1 * np.sin(2 * np.pi * (random.uniform(0.5, 2) * time + random.uniform()))
    emotion = EMOTIONS[int(random.integers(len(EMOTIONS)))]  # bends how wide the mouth speaks
    felt = add_emotion(units, motion.viseme_weights, emotion, apex, waves)
    shut = units[:, _BLINK].max(1, keepdims=True)
    felt = np.maximum(felt, units * _BLINK)
    return np.clip(felt * (1 - shut * _OPEN_LIDS), 0, 1)


def _apex(random: np.random.Generator) -> np.ndarray:
    """A feeling (52,): an emotion or two, or nothing, each unit varied, and some units alone."""
    prototypes = EMOTION_UNITS[1:]
    kind = random.uniform()
    apex = np.zeros(52)
    if kind < 0.8:
        apex = prototypes[random.integers(6)] * random.uniform(0.15, 1.1)
    if kind < 0.3:
        apex = np.maximum(apex, prototypes[random.integers(6)] * random.uniform(0.1, 0.9))
    apex = apex * random.uniform(0.5, 1.4, 52) if random.uniform() < 0.5 else apex
    if random.uniform() < 0.6:
        stems = sorted(
            {name.removesuffix("Left").removesuffix("Right") for name in FACE_UNIT_NAMES}
        )
        for stem in random.choice(stems, int(random.integers(1, 5)), replace=False):
            both = np.array([name.startswith(stem) for name in FACE_UNIT_NAMES])
            side = (
                random.uniform(0.85, 1.15, 52)
                if random.uniform() < 0.8
                else random.uniform(0, 1, 52)
            )
            strength = random.uniform(0, 1) * np.where(_HELD_BACK, 0.6, 1.0)
            apex = np.where(both, np.maximum(apex, strength * side), apex)
    return apex.clip(0, 1)
