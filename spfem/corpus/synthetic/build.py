"""Builds the embedded corpus: films every actor, sentence and emotion, and writes the truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.artifacts import digest, file_digest
from spfem.corpus.clips import Clip, Corpus
from spfem.corpus.corpus_list import open_corpus, save_corpus
from spfem.corpus.synthetic.actors import Actor, cast_actors
from spfem.corpus.synthetic.motion import actor_style, face_motion
from spfem.corpus.synthetic.render import person_of, render_clip
from spfem.corpus.synthetic.sentences import sentences_of
from spfem.corpus.synthetic.speech import actor_voice, speak, speech_style
from spfem.corpus.synthetic.truth import (
    content_digest,
    face_truth,
    save_arrays,
    speech_truth,
)
from spfem.head import load_head_model
from spfem.head.landmarks import EMBEDDING_PATH
from spfem.media.audio import write_audio
from spfem.media.video import write_video
from spfem.opened_stages import open_stage
from spfem.processes import run_jobs
from spfem.settings import EMOTIONS, CorpusSettings

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


def build_synthetic_corpus(root: Path, settings: CorpusSettings, *, force: bool = False) -> Corpus:
    """Make the embedded corpus in `root`, or open it if it is there with the same settings.

    A killed run continues at the next clip. Two builds with one seed have the same frames, sound
    and arrays before encoding; their digests lie in the truth files as `frames_sha256` and
    `audio_sha256`, and together they make the digest of the corpus.

    Args:
        root: the corpus folder.
        settings: size and seed; `processes` does not change the result.
        force: build anew.

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
        force=force,
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
