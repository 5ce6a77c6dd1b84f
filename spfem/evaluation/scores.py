"""What is kept of one edited clip: its scores, and the descriptors that set metrics need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from spfem.artifacts import writing
from spfem.errors import InputError, ShapeError
from spfem.evaluation import emotion as emotions
from spfem.evaluation import identity, mouth
from spfem.evaluation.protocol import Edit
from spfem.methods import METHODS as TRAINED

METHODS = ("copy", *TRAINED, "truth")

CLIP_METRICS: Mapping[str, str] = {
    "csim": identity.BACKBONE,
    "identity_distance": identity.BACKBONE,
    "mouth_error": "mediapipe-478",
    "mouth_correlation": "mediapipe-478",
    "expression_error": emotions.BACKBONE,
    "emotion_accuracy": emotions.BACKBONE,
    "face_found": "mediapipe-478",
}
"""Metrics of single clips -> what they are measured with."""


class TrackedFace(Protocol):
    """The part of `spfem.face.track_file.FaceTrack` that is scored."""

    @property
    def found(self) -> np.ndarray:
        """(T,) bool."""

    @property
    def landmarks(self) -> np.ndarray:
        """(T, 478, 3) pixels."""

    @property
    def blendshapes(self) -> np.ndarray:
        """(T, 51) tracker scores."""

    @property
    def expression(self) -> np.ndarray:
        """(T, E) face units."""


@dataclass(frozen=True)
class FaceSample:
    """Descriptors of one clip, for Fréchet distances and identity.

    Attributes:
        actor: who is seen.
        emotion: which emotion is, or should be, seen.
        frames: (K,) indices of the frames with embeddings.
        embeddings: (K, 128) as dlib gives them.
        blendshapes: (M, 51) of all frames that show a face.
    """

    actor: str
    emotion: str
    frames: np.ndarray
    embeddings: np.ndarray
    blendshapes: np.ndarray


@dataclass(frozen=True)
class ClipScore:
    """Scores of one method on one edit.

    `scores` has the keys of `CLIP_METRICS`; a value that cannot be taken, because no face was
    found, is NaN (emotion_accuracy is then 0, a miss).
    """

    edit: Edit
    method: str
    seed: int
    scores: Mapping[str, float]
    named_emotion: str
    sample: FaceSample


def sample_face(
    frames: np.ndarray, track: TrackedFace, *, actor: str, emotion: str, identity_frames: int
) -> FaceSample:
    """Describe a clip by `identity_frames` of its frames (T, H, W, 3) uint8 RGB and its track."""
    chosen = identity.evenly_spaced(track.found, identity_frames)
    return _sample_at(frames, track, chosen, actor, emotion)


def _sample_at(
    frames: np.ndarray, track: TrackedFace, chosen: np.ndarray, actor: str, emotion: str
) -> FaceSample:
    if len(frames) != len(track.found):
        raise ShapeError(f"{len(frames)} frames do not fit a track of {len(track.found)} frames")
    return FaceSample(
        actor,
        emotion,
        chosen,
        identity.identity_embeddings(frames[chosen], track.landmarks[chosen]),
        np.asarray(track.blendshapes[track.found], np.float32),
    )


def score_clip(
    edit: Edit,
    method: str,
    frames: np.ndarray,
    track: TrackedFace,
    *,
    source: FaceSample,
    truth: TrackedFace | None,
    classifier: emotions.EmotionClassifier,
    seed: int = 0,
) -> ClipScore:
    """Score one method's result of one edit.

    Args:
        edit: what was wanted.
        method: one of `METHODS`.
        frames: (T, H, W, 3) uint8 RGB of the result.
        track: of the result.
        source: sample of the source clip, whose frames the result is compared with.
        truth: track of the true counterpart; `None` where the corpus has none (then the scores
            that need it are NaN).
        classifier: of emotions, learned on other actors.
        seed: of the method's training.

    Raises:
        ShapeError: if result, track and truth differ in frames.
    """
    if truth is not None and len(truth.found) != len(track.found):
        raise ShapeError(
            f"{edit.name}: the result of {method} has {len(track.found)} frames, the true "
            f"counterpart {len(truth.found)}; they must show the same moments"
        )
    usable = source.frames < len(track.found)
    chosen = source.frames[usable]
    seen = track.found[chosen]
    sample = _sample_at(frames, track, chosen[seen], edit.actor, edit.emotion)
    scores = dict.fromkeys(CLIP_METRICS, float("nan"))
    scores["face_found"] = float(np.mean(track.found))
    if seen.any():
        before = source.embeddings[usable][seen]
        scores["csim"] = identity.cosine_identity(sample.embeddings, before)
        scores["identity_distance"] = identity.identity_distance(sample.embeddings, before)
    if truth is not None and (both := track.found & truth.found).any():
        lips = track.landmarks[both], truth.landmarks[both]
        scores["mouth_error"] = float(mouth.mouth_error(*lips).mean())
        scores["mouth_correlation"] = mouth.mouth_correlation(*lips)
        scores["expression_error"] = mouth.expression_error(
            track.expression[both], truth.expression[both]
        )
    named = ""
    if track.found.any():
        features = emotions.clip_features(track.expression, track.found)
        named = classifier.name(features[None])[0]
    scores["emotion_accuracy"] = float(named == edit.emotion)
    return ClipScore(edit, method, seed, scores, named, sample)


def save_sample(path: Path, sample: FaceSample) -> None:
    """Write a sample as npz, whole or not at all."""
    with writing(path) as aside:
        np.savez(
            aside,
            actor=np.asarray(sample.actor),
            emotion=np.asarray(sample.emotion),
            frames=sample.frames,
            embeddings=sample.embeddings,
            blendshapes=sample.blendshapes,
        )


def load_sample(path: Path) -> FaceSample:
    """Read what `save_sample` wrote.

    Raises:
        InputError: if the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return FaceSample(
                str(stored["actor"]),
                str(stored["emotion"]),
                stored["frames"],
                stored["embeddings"],
                stored["blendshapes"],
            )
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(
            f"{path} is no sample file ({type(error).__name__}: {error}); delete it and run again"
        ) from None


def save_score(path: Path, score: ClipScore) -> None:
    """Write a score as npz, whole or not at all."""
    facts = {
        "edit": asdict(score.edit),
        "method": score.method,
        "seed": score.seed,
        "scores": dict(score.scores),
        "named_emotion": score.named_emotion,
        "actor": score.sample.actor,
        "emotion": score.sample.emotion,
    }
    with writing(path) as aside:
        np.savez(
            aside,
            facts=np.asarray(json.dumps(facts)),
            frames=score.sample.frames,
            embeddings=score.sample.embeddings,
            blendshapes=score.sample.blendshapes,
        )


def load_score(path: Path) -> ClipScore:
    """Read what `save_score` wrote.

    Raises:
        InputError: if the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            sample = FaceSample(
                facts["actor"],
                facts["emotion"],
                stored["frames"],
                stored["embeddings"],
                stored["blendshapes"],
            )
        return ClipScore(
            Edit(**facts["edit"]),
            facts["method"],
            facts["seed"],
            facts["scores"],
            facts["named_emotion"],
            sample,
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise InputError(
            f"{path} is not a score file ({type(error).__name__}: {error}); delete it and run again"
        ) from None
