"""How a face moves while it speaks a sentence in an emotion: units, gaze, blinks, head.

Head motion, gaze and blinks know no emotion.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from spfem.head.names import FACE_UNIT_NAMES
from spfem.settings import EMOTIONS
from spfem.studio.emotions import EMOTION_UNITS, add_emotion, emotion_envelope
from spfem.studio.speech import Speech, speech_clock
from spfem.studio.visemes import VISEME_UNITS, unit_vector, viseme_weights

_ROTATION_RADIANS = np.array([0.05, 0.09, 0.035])  # nod, turn, tilt: slow sway
_POSE_RADIANS = np.array([0.04, 0.08, 0.03])  # how the head is held in one clip
_TRANSLATION_HEADS = np.array([0.02, 0.012])
_NOD_RADIANS = 0.035
_GAZE_RADIANS = np.array([0.09, 0.05])
_FOLLOW = 0.8  # share of the head's turn that the eyes take back to stay on the camera


def _sway(seconds: np.ndarray, channels: int, random: np.random.Generator) -> np.ndarray:
    """Smooth random curves (T, C) of about unit size: a few slow waves."""
    hertz = random.uniform((0.15, 0.4, 0.8), (0.35, 0.7, 1.3), (channels, 3))
    phase = random.uniform(0, 2 * np.pi, (channels, 3))
    size = np.array([0.7, 0.45, 0.15]) * random.uniform(0.6, 1.2, (channels, 3))
    waves = np.sin(2 * np.pi * hertz * seconds[:, None, None] + phase)
    return (size * waves).sum(2)


def head_motion(
    speech: Speech, seconds: np.ndarray, liveliness: float, seed: list[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sway of the head and small nods on the longest vowels.

    Args:
        speech: the sentence, for the nods.
        seconds: times (T,).
        liveliness: size of the motion, about 1.
        seed: of the clip.

    Returns:
        Axis-angle rotation (T, 3) in radians, translation (T, 2) in head units, scale (T,).
    """
    random = np.random.default_rng(seed)
    pose = _POSE_RADIANS * random.uniform(-1, 1, 3)
    sway = _sway(seconds, 6, random)
    rotation = pose + liveliness * _ROTATION_RADIANS * sway[:, :3]
    longest = sorted(speech.spoken, key=lambda p: p.start_seconds - p.end_seconds)[:2]
    for phoneme in longest:
        centre = (phoneme.start_seconds + phoneme.end_seconds) / 2
        size = liveliness * _NOD_RADIANS * random.uniform(0.5, 1.2)
        rotation[:, 0] += size * np.exp(-(((seconds - centre) / 0.12) ** 2))
    translation = liveliness * _TRANSLATION_HEADS * sway[:, 3:5]
    scale = 1 + 0.012 * liveliness * sway[:, 5]
    return rotation, translation, scale


