"""Builds the embedded corpus: films every actor, sentence and emotion, and writes the truth.

The exact truth of a clip, frame by frame, as named arrays.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.corpus.clips import Clip, Corpus, open_corpus, save_corpus
from spfem.files import digest, file_digest, writing
from spfem.head.model import EMBEDDING_PATH, SKIN, HeadModel, load_head_model
from spfem.media.audio import write_audio
from spfem.media.video import write_video
from spfem.processes import run_jobs
from spfem.run.artifacts import open_stage
from spfem.settings import EMOTIONS, CorpusSettings
from spfem.studio.cast import Actor, cast_actors
from spfem.studio.motion import Motion, actor_style, face_motion
from spfem.studio.person import Person, rotation_matrices
from spfem.studio.render import person_of, render_clip
from spfem.studio.speech import Speech, actor_voice, speak, speech_style
from spfem.studio.words import sentences_of


def content_digest(array: np.ndarray) -> str:
    """Hexadecimal SHA-256 of the values of an array of any shape: frames or sound, not encoded."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def inner_lip_vertices(head: HeadModel) -> tuple[int, int]:
    """Vertices in the middle of the upper and the lower lip where they meet.

    Found as the neighbours on the midline that the jaw parts most.
    """
    skin = np.unique(head.triangles[head.region == SKIN])
    x, y, z = head.mean[skin].T
    middle = skin[(np.abs(x) < 0.004) & (z < -0.4) & (y > 0.10) & (y < 0.24)]
    middle = middle[np.argsort(head.mean[middle, 1])]
    drop = np.diff(head.expression_basis[0, middle, 1])
    upper = int(drop.argmax())
    return int(middle[upper]), int(middle[upper + 1])


def face_truth(person: Person, motion: Motion, frame_size: int) -> dict[str, np.ndarray]:
    """What the face does and where it lies.

    Returns:
        `face_units` (T, 52) with `face_unit_names`, `identity` (I,), `rotation` (T, 3) axis-angle,
        `translation` (T, 2) and `scale` (T,) of the camera in pixels, `landmarks_3d` (T, 478, 3)
        in head units before rotation, `landmarks_2d` (T, 478, 2) in pixels, `mouth_opening` (T,)
        between the inner lips in head units.
    """
    head = person.head
    vertices = head.vertices(person.actor.identity, motion.face_units)
    landmarks = head.landmarks(vertices).astype(np.float32)
    scale, translation = person.camera(frame_size, motion.scale, motion.translation)
    turned = np.einsum("tij,tlj->tli", rotation_matrices(motion.rotation), landmarks)
    upper, lower = inner_lip_vertices(head)
    opening = np.linalg.norm(vertices[:, lower] - vertices[:, upper], axis=-1)
    values = {
        "face_units": motion.face_units,
        "identity": person.actor.identity,
        "rotation": motion.rotation,
        "translation": translation,
        "scale": scale,
        "landmarks_3d": landmarks,
        "landmarks_2d": turned[..., :2] * scale[:, None, None] + translation[:, None],
        "mouth_opening": opening,
    }
    arrays = {name: value.astype(np.float32) for name, value in values.items()}
    arrays["face_unit_names"] = np.array(motion.face_unit_names)
    return arrays


