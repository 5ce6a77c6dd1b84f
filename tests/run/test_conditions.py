"""Condition images are drawn once and kept without loss; those of moved codes for each method."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from spfem.errors import InputError
from spfem.run import conditions
from spfem.run.conditions import (
    LearnedClips,
    load_conditions,
    make_conditions,
    make_moved_conditions,
    save_conditions,
)
from spfem.scales import load_scale
from spfem.settings import EMOTIONS

FRAMES, SIDE = 3, 6
KEYS = tuple(f"A/{emotion}/level_1/00{n}" for n, emotion in enumerate(EMOTIONS))


def test_conditions_are_kept_without_loss_and_smaller(tmp_path):
    drawn = np.zeros((4, 32, 32, 10), np.uint8)
    drawn[:, 8:20, 8:20] = np.random.default_rng(0).integers(255, size=(12, 12, 10))
    save_conditions(tmp_path / "own" / "a.npz", drawn)
    assert np.array_equal(load_conditions(tmp_path / "own" / "a.npz"), drawn)
    assert (tmp_path / "own" / "a.npz").stat().st_size < drawn.nbytes / 2


@pytest.mark.parametrize("content", [None, b"nothing", b"PK\x03\x04 nothing"])
def test_a_missing_or_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "a.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz holds no condition images"):
        load_conditions(path)


class Persons(dict):
    digest = "persons"


class Source:
    """Stands for drawing: conditions tell the clip and how far its codes were moved."""

    drawn: ClassVar[list[str]] = []

    def __init__(self, painter, track):
        self.track = track

    def conditions(self, expression=None):
        self.drawn.append(self.track.key)
        level = self.track.level if expression is None else int(expression[0, 0])
        return np.full((FRAMES, SIDE, SIDE, 10), level, np.uint8)


@pytest.fixture
def world(tmp_path, monkeypatch):
    faces = Persons(
        (
            key,
            SimpleNamespace(
                key=key,
                level=number,
                expression=np.full((FRAMES, 2), number, np.float32),
                faces=np.full((FRAMES, SIDE, SIDE, 3), number, np.uint8),
            ),
        )
        for number, key in enumerate(KEYS)
    )
    clips = tuple(SimpleNamespace(key=key, label=label) for label, key in enumerate(KEYS))
    manipulator, wished = tmp_path / "manipulator", {}
    manipulator.write_text("moves")

    def edit(moves, expression, wish, *, anchored, seed):
        wished[int(expression[0, 0])] = wish.emotion
        return expression + 100

    Source.drawn = []
    for name, replacement in {
        "make_persons": lambda _: faces,
        "make_corpus": lambda _: None,
        "learning_clips": lambda *_: clips,
        "make_manipulator": lambda *_: manipulator,
        "_manipulator": lambda path: path.read_text(),
        "_painter": lambda size: size,
        "edit_expression": edit,
        "ConditionSource": Source,
        "renderer_clip": lambda track, own, moved: (track.faces, own, moved),
    }.items():
        monkeypatch.setattr(conditions, name, replacement)
    workspace = SimpleNamespace(
        scale=load_scale("smoke"), device="cuda", stage_folder=tmp_path.joinpath
    )
    return SimpleNamespace(
        workspace=workspace, clips=clips, faces=faces, manipulator=manipulator, wished=wished
    )


def test_clips_are_drawn_once_and_a_killed_stage_goes_on(world):
    made = make_conditions(world.workspace, "A", world.clips)
    assert sorted(Source.drawn) == sorted(KEYS)
    assert make_conditions(world.workspace, "A", world.clips) == made
    assert len(Source.drawn) == len(KEYS)
    (made.folder / "artifact.json").write_text(
        (made.folder / "artifact.json").read_text().replace('"complete": true', '"complete": false')
    )
    made.file(KEYS[2]).unlink()
    make_conditions(world.workspace, "A", world.clips)
    assert Source.drawn[len(KEYS) :] == [KEYS[2]]
    world.faces.digest = "others"
    assert make_conditions(world.workspace, "A", world.clips).digest != made.digest


def test_moved_conditions_follow_the_manipulator_and_show_another_emotion(world):
    made = make_moved_conditions(world.workspace, "A", "ned", 1)
    assert all(wish != EMOTIONS[label] for label, wish in world.wished.items())
    assert load_conditions(made.file(KEYS[3])).max() == 103
    assert make_moved_conditions(world.workspace, "A", "ned", 1).digest == made.digest
    world.manipulator.write_text("moves otherwise")
    assert make_moved_conditions(world.workspace, "A", "ned", 1).digest != made.digest


def test_a_renderer_learns_from_tracks_beside_both_conditions(world):
    own = make_conditions(world.workspace, "A", world.clips)
    moved = make_moved_conditions(world.workspace, "A", "ned")
    clips = LearnedClips(world.faces, own, moved)
    assert len(clips) == len(KEYS)
    for number in range(len(KEYS)):
        faces, kept, edited = clips[number]
        assert (faces.max(), kept.max(), edited.max()) == (number, number, 100 + number)
    assert clips[2] is clips[2]
    assert LearnedClips(world.faces, own)[1][2] is None
