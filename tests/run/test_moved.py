"""Edits of every row are made once, each with its own codes, and tracked from the written file."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest

from spfem.corpus.clips import Clip, Corpus
from spfem.corpus.protocol import Edit
from spfem.evaluation.moved_pixels import OWN_ROWS, ROWS
from spfem.face.track import EditTrack
from spfem.head import load_head_model
from spfem.media.video import read_video, write_video
from spfem.run import edits, moved
from spfem.scales import load_scale

NAMES = load_head_model().expression_names
WISHES = ("angry", "disgusted")
FRAMES = 4
OWN = 0.25  # of all codes of the sources
TRUE_CHANGE = {"angry": 0.3, "disgusted": 0.5}  # of all units


def clip_of(root, emotion, number="004"):
    return Clip(root, "A", emotion, 1 if emotion == "neutral" else 3, number, emotion + number)


def write_truth(path, units):
    path.parent.mkdir(parents=True, exist_ok=True)
    order = list(reversed(NAMES))  # another order than the head's
    np.savez(path, face_unit_names=order, face_units=units[:, [NAMES.index(n) for n in order]])


def bright(level):
    return np.full((FRAMES, 32, 32, 3), level, np.uint8)


class WholeTrack:
    """Stands for a track; its codes are how bright the first frame of the file is."""

    def __init__(self, source, settings=None):
        level = read_video(source).frames[0].mean() / 255
        self.fps, self.found = 25.0, np.ones(FRAMES, bool)
        self.landmarks = self.blendshapes = self.align = np.zeros((FRAMES, 2, 3), np.float32)
        self.expression = np.full((FRAMES, len(NAMES)), level, np.float32)

    def only(self, kind):
        return kind(**{each.name: getattr(self, each.name) for each in fields(kind)})

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, level=self.expression)


@pytest.fixture
def world(tmp_path, monkeypatch):
    root, made = tmp_path / "corpus", []
    source = clip_of(root, "neutral")
    write_video(source.video, bright(10), 25)
    own = np.random.default_rng(0).uniform(0, 0.4, (FRAMES, len(NAMES))).astype(np.float32)
    write_truth(source.truth, own)
    for emotion, change in TRUE_CHANGE.items():
        video, truth = source.counterpart(emotion)
        write_video(video, bright(100 if emotion == "angry" else 200), 25)
        write_truth(truth, own + np.float32(change))
    habits = [clip_of(root, emotion, "001") for emotion in ("neutral", *WISHES)]
    corpus = Corpus(root, "made", 25, (source, *habits), {"A": "target"}, "corpus")
    levels = {"neutral": 0.2, "angry": 0.3, "disgusted": 0.9}
    persons = {
        clip.key: SimpleNamespace(
            identity=np.zeros(3),
            expression=np.full((FRAMES, len(NAMES)), levels[clip.emotion], np.float32),
        )
        for clip in habits
    }
    tracked = np.full((FRAMES, len(NAMES)), OWN, np.float32)
    persons[source.key] = SimpleNamespace(identity=np.zeros(3), expression=tracked)

    class Persons(dict):
        digest = "persons"

    wanted = tuple(Edit("intra", source.key, f"A/{e}/level_3/005", e, "A") for e in WISHES)
    workspace = SimpleNamespace(
        corpus="made",
        scale=load_scale("smoke"),
        device="cuda",  # one process, in this one
        stage_folder=lambda *names: tmp_path.joinpath("stages", *names),
    )

    def move(frames, track, expression, *, fps):
        made.append(("moved", expression))
        return np.full_like(frames, np.clip(255 * expression.mean(), 0, 255))

    def render(_, method, seed, codes):
        made.extend(("rendered", expression) for expression in codes.values())
        return {edit: bright(77) for edit in codes}

    by_habit = edits.edited_codes

    def give_codes(workspace, method, seed, part):
        if method == "habit":
            return by_habit(workspace, method, seed, part)
        return dict.fromkeys(part, tracked + 0.05)

    digests = {"manipulator": "m", "renderer": "r"}
    for name, replacement in {
        "edit_protocol": lambda *_, **__: wanted,
        "learning_clips": lambda *_: tuple(habits),
        "clips_by_key": lambda _: {clip.key: clip for clip in corpus.clips},
        "make_corpus": lambda _: corpus,
        "make_persons": lambda _: Persons(persons),
        "make_manipulator": lambda *_: "manipulator",
        "file_digest": lambda name: digests[name],
        "make_actor_renderer": lambda *_: SimpleNamespace(digest=digests["renderer"]),
        "edited_codes": give_codes,
        "rendered_frames": render,
        "load_person": lambda persons, actor: actor,
        "read_track": lambda track, person, settings: SimpleNamespace(expression=tracked + 0.1),
        "move_clip": move,
        "track_clip": WholeTrack,
    }.items():
        for module in (moved, edits):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, replacement)
    monkeypatch.setattr(edits.FaceTrack, "load", staticmethod(lambda path: path))
    return SimpleNamespace(
        workspace=workspace, made=made, edits=wanted, corpus=corpus, digests=digests, root=root
    )


def codes(made, row, edit):
    return np.load(made.rows[row].codes_file(edit))


def test_every_row_shows_its_own_codes(world):
    made = moved.make_moved_edits(world.workspace)
    assert made.edits == world.edits
    angry, disgusted = made.edits
    wanted = {
        "own": OWN,
        "ned": OWN + 0.05,
        "habit": OWN + 0.7,  # what the actor's disgusted clips have more than the neutral ones
        "fitted": OWN + 0.1,
        "exact": OWN + 0.5,  # the change of the units, in the order of the head
        "ned_renderer_own": OWN,
        "ned_renderer_ned": OWN + 0.05,
        "ned_renderer_fitted": OWN + 0.1,
    }
    for row, level in wanted.items():
        assert np.allclose(codes(made, row, disgusted), level, atol=1e-5), row
    assert np.allclose(codes(made, "exact", angry), OWN + 0.3, atol=1e-5)
    for row in ("copy", "truth"):
        assert not made.rows[row].codes_file(disgusted).exists()


def test_tracks_are_those_of_the_written_files(world):
    made = moved.make_moved_edits(world.workspace)
    _, disgusted = made.edits
    for row, level in {"copy": 10, "truth": 200, "ned": 255 * (OWN + 0.05)}.items():
        track = EditTrack.load(made.rows[row].track_file(disgusted))
        assert track.expression.mean() * 255 == pytest.approx(level, abs=4), row
    assert made.truths.track_file(disgusted.source, "disgusted").exists()


def test_what_shows_the_same_for_every_wish_is_made_once(world):
    made = moved.make_moved_edits(world.workspace)
    angry, disgusted = made.edits
    for row in ROWS:
        same = made.rows[row].video(angry) == made.rows[row].video(disgusted)
        assert same == (row in ("copy", *OWN_ROWS)), row
    assert [how for how, _ in world.made].count("rendered") == 1 + 2 + 2
    assert [how for how, _ in world.made].count("moved") == 1 + 4 * 2


def test_a_second_run_makes_nothing_and_a_killed_one_goes_on(world):
    made = moved.make_moved_edits(world.workspace)
    done, before = len(world.made), made.rows["ned"].digest
    again = moved.make_moved_edits(world.workspace)
    assert (len(world.made), again.rows["ned"].digest) == (done, before)
    made.rows["ned"].track_file(made.edits[0]).unlink()  # the video is there, only the track lacks
    moved.make_moved_edits(world.workspace)
    assert len(world.made) == done
    made.rows["habit"].track_file(made.edits[0]).unlink()
    made.rows["habit"].video(made.edits[0]).unlink()
    moved.make_moved_edits(world.workspace)
    assert len(world.made) == done + 1
    assert made.rows["habit"].track_file(made.edits[0]).exists()