def speech_truth(speech: Speech, motion: Motion) -> dict[str, np.ndarray]:
    """What is said when.

    Returns:
        `phoneme_names`, `phoneme_start_seconds`, `phoneme_end_seconds` (K,), `viseme_weights`
        (T, 15) with `viseme_names`, `viseme` (T,) the dominant one, `frame_of_reference` (T,)
        the position on the sentence's own phoneme clock: equal values are the same spoken moment
        in two recordings.
    """
    return {
        "phoneme_names": np.array([phoneme.name for phoneme in speech.phonemes]),
        "phoneme_start_seconds": np.array([phoneme.start_seconds for phoneme in speech.phonemes]),
        "phoneme_end_seconds": np.array([phoneme.end_seconds for phoneme in speech.phonemes]),
        "viseme_weights": motion.viseme_weights,
        "viseme_names": np.array(motion.viseme_names),
        "viseme": motion.viseme,
        "frame_of_reference": motion.clock,
        "emotion_envelope": motion.emotion_envelope,
    }


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write named arrays as npz, whole or not at all."""
    with writing(path) as aside:
        np.savez(aside, **arrays)  # type: ignore[arg-type]


CORPUS_NAME = "synthetic"


@dataclass(frozen=True)
class Take:
    """One clip to film.

    Attributes:
        clip: where it is written and what it shows.
        text: what is said.
        actor_number: place in the cast.
        seed: of speech and motion.
        counterparts: the other emotions to film with the same sound and head motion.
    """

    clip: Clip
    text: str
    actor_number: int
    seed: int
    counterparts: tuple[str, ...]


@lru_cache(maxsize=1)
def _cast(settings: CorpusSettings) -> tuple[Actor, ...]:
    return cast_actors(load_head_model(), settings)


def plan_takes(root: Path, settings: CorpusSettings) -> list[Take]:
    """List every clip of the corpus, actor by actor."""
    takes = []
    for number, actor in enumerate(_cast(settings)):
        target = actor.role == "target"
        own = settings.own_sentences if target else 0
        for label, emotion in enumerate(EMOTIONS):
            sentences = sentences_of(emotion, shared=settings.shared_sentences, own=own)
            for place, sentence in enumerate(sentences):
                edited = emotion == "neutral" and place >= settings.shared_sentences
                filmed = target and (edited or settings.counterparts == "all")
                others = tuple(name for name in EMOTIONS if name != emotion) if filmed else ()
                clip = Clip(
                    root,
                    actor.name,
                    emotion,
                    1 if emotion == "neutral" else 3,
                    sentence.number,
                    sentence.key,
                )
                seed = ((settings.seed * 1009 + number) * 7 + label) * 1000 + int(sentence.number)
                takes.append(Take(clip, sentence.text, number, seed, others))
    return takes


def film_take(take: Take, settings: CorpusSettings) -> int:
    """Write all files of one clip, the truth last, so that its presence means completeness.

    Returns:
        Number of frames drawn.
    """
    actor = _cast(settings)[take.actor_number]
    clip = take.clip
    voice = actor_voice(actor.index, female=actor.female)
    style = actor_style(actor.seed)
    speech = speak(
        take.text,
        voice,
        speech_style(clip.emotion, take.seed),
        sample_rate=settings.sample_rate,
    )
    person = person_of(actor)
    drawn = 0
    for emotion in take.counterparts:
        video, arrays = clip.counterpart(emotion)
        motion = face_motion(speech, emotion, style, settings.fps, take.seed)
        frames = render_clip(actor, motion, settings)
        write_video(video, frames, settings.fps)
        truth = face_truth(person, motion, settings.frame_size)
        save_arrays(arrays, truth | {"frames_sha256": np.array(content_digest(frames))})
        drawn += len(frames)
    motion = face_motion(speech, clip.emotion, style, settings.fps, take.seed)
    frames = render_clip(actor, motion, settings)
    write_audio(clip.audio, speech.samples, settings.sample_rate)
    write_video(
        clip.video, frames, settings.fps, audio=speech.samples, sample_rate=settings.sample_rate
    )
    truth = face_truth(person, motion, settings.frame_size) | speech_truth(speech, motion)
    truth["frames_sha256"] = np.array(content_digest(frames))
    truth["audio_sha256"] = np.array(content_digest(speech.samples))
    save_arrays(clip.truth, truth)
    return drawn + len(frames)


def _film(job: tuple[Take, CorpusSettings]) -> int:
    return film_take(*job)


def _content_of(takes: list[Take]) -> str:
    rows = []
    for take in takes:
        files = [take.clip.truth, *(take.clip.counterpart(name)[1] for name in take.counterparts)]
        for file in files:
            with np.load(file) as arrays:
                rows.append([arrays[key].item() for key in arrays if key.endswith("_sha256")])
    return digest(rows)


def build_synthetic_corpus(root: Path, settings: CorpusSettings) -> Corpus:
    """Make the embedded corpus in `root`, or open it if it is there with the same settings.

    A killed run continues at the next clip. Two builds with one seed have the same frames, sound
    and arrays before encoding; their digests lie in the truth files as `frames_sha256` and
    `audio_sha256`, and together they make the digest of the corpus.

    Args:
        root: the corpus folder.
        settings: size and seed; `processes` does not change the result.

    Raises:
        ArtifactError: if `root` holds files that no stage made.
        SettingsError: if there are not enough sentences.
    """
    stage = open_stage(
        root,
        "corpus",
        settings=replace(settings, processes=1),
        inputs={"landmarks": file_digest(EMBEDDING_PATH)},
        code=(build_synthetic_corpus,),
    )
    if stage.complete:
        return open_corpus(root)
    takes = plan_takes(root, settings)
    waiting = [(take, settings) for take in takes if not take.clip.truth.exists()]
    frames = 0
    with tqdm(total=len(takes), initial=len(takes) - len(waiting), desc="corpus") as bar:
        for _, drawn in run_jobs(_film, waiting, settings.processes):
            frames += drawn
            bar.update()
    roles = {actor.name: actor.role for actor in _cast(settings)}
    clips = (take.clip for take in takes)
    corpus = save_corpus(root, CORPUS_NAME, settings.fps, clips, roles, _content_of(takes))
    stage.finish(clips=len(takes), frames=frames)
    return corpus