def gaze_angles(
    seconds: np.ndarray, rotation: np.ndarray, seed: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Gaze relative to the head: stays near the camera, with quick small jumps.

    Returns:
        Yaw to the actor's left and pitch down, each (T,) in radians.
    """
    random = np.random.default_rng(seed)
    target = np.zeros((len(seconds), 2))
    time = 0.0
    while time <= seconds[-1]:
        aim = _GAZE_RADIANS * random.normal(0, 0.7, 2).clip(-1.5, 1.5)
        change = np.clip((seconds - time) / 0.05, 0, 1)[:, None]  # a jump lasts 50 ms
        target = target + change * (aim - target)
        time += random.uniform(0.4, 1.2)
    # A positive turn about y (down) shows the actor's left side; the eyes turn left to stay.
    yaw = target[:, 0] + _FOLLOW * rotation[:, 1]
    pitch = target[:, 1] - _FOLLOW * rotation[:, 0]
    return yaw, pitch


def blink_curve(seconds: np.ndarray, blinks_per_second: float, seed: list[int]) -> np.ndarray:
    """How far the lids are closed (T,) in [0, 1]: fast down, slower up, at random times."""
    random = np.random.default_rng(seed)
    closed = np.zeros(len(seconds))
    time = random.exponential(1 / blinks_per_second)
    while time <= seconds[-1]:
        after = seconds - time
        closing = np.clip(after / 0.07, 0, 1)
        opening = np.clip(1 - (after - 0.11) / 0.13, 0, 1)
        closed = np.maximum(closed, np.minimum(closing, opening))
        time += 0.5 + random.exponential(1 / blinks_per_second)
    return closed


FULL_GAZE_RADIANS = 0.5  # what an eyeLook unit of 1 means


@dataclass(frozen=True)
class ActorStyle:
    """How one actor moves."""

    seed: int  # of this actor's random habits
    articulation: float  # how wide the mouth moves in speech
    expressiveness: float  # strength of emotions
    asymmetry: float  # left minus right, relative; positive is stronger on the actor's left
    unit_gain: np.ndarray  # strength of each unit in emotions (52,)
    liveliness: float  # size of head motion
    blinks_per_second: float  # mean rate


@dataclass(frozen=True)
class Motion:
    """Everything that moves in one clip; row i is the moment (i + 0.5) / fps."""

    face_units: np.ndarray  # float32 (T, 52) in [0, 1], in the order of `FACE_UNIT_NAMES`
    viseme_weights: np.ndarray  # float32 (T, 15) in the order of `VISEME_NAMES`, rows sum to 1
    viseme: np.ndarray  # int64 (T,), the dominant viseme
    clock: np.ndarray  # float64 (T,), position on the phoneme sequence, see `speech_clock`
    # float32 (T, 3), head axis-angle in radians (x right, y down, z into the image)
    rotation: np.ndarray
    translation: np.ndarray  # float32 (T, 2), head units, (right, down)
    scale: np.ndarray  # float32 (T,), relative to the clip's own scale
    emotion_envelope: np.ndarray  # float32 (T,) in [0, 1]


def actor_style(seed: int) -> ActorStyle:
    """Return the habits of the actor with this seed."""
    random = np.random.default_rng([seed, 52])
    return ActorStyle(
        seed=seed,
        articulation=float(random.uniform(0.88, 1.12)),
        expressiveness=float(random.uniform(0.9, 1.08)),
        asymmetry=float(random.uniform(-0.12, 0.12)),
        unit_gain=np.tile(random.uniform(0.85, 1.12, 26), 2)[_PAIR],
        liveliness=float(random.uniform(0.6, 1.3)),
        blinks_per_second=float(random.uniform(0.2, 0.5)),
    )


# Left and right of a unit share their gain: number of the pair of each unit.
_STEMS = [name.removesuffix("Left").removesuffix("Right") for name in FACE_UNIT_NAMES]
_PAIR = np.array([sorted(set(_STEMS)).index(stem) for stem in _STEMS])
_SIDE = np.array(
    [name.endswith("Left") - float(name.endswith("Right")) for name in FACE_UNIT_NAMES]
)


def _gaze_units(yaw: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Units (T, 52) of a gaze: yaw to the actor's left, pitch down, in radians."""
    left, right, down, up = (
        np.clip(angle / FULL_GAZE_RADIANS, 0, 1)[:, None] for angle in (yaw, -yaw, pitch, -pitch)
    )
    return (
        left * unit_vector({"eyeLookOutLeft": 1, "eyeLookInRight": 1})
        + right * unit_vector({"eyeLookInLeft": 1, "eyeLookOutRight": 1})
        + down * unit_vector({"eyeLookDown": 1})
        + up * unit_vector({"eyeLookUp": 1})
    )


def face_motion(
    speech: Speech, emotion: str, style: ActorStyle, fps: Fraction | int, seed: int
) -> Motion:
    """Move a face through a sentence.

    Head motion, gaze and blinks depend on `speech`, `style` and `seed` only, and visemes and clock
    on `speech` only: the same call with another `emotion` gives the true counterpart, the same
    recording with nothing but the emotion changed.

    Args:
        speech: the sentence as spoken (its own emotion may differ from `emotion`).
        emotion: what the face shows, one of `EMOTIONS`.
        style: of the actor.
        fps: frames per second.
        seed: of the clip.
    """
    count = max(1, round(speech.seconds * fps))
    seconds = (np.arange(count) + 0.5) / float(fps)
    weights = viseme_weights(speech, seconds)
    envelope = emotion_envelope(emotion, seconds, speech.seconds, [style.seed, seed, 1])

    spoken = np.clip(style.articulation * (weights @ VISEME_UNITS), 0, 1)
    habit = style.expressiveness * style.unit_gain * (1 + style.asymmetry * _SIDE)
    apex = EMOTION_UNITS[EMOTIONS.index(emotion)] * habit
    units = add_emotion(spoken, weights, emotion, apex, envelope)

    rotation, translation, scale = head_motion(
        speech, seconds, style.liveliness, [style.seed, seed, 2]
    )
    yaw, pitch = gaze_angles(seconds, rotation, [style.seed, seed, 3])
    units = np.clip(units + _gaze_units(yaw, pitch), 0, 1)
    blink = blink_curve(seconds, style.blinks_per_second, [style.seed, seed, 4])[:, None]
    lids, wide = unit_vector({"eyeBlink": 1}), unit_vector({"eyeWide": 1, "eyeSquint": 1})
    units = np.maximum(units, blink * lids) * (1 - blink * wide)

    return Motion(
        face_units=units.astype(np.float32),
        viseme_weights=weights.astype(np.float32),
        viseme=weights.argmax(1),
        clock=speech_clock(speech, seconds),
        rotation=rotation.astype(np.float32),
        translation=translation.astype(np.float32),
        scale=scale.astype(np.float32),
        emotion_envelope=envelope.astype(np.float32),
    )
