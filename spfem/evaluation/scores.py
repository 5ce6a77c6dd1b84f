"""One edited clip: its scores, the descriptors that set metrics need, and the files of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spfem.corpus.clips import Clip, Corpus
from spfem.corpus.protocol import Edit
from spfem.errors import CorpusError, InputError, ShapeError
from spfem.evaluation import emotion as emotions
from spfem.evaluation.identity import (
    BACKBONE,
    DlibIdentity,
    IdentityNetwork,
    cosine_identity,
    evenly_spaced,
    identity_distance,
)
from spfem.evaluation.lip_sync_meter import LearnedLipSync, LipSyncMeter
from spfem.evaluation.mouth import (
    detail_kept,
    expression_error,
    expression_gain,
    image_entropy,
    mesh_mouth_error,
    mouth_correlation,
    mouth_error,
    picture_error,
)
from spfem.face.descriptor import face_chips
from spfem.files import writing
from spfem.methods import BASES
from spfem.methods import METHODS as TRAINED

if TYPE_CHECKING:
    from spfem.face.track import EditTrack, FaceTrack

LIP_SYNC_METRICS = ("lse_d", "lse_c", "lse_offset")
METHODS = ("copy", "random", "habit", *TRAINED, "truth")

CLIP_METRICS: Mapping[str, str] = {
    "lse_d": LearnedLipSync.backbone,
    "csim": BACKBONE,
    "lse_c": LearnedLipSync.backbone,
    "lse_offset": LearnedLipSync.backbone,
    "identity_distance": BACKBONE,
    "mouth_error": "mediapipe-478",
    "mesh_mouth_error": "head-mesh",
    "mouth_correlation": "mediapipe-478",
    "expression_error": emotions.BACKBONE,
    "expression_gain": emotions.BACKBONE,
    "emotion_leakage": emotions.BACKBONE,
    "detail_kept": "pixels",
    "picture_error": "pixels",
    "emotion_accuracy": emotions.BACKBONE,
    "image_entropy": "pixels",
    "face_found": "mediapipe-478",
}
"""Metrics of single clips -> what they are measured with by default (see `ClipScore.backbones`)."""


def random_clip(corpus: Corpus, edit: Edit) -> Clip:
    """A clip of a target actor with other words than the source's; the same for the same edit.

    It stands for an edit that has nothing to do with the source, whose sound it gets: so it shows
    what each metric gives to lips of other words, another face, and an emotion by chance.

    Raises:
        CorpusError: if all clips say the same.
    """
    sentences = {clip.key: clip.sentence for clip in corpus.clips}
    said = sentences[edit.source]
    others = [clip for clip in corpus.select(role="target") if clip.sentence != said]
    if not others:
        raise CorpusError(f"{corpus.root}: all target clips say the same; none is a random pair")
    seed = int.from_bytes(hashlib.sha256(edit.name.encode()).digest()[:8], "big")
    return others[int(np.random.default_rng(seed).integers(len(others)))]


def frames_to_length(count: int, wanted: int) -> np.ndarray:
    """Indices (wanted,) that cut `count` frames, or play them to and fro until they suffice."""
    if count == 1:
        return np.zeros(wanted, int)
    there_and_back = np.concatenate([np.arange(count), np.arange(count - 2, 0, -1)])
    return np.resize(there_and_back, wanted)


@dataclass(frozen=True)
class ShownClip:
    """Frames (T, H, W, 3) uint8 RGB and their track.

    Raises:
        ShapeError: if the track is of another number of frames.
    """

    frames: np.ndarray
    track: EditTrack | FaceTrack

    def __post_init__(self) -> None:
        """Refuse a track of other frames."""
        if len(self.frames) != len(self.track.found):
            raise ShapeError(
                f"{len(self.frames)} frames do not fit a track of {len(self.track.found)} frames"
            )


@dataclass(frozen=True)
class EditedCodes:
    """The codes behind an edit beside the true ones, for one identity.

    Attributes:
        identity: (I,) of the source's actor.
        expression: (T, E) face units that the edit was made from.
        true_expression: (T, E) face units of the true edit.
    """

    identity: np.ndarray
    expression: np.ndarray
    true_expression: np.ndarray


@dataclass(frozen=True)
class Sound:
    """Samples (A,) in [-1, 1] at 16 kHz, and the frames per second of the clip they belong to."""

    samples: np.ndarray
    fps: Fraction | float


@dataclass(frozen=True)
class FaceSample:
    """Descriptors of one clip, for Fréchet distances and identity.

    Attributes:
        actor: who is seen.
        emotion: which emotion is, or should be, seen.
        frames: (K,) indices of the frames with embeddings.
        embeddings: (K, 128) as dlib gives them.
        blendshapes: (M, 51) of all frames that show a face.
        backbone: what gave the embeddings.
    """

    actor: str
    emotion: str
    frames: np.ndarray
    embeddings: np.ndarray
    blendshapes: np.ndarray
    backbone: str = BACKBONE


@dataclass(frozen=True)
class Instruments:
    """What clips are measured with.

    Attributes:
        classifier: of emotions, learned on other actors.
        identity: names who is seen.
        lip_sync: compares lips and sound; None leaves LSE-D and LSE-C out.
    """

    classifier: emotions.EmotionClassifier
    identity: IdentityNetwork = field(default_factory=DlibIdentity)
    lip_sync: LipSyncMeter | None = None

    @property
    def backbones(self) -> dict[str, str]:
        """What each metric is measured with."""
        named = dict(CLIP_METRICS)
        named |= dict.fromkeys(("csim", "identity_distance"), self.identity.backbone)
        if self.lip_sync is not None:
            named |= dict.fromkeys(LIP_SYNC_METRICS, self.lip_sync.backbone)
        return named


@dataclass(frozen=True)
class ClipScore:
    """Scores of one method on one edit.

    `scores` has the keys of `CLIP_METRICS`; a value that cannot be taken, because no face was
    found, the clip is too short or the corpus has no truth, is NaN (emotion_accuracy is then 0, a
    miss). `backbones` tells what each was measured with, `base`, one of
    `BASES`, what showed it. An edit of which only the codes are known, see `score_codes`, has no
    value of a picture and an empty sample.
    """

    edit: Edit
    method: str
    seed: int
    scores: Mapping[str, float]
    named_emotion: str
    sample: FaceSample
    backbones: Mapping[str, str] = field(default_factory=lambda: dict(CLIP_METRICS))
    base: str = BASES[0]


def sample_face(
    shown: ShownClip,
    *,
    actor: str,
    emotion: str,
    identity_frames: int,
    network: IdentityNetwork | None = None,
) -> FaceSample:
    """Describe a clip by `identity_frames` of its frames and its track; by dlib by default."""
    chosen = evenly_spaced(shown.track.found, identity_frames)
    return _sample_at(shown, chosen, actor, emotion, network or DlibIdentity())


def _sample_at(
    shown: ShownClip, chosen: np.ndarray, actor: str, emotion: str, network: IdentityNetwork
) -> FaceSample:
    track = shown.track
    embeddings = network.embed(shown.frames[chosen], track.landmarks[chosen])
    blendshapes = np.asarray(track.blendshapes[track.found], np.float32)
    return FaceSample(actor, emotion, chosen, embeddings, blendshapes, network.backbone)


def score_clip(
    edit: Edit,
    method: str,
    shown: ShownClip,
    *,
    source: FaceSample,
    truth: ShownClip | None,
    instruments: Instruments,
    unedited: ShownClip | None = None,
    sound: Sound | None = None,
    codes: EditedCodes | None = None,
    seed: int = 0,
) -> ClipScore:
    """Score one method's result of one edit.

    Args:
        edit: what was wanted.
        method: one of `METHODS`.
        shown: the result.
        source: sample of the source clip, whose frames the result is compared with.
        truth: the true counterpart; `None` where the corpus has none (then the scores that need
            it are NaN).
        instruments: to measure with.
        unedited: the source clip itself; without it `expression_gain`, `emotion_leakage` and
            `detail_kept` are NaN.
        sound: of the source, which the result keeps; without it LSE-D and LSE-C are NaN.
        codes: behind the result; `None` where it was not made from codes, or the true ones are not
            known (then the mouth error on the mesh is NaN).
        seed: of the method's training.

    Raises:
        ShapeError: if result and truth differ in frames, or the unedited clip has fewer.
    """
    track, count = shown.track, len(shown.frames)
    given = {"true counterpart": truth, "unedited clip": unedited}
    for name, length in ((name, len(clip.frames)) for name, clip in given.items() if clip):
        if length < count or (length > count and name == "true counterpart"):
            raise ShapeError(
                f"{edit.name}: the result of {method} has {count} frames, the {name} {length}; "
                "they must show the same moments"
            )
    usable = source.frames < len(track.found)
    chosen = source.frames[usable]
    seen = track.found[chosen]
    sample = _sample_at(shown, chosen[seen], edit.actor, edit.emotion, instruments.identity)
    scores = dict.fromkeys(CLIP_METRICS, float("nan"))
    scores["face_found"] = float(np.mean(track.found))
    if seen.any():
        before = source.embeddings[usable][seen]
        scores["csim"] = cosine_identity(sample.embeddings, before)
        scores["identity_distance"] = identity_distance(sample.embeddings, before)
        chips = face_chips(shown.frames[sample.frames], track.landmarks[sample.frames])
        scores["image_entropy"] = image_entropy(chips)
    named = ""
    if track.found.any():
        if sound is not None and instruments.lip_sync is not None:
            scores |= lip_sync_scores(shown, sound, instruments.lip_sync)
        features = emotions.clip_features(track.expression, track.found)
        named = instruments.classifier.name(features[None])[0]
        if unedited is not None:
            scores |= _progress(edit, shown, source.emotion, unedited, truth, instruments)
    scores["emotion_accuracy"] = float(named == edit.emotion)
    if truth is not None:
        scores |= _errors(shown, truth)
    if codes is not None:
        scores["mesh_mouth_error"] = _mesh_error(codes)
    return ClipScore(edit, method, seed, scores, named, sample, instruments.backbones)


def _progress(
    edit: Edit,
    shown: ShownClip,
    emotion: str,
    unedited: ShownClip,
    truth: ShownClip | None,
    instruments: Instruments,
) -> dict[str, float]:
    """What tells an edit from its source, so that doing nothing is seen."""
    count = len(shown.frames)  # an edit may end before its source
    clips = [shown, unedited] if truth is None else [shown, unedited, truth]
    common = np.logical_and.reduce([clip.track.found[:count] for clip in clips])
    if not common.any():
        return {}
    codes = [clip.track.expression[:count][common] for clip in clips]
    last = clips[-1]  # the truth, or else the source
    features = [emotions.clip_features(one) for one in codes]
    found = {
        "emotion_leakage": emotions.emotion_leakage(
            instruments.classifier,
            features[0],
            features[1],
            None if truth is None else features[2],
            shown=emotion,
            wanted=edit.emotion,
        ),
        "detail_kept": detail_kept(
            shown.frames[common],
            shown.track.landmarks[common],
            last.frames[:count][common],
            last.track.landmarks[:count][common],
        ),
    }
    return found if truth is None else found | {"expression_gain": expression_gain(*codes)}


def score_codes(
    edit: Edit, method: str, codes: EditedCodes | None, *, instruments: Instruments, seed: int = 0
) -> ClipScore:
    """Score the codes of an edit that no picture shows; what pictures tell is NaN.

    Arguments as in `score_clip`.
    """
    scores = dict.fromkeys(CLIP_METRICS, float("nan"))
    if codes is not None:
        scores["mesh_mouth_error"] = _mesh_error(codes)
    nothing = np.zeros((0, 0), np.float32)
    backbone = instruments.identity.backbone
    sample = FaceSample(edit.actor, edit.emotion, np.zeros(0, int), nothing, nothing, backbone)
    return ClipScore(edit, method, seed, scores, "", sample, instruments.backbones)


def _mesh_error(codes: EditedCodes) -> float:
    errors = mesh_mouth_error(codes.identity, codes.expression, codes.true_expression)
    return float(errors.mean())


def lip_sync_scores(shown: ShownClip, sound: Sound, meter: LipSyncMeter) -> dict[str, float]:
    """LSE-D, LSE-C and the size of the offset in frames; NaN for a clip that is too short."""
    found = meter.measure(shown.frames, shown.track.landmarks, sound.samples, sound.fps)
    offset = float(abs(found.offset)) if found.search else float("nan")
    return dict(zip(LIP_SYNC_METRICS, (found.lse_d, found.lse_c, offset), strict=True))


def _errors(shown: ShownClip, truth: ShownClip) -> dict[str, float]:
    """What can be told against the truth, from the frames in which both show a face."""
    both = shown.track.found & truth.track.found
    if not both.any():
        return {}
    places, true_places = shown.track.landmarks[both], truth.track.landmarks[both]
    codes, true_codes = shown.track.expression[both], truth.track.expression[both]
    return {
        "mouth_error": float(mouth_error(places, true_places).mean()),
        "mouth_correlation": mouth_correlation(places, true_places),
        "expression_error": expression_error(codes, true_codes),
        "picture_error": picture_error(shown.frames[both], truth.frames[both], true_places),
    }


def backbone_of(scores: Sequence[ClipScore], metric: str) -> str:
    """What a metric of single clips was measured with.

    Raises:
        ShapeError: if the scores were measured with different things and cannot be compared.
    """
    named = {score.backbones.get(metric, CLIP_METRICS.get(metric, "")) for score in scores}
    if len(named) > 1:
        raise ShapeError(f"{metric} was measured with {', '.join(sorted(named))}; score all anew")
    return named.pop() if named else CLIP_METRICS.get(metric, "")


def save_sample(path: Path, sample: FaceSample) -> None:
    """Write a sample as npz, whole or not at all."""
    with writing(path) as aside:
        np.savez(aside, **vars(sample))


def load_sample(path: Path) -> FaceSample:
    """Read what `save_sample` wrote.

    Raises:
        InputError: if the file is missing or damaged.
    """
    with _stored(path, "no sample file") as arrays:
        named: Any = {name: str(arrays.pop(name)) for name in ("actor", "emotion", "backbone")}
        return FaceSample(**named, **arrays)


def save_score(path: Path, score: ClipScore) -> None:
    """Write a score as npz, whole or not at all."""
    sample = dict(vars(score.sample))
    facts = {
        "edit": asdict(score.edit),
        "method": score.method,
        "seed": score.seed,
        "scores": dict(score.scores),
        "named_emotion": score.named_emotion,
        **{name: sample.pop(name) for name in ("actor", "emotion", "backbone")},
        "backbones": dict(score.backbones),
        "base": score.base,
    }
    with writing(path) as aside:
        np.savez(aside, facts=np.asarray(json.dumps(facts)), **sample)


def load_score(path: Path) -> ClipScore:
    """Read what `save_score` wrote.

    Raises:
        InputError: if the file is missing or damaged.
    """
    with _stored(path, "not a score file") as arrays:
        facts = json.loads(str(arrays.pop("facts")))
        named = {name: facts.pop(name) for name in ("actor", "emotion", "backbone")}
        edit = Edit(**facts.pop("edit"))
        return ClipScore(edit, sample=FaceSample(**named, **arrays), **facts)


@contextmanager
def _stored(path: Path, problem: str) -> Iterator[dict[str, Any]]:
    """The arrays of a file; whatever is wrong with it is named."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            yield dict(stored)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise InputError(
            f"{path} is {problem} ({type(error).__name__}: {error}); delete it and run again"
        ) from None
