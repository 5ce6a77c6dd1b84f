"""Corpus, faces and pairs of a workspace.

The reader of face units of a workspace, learned from films of people of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.corpus.clips import Clip, Corpus, DamagedClip
from spfem.corpus.protocol import learning_clips
from spfem.face.track import load_fields, save_fields
from spfem.files import digest, file_digest
from spfem.manipulator.counterparts import Take, estimate_counterparts
from spfem.media.audio import read_audio
from spfem.pairing.dtw import align_sequences, alignment_features, matched_frames
from spfem.pairing.pairs import (
    PairIndex,
    align_couples,
    clocks_of_pairs,
    find_couples,
    kinds_of_sound,
    load_pairs,
    save_pairs,
)
from spfem.processes import run_jobs
from spfem.reading.films import PersonFilm, film_person
from spfem.reading.learn import learn_reader
from spfem.run.artifacts import open_stage
from spfem.run.corpora import build_synthetic_corpus, list_recordings
from spfem.run.faces import FaceStore, extract_actor_faces, extract_faces
from spfem.run.persons import fit_persons, read_persons
from spfem.run.workspace import Workspace
from spfem.settings import EMOTIONS, FaceSettings, PairingSettings, ReaderFilmSettings
from spfem.training import show_progress


def make_whole_corpus(workspace: Workspace) -> Corpus:
    """Every clip of the corpus: built here for `synthetic`, opened from disk otherwise.

    A workspace looks for its files once: all stages ask for it, and there are thousands.
    """
    if not workspace.opened:
        if workspace.corpus == "synthetic":
            corpus = build_synthetic_corpus(workspace.corpus_root, workspace.scale.corpus)
        else:
            corpus = list_recordings(workspace.corpus_root, workspace.stage_folder("corpus"))
        workspace.opened.append(corpus)
    return workspace.opened[0]


def make_corpus(workspace: Workspace) -> Corpus:
    """The clips that can be used, which every stage after the faces works on.

    Clips that the face stage could not use are left out here, once for all later stages, and
    actors of whom nothing is left. With nothing to leave out, this is `make_whole_corpus`.
    """
    corpus, damaged = make_whole_corpus(workspace), make_faces(workspace).damaged
    if not damaged:
        return corpus
    clips = tuple(clip for clip in corpus.clips if clip.key not in damaged)
    left = {clip.actor for clip in clips}
    return replace(
        corpus,
        clips=clips,
        roles={actor: role for actor, role in corpus.roles.items() if actor in left},
        digest=digest([corpus.digest, sorted(damaged)]),
        damaged=(
            *corpus.damaged,
            *(DamagedClip(key, "no face track", reason) for key, reason in damaged.items()),
        ),
    )


def make_faces(workspace: Workspace) -> FaceStore:
    """Tracked, fitted and aligned faces of every clip; those that fail are in `damaged`."""
    corpus = make_whole_corpus(workspace)
    return extract_faces(corpus, workspace.stage_folder("faces"), workspace.scale.face)


def make_actor_faces(workspace: Workspace, actor: str) -> Mapping[str, str]:
    """The faces of one actor, a part of `make_faces`; gives the clips that failed, and why."""
    corpus = make_whole_corpus(workspace)
    folder = workspace.stage_folder("faces")
    return extract_actor_faces(corpus, folder, workspace.scale.face, actor)


def neutral_clips(workspace: Workspace) -> dict[str, list[str]]:
    """Keys of the clips that show an actor's shape at rest, by actor.

    Of targets only those that may be learned from.
    """
    corpus, shaping = make_corpus(workspace), {}
    for actor, role in corpus.roles.items():
        clips = learning_clips(corpus, actor) if role == "target" else corpus.select(actor=actor)
        shaping[actor] = [clip.key for clip in clips if clip.emotion == EMOTIONS[0]]
    return shaping


def make_fitted_persons(workspace: Workspace) -> FaceStore:
    """The faces fitted with one identity an actor, without what the reader reads."""
    folder, face = workspace.stage_folder("persons"), workspace.scale.face
    return fit_persons(make_faces(workspace), folder, face, neutral_clips(workspace))


def make_persons(workspace: Workspace) -> FaceStore:
    """The faces with codes as the reader reads them, one identity an actor, which edits need.

    Identity and resting face come from `neutral_clips`. Another shipped reader makes it anew.
    """
    folder, face = workspace.stage_folder("read_persons"), workspace.scale.face
    fitted = make_fitted_persons(workspace)
    return read_persons(fitted, folder, face, neutral_clips(workspace))


def make_pairs(workspace: Workspace) -> PairIndex:
    """Aligned pairs of the same sentence in neutral and in another emotion."""
    corpus = make_corpus(workspace)
    return pair_corpus(corpus, workspace.stage_folder("pairs"), workspace.scale.pairing)


def pair_corpus(corpus: Corpus, folder: Path, settings: PairingSettings) -> PairIndex:
    """Align every emotional clip with the neutral clip of the same actor and sentence.

    A complete folder with the same inputs and settings is read back; see `save_pairs` for its
    files.

    Raises:
        CorpusError: if no sentence is said both in neutral and in another emotion.
        InputError: if `paths_file` is damaged or fits no clip of the corpus.
        ArtifactError: if the folder cannot be used.
    """
    couples, inputs = find_couples(corpus, settings), {"corpus": corpus.digest}
    if settings.paths_file:
        inputs["paths"] = file_digest(Path(settings.paths_file))
    stage = open_stage(
        folder,
        "pairing",
        settings=replace(settings, paths_file=None),  # its content counts, not its place
        inputs=inputs,
        code=(pair_corpus,),
    )
    if not stage.complete:
        pairs, released = align_couples(couples, corpus, settings)
        save_pairs(folder, pairs)
        unusable = sum(not pair.usable for pair in pairs)
        stage.finish(pairs=len(pairs), unusable=unusable, released=released)
    return PairIndex(load_pairs(folder), corpus.roles, stage.digest)


def bank_clips(corpus: Corpus) -> tuple[Clip, ...]:
    """Clips to retrieve from: of the `train` actors, and what targets do not hold back."""
    targets = sorted(actor for actor, role in corpus.roles.items() if role == "target")
    learning = [clip for actor in targets for clip in learning_clips(corpus, actor)]
    return (*corpus.select(role="train"), *learning)


def manipulator_clips(corpus: Corpus) -> tuple[Clip, ...]:
    """Clips to learn from: of the `train` actors; where there are none, the `bank_clips`.

    Not of targets, so that results show emotions that were never seen of a person.
    """
    return corpus.select(role="train") or bank_clips(corpus)


def clip_counterparts(
    workspace: Workspace, codes: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """What each neutral clip would be in each emotion (Y, T, E), see `manipulator.counterparts`.

    Takes are brought together by their sound, as pairs are; alignments that cost too much are
    not used.

    Args:
        workspace: where.
        codes: (T, E) of the clips that are learned from, by key.
    """
    corpus, settings = make_corpus(workspace), workspace.scale.pairing
    clips = {clip.key: clip for clip in corpus.clips if clip.key in codes}

    @cache
    def heard(key: str) -> np.ndarray:
        audio = read_audio(clips[key].audio, settings.sample_rate)
        return alignment_features(audio, corpus.fps, settings)

    def match(key: str, other: str) -> np.ndarray | None:
        found = align_sequences(heard(key), heard(other))
        if not settings.trusts(found.normalised_cost):
            return None
        frames = matched_frames(found.path, len(codes[key]))
        return np.minimum(frames, len(codes[other]) - 1)

    takes = {
        key: Take(clip.actor, clip.sentence, clip.label, codes[key]) for key, clip in clips.items()
    }
    return estimate_counterparts(takes, match)


def read_visemes(workspace: Workspace) -> dict[str, np.ndarray]:
    """Number of the mouth shape shown in each frame (T,) by clip key; of recordings, of the sound.

    See `spfem.pairing.pairs`.
    """
    if make_corpus(workspace).has_truth:
        return _read_truths(workspace, "viseme")
    return kinds_of_sound(*_stand_in_material(workspace))


def read_clocks(workspace: Workspace) -> dict[str, np.ndarray]:
    """Where in its sentence each frame (T,) stands, by clip key; of recordings, as we align them.

    See `spfem.pairing.pairs`.
    """
    if make_corpus(workspace).has_truth:
        return _read_truths(workspace, "frame_of_reference")
    return clocks_of_pairs(*_stand_in_material(workspace))


def _stand_in_material(
    workspace: Workspace,
) -> tuple[Corpus, PairIndex, dict[str, int], PairingSettings]:
    corpus, faces = make_corpus(workspace), make_faces(workspace)
    frames = {clip.key: len(faces[clip.key].found) for clip in corpus.clips}
    return corpus, make_pairs(workspace), frames, workspace.scale.pairing


def _read_truths(workspace: Workspace, name: str) -> dict[str, np.ndarray]:
    """The array `name` of the exact truth of every clip, by clip key."""
    truths = {}
    for clip in make_corpus(workspace).clips:
        with np.load(clip.truth) as arrays:
            truths[clip.key] = arrays[name]
    return truths


def film_people(folder: Path, settings: ReaderFilmSettings, face: FaceSettings) -> list[PersonFilm]:
    """Film, track and fit all people to learn from, one file a person, or take up where it stopped.

    The people are drawn from a seed of their own, so that none of them is in a corpus.
    """
    plain = replace(settings, processes=1)
    stage = open_stage(
        folder,
        "films for the reader",
        settings={"films": digest(plain), "face": digest(face)},
        inputs={},
        code=(_film_one,),
    )
    paths = [folder / f"{number:03d}.npz" for number in range(settings.people)]
    if not stage.complete:
        jobs = [(n, settings, face, path) for n, path in enumerate(paths) if not path.exists()]
        done = run_jobs(_film_one, jobs, settings.processes)
        for _ in tqdm(done, total=len(jobs), desc="films for the reader"):
            pass
        stage.finish(people=len(paths))
    return [load_fields(PersonFilm, path, "is no film", "remove its folder") for path in paths]


def _film_one(job: tuple[int, ReaderFilmSettings, FaceSettings, Path]) -> None:
    number, settings, face, path = job
    save_fields(film_person(number, settings, face), path)


def make_reader(workspace: Workspace, seed: int = 0) -> Path:
    """Checkpoint of the reader. Stages do not use it before it comes with the package.

    It needs nothing of the corpus: its people are drawn from another seed. A person that was
    filmed is not filmed again after a kill.

    Args:
        workspace: of the run.
        seed: of the learning; that of the films is one of their settings.
    """
    scale = workspace.scale
    face = replace(scale.face, processes=1)
    filmed = asdict(scale.reader_films)
    filmed.pop("processes")  # their number does not change the result
    stage = open_stage(
        workspace.stage_folder("reader", f"seed{seed}"),
        "reader",
        settings={"films": filmed, "face": face, "reader": scale.reader, "seed": seed},
        inputs={},
        code=(make_reader, film_people),
    )
    path = stage.folder / "reader.safetensors"
    if not stage.complete:
        wanted = replace(scale.reader_films, processes=scale.face.processes)
        people = film_people(workspace.stage_folder("reader", "films"), wanted, face)
        reader = learn_reader(
            people,
            scale.reader,
            seed=seed,
            folder=stage.folder,
            progress=show_progress("reader"),
        )
        reader.save(path, {"films": filmed, "seed": seed})
        stage.finish(people=len(people))
    return path
