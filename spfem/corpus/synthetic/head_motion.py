"""Head motion, gaze and blinks of a clip: the part of its motion that knows no emotion."""

from __future__ import annotations

import numpy as np

from spfem.corpus.synthetic.speech import Speech

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
