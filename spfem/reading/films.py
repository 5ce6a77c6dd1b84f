"""Films to learn reading from: many synthetic people, exact units, seen by the real tracker.

The people speak no language, under feelings that change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from spfem.errors import FaceNotFoundError
from spfem.face.fit import FittedHead, fit_head
from spfem.face.tracker import TrackedFace, track_landmarks
from spfem.head.model import load_head_model
from spfem.head.names import FACE_UNIT_NAMES
from spfem.settings import EMOTIONS, CorpusSettings, FaceSettings, ReaderFilmSettings
from spfem.studio.cast import Actor, cast_actors
from spfem.studio.emotions import EMOTION_UNITS, add_emotion
from spfem.studio.motion import Motion, actor_style, face_motion
from spfem.studio.render import render_clip
from spfem.studio.speech import SAMPLE_RATE, SILENCE, Phoneme, Speech
from spfem.studio.visemes import unit_vector


@dataclass(frozen=True)
class PersonFilm:
    """Everything the reader learns from one person; F frames of C clips, one after the other.

    Attributes:
        landmarks: (F, 478, 3) float32 tracked, pixels.
        blendshapes: (F, 51) float32 tracker scores.
        units: (F, E) float32 exact face units in [0, 1].
        starts: (C,) first frame of each clip; the first clip is a neutral one.
        own_identity: (C, I) float32 identity fitted to each clip alone.
        known_pose: (F, 6) float32 rotation vector 3, scale, translation 2 of the fit with the
            identity of the neutral clip held, which is `own_identity[0]`.
        own_pose: (F, 6) float32 the same of the fit of each clip alone.
        known_expression: (F, E) float32 units of the fit with that identity held.
        own_expression: (F, E) float32 units of the fit of each clip alone.
    """

    landmarks: np.ndarray
    blendshapes: np.ndarray
    units: np.ndarray
    starts: np.ndarray
    own_identity: np.ndarray
    known_pose: np.ndarray
    own_pose: np.ndarray
    known_expression: np.ndarray
    own_expression: np.ndarray


def reader_cast(settings: ReaderFilmSettings) -> tuple[Actor, ...]:
    """The people to learn from, drawn as those of a corpus, from another seed."""
    corpus = CorpusSettings(seed=settings.seed, metric_actors=settings.people, target_actors=0)
    return cast_actors(load_head_model(), corpus)


def film_person(number: int, settings: ReaderFilmSettings, face: FaceSettings) -> PersonFilm:
    """Film one person of the cast: a neutral clip, then clips of random mixtures.

    Raises:
        FaceNotFoundError: if the tracker sees no face in a clip.
    """
    actor = reader_cast(settings)[number]
    random = np.random.default_rng([settings.seed, number, 17])
    camera = CorpusSettings(frame_size=int(random.choice(settings.frame_sizes)))
    seen: list[TrackedFace] = []
    truths = []
    for clip in range(1 + settings.mixed_clips):
        motion = mixed_motion(actor, settings, random, neutral=clip == 0)
        frames = worsen_pictures(render_clip(actor, motion, camera), random)
        try:
            tracked = track_landmarks(frames, camera.fps, name=f"{actor.name} clip {clip}")
        except FaceNotFoundError:
            if clip == 0:
                raise
            continue
        seen.append(tracked.take_frames(tracked.found))
        truths.append(motion.face_units[tracked.found])
    return fit_film(seen, truths, face)


def fit_film(
    seen: Sequence[TrackedFace], truths: Sequence[np.ndarray], face: FaceSettings
) -> PersonFilm:
    """Fit the clips of one person as the stages of a corpus do, and as those of own clips.

    The first clip is the neutral one; exact units are (T, 52), columns `FACE_UNIT_NAMES`.
    """
    head = load_head_model()
    order = [FACE_UNIT_NAMES.index(name) for name in head.expression_names]
    own = [fit_head(head, tracked, face) for tracked in seen]
    known = [fit_head(head, tracked, face, identity=own[0].identity) for tracked in seen]
    lengths = [len(tracked.found) for tracked in seen]

    def poses(fits: Sequence[FittedHead]) -> np.ndarray:
        rows = [np.column_stack([fit.rotation, fit.scale, fit.translation]) for fit in fits]
        return np.concatenate(rows).astype(np.float32)

    return PersonFilm(
        landmarks=np.concatenate([tracked.landmarks for tracked in seen]),
        blendshapes=np.concatenate([tracked.blendshapes for tracked in seen]),
        units=np.concatenate(truths)[:, order].astype(np.float32),
        starts=np.cumsum([0, *lengths[:-1]]),
        own_identity=np.stack([fitted.identity for fitted in own]),
        known_pose=poses(known),
        own_pose=poses(own),
        known_expression=np.concatenate([fitted.expression for fitted in known]),
        own_expression=np.concatenate([fitted.expression for fitted in own]),
    )


def worsen_pictures(frames: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Frames (T, H, W, 3) uint8 as other cameras give them: light, contrast, blur, noise, JPEG."""
    gain, gamma = random.uniform(0.75, 1.2), random.uniform(0.8, 1.25)
    table = (255 * np.clip(gain * (np.arange(256) / 255) ** gamma, 0, 1)).astype(np.uint8)
    blur = random.uniform(0.4, 0.9) if random.uniform() < 0.3 else 0.0
    noise = random.uniform(1, 5) if random.uniform() < 0.4 else 0.0
    quality = int(random.integers(45, 96))
    worse = []
    for frame in table[frames]:
        if blur:
            frame = cv2.GaussianBlur(frame, (0, 0), blur)
        if noise:
            grainy = frame + random.normal(0, noise, frame.shape)
            frame = grainy.clip(0, 255).astype(np.uint8)
        _, packed = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
        worse.append(np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)))
    return np.stack(worse)


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
    return Speech(np.zeros(round(seconds * SAMPLE_RATE), np.float32), SAMPLE_RATE, tuple(phonemes))


def mixed_motion(
    actor: Actor, settings: ReaderFilmSettings, random: np.random.Generator, *, neutral: bool
) -> Motion:
    """Neutral speech, or speech with a feeling that changes: emotions, mixtures, single units.

    It has the habits of the actor, and length and turning of the head from the settings.
    """
    fps = CorpusSettings().fps
    frames = settings.neutral_frames if neutral else settings.mixed_frames
    speech = babble(frames / fps, random)
    seed = int(random.integers(1 << 30))
    motion = face_motion(speech, "neutral", actor_style(actor.seed), fps, seed)
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
            low, high = (0.85, 1.15) if random.uniform() < 0.8 else (0.0, 1.0)
            side = random.uniform(low, high, 52)
            strength = random.uniform(0, 1) * np.where(_HELD_BACK, 0.6, 1.0)
            apex = np.where(both, np.maximum(apex, strength * side), apex)
    return apex.clip(0, 1)
