"""Videos of edits are made once and tracked from the file; a new track renders nothing again."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from spfem.corpus.protocol import Edit
from spfem.errors import SettingsError
from spfem.media.video import read_video, write_video
from spfem.run import edits
from spfem.scales import NedBaseSettings, load_scale

EDITS = tuple(
    Edit("intra", f"{actor}/neutral/level_1/004", f"{actor}/happy/level_3/005", "happy", actor)
    for actor in ("A", "B")
)
NUMBERS = {"habit": 0.125, "ned": 0.25, "ned+asccl": 0.375}  # what the methods' codes are


def whole_track(source, settings):
    """Stands for tracking; `found` tells how bright the first frame of the file is."""
    frames = read_video(source).frames
    level = np.full(len(frames), frames[0].mean() > 100)
    empty = np.zeros((len(frames), 2, 3), np.float32)
    shown = dict.fromkeys(("landmarks", "blendshapes", "expression", "align"), empty)
    return SimpleNamespace(only=lambda kind: kind(fps=25.0, found=level, **shown))


@pytest.fixture
def world(tmp_path, monkeypatch):
    rendered, drawn_by, words = [], [], {"manipulator": "m", "A": "a", "B": "b"}
    video = tmp_path / "source.mp4"
    write_video(video, np.zeros((4, 32, 32, 3), np.uint8), 25)
    clips = {edit.source: SimpleNamespace(video=video) for edit in EDITS}
    workspace = SimpleNamespace(
        scale=replace(load_scale("smoke"), ned_base=NedBaseSettings(actors=2)),
        device="cuda",  # one process, in this one
        stage_folder=lambda *names: tmp_path.joinpath(*names),
    )

    def draw(base, part):
        rendered.extend((base, edit.name, float(codes[0, 0])) for edit, codes in part.items())
        level = {"A": 40, "B": 200}
        return {edit: np.full((4, 32, 32, 3), level[edit.actor], np.uint8) for edit in part}

    def codes(_, method, seed, part):
        return dict.fromkeys(part, np.full((4, 5), NUMBERS[method]))

    def renderer(_, actor, method, seed):
        drawn_by.append((actor, method, seed))
        return SimpleNamespace(digest=words[actor])

    for name, replacement in {
        "edit_protocol": lambda *_, **__: EDITS,
        "clips_by_key": lambda _: clips,
        "make_corpus": lambda _: SimpleNamespace(fps=25, digest="c"),
        "make_persons": lambda _: SimpleNamespace(digest="f"),
        "make_manipulator": lambda *_: "manipulator",
        "file_digest": lambda name: words[name],
        "make_actor_renderers": lambda workspace, wanted: {
            key: renderer(workspace, *key) for key in wanted
        },
        "edited_codes": codes,
        "moved_frames": lambda _, part: draw("moved", part),
        "rendered_frames": lambda _, method, seed, part: draw(f"{method} {seed}", part),
        "track_clip": whole_track,
    }.items():
        monkeypatch.setattr(edits, name, replacement)
    return SimpleNamespace(workspace=workspace, rendered=rendered, words=words, drawn_by=drawn_by)


@pytest.mark.parametrize("base", ["moved", "ned"])
def test_videos_are_made_once_and_tracked_from_the_file(world, base):
    made = edits.make_edits(world.workspace, base, "ned", 1)
    shown = {"moved": "moved", "ned": "ned 1"}[base]
    assert sorted(world.rendered) == [(shown, edit.name, 0.25) for edit in EDITS]
    assert [bool(made.track(edit).found.all()) for edit in EDITS] == [False, True]
    assert len(made.track(EDITS[0])) == 4
    video = made.video(EDITS[0])
    assert video.parent.relative_to(video.parents[4]).parts == ("edits", base, "ned", "seed1")
    edits.make_edits(world.workspace, base, "ned", 1)
    assert len(world.rendered) == 2
    made.track_file(EDITS[1]).unlink()
    edits.make_edits(world.workspace, base, "ned", 1)
    assert made.track(EDITS[1]).found.all()
    assert len(world.rendered) == 2


@pytest.mark.parametrize(
    ("base", "what", "matters"),
    [("moved", "manipulator", True), ("moved", "A", False), ("ned", "manipulator", True),
     ("ned", "A", True), ("ned", "B", True)],
)  # fmt: skip
def test_other_models_are_another_stage(world, base, what, matters):
    before = edits.make_edits(world.workspace, base, "ned").digest
    world.words[what] = "other"
    assert (edits.make_edits(world.workspace, base, "ned").digest != before) == matters
    assert len(world.rendered) == (4 if matters else 2)


def test_the_habit_needs_no_manipulator_and_is_drawn_by_plain_ned(world):
    before = edits.make_edits(world.workspace, "ned", "habit").digest
    assert {method for _, method, _ in world.drawn_by} == {"ned"}
    assert {row[::2] for row in world.rendered} == {("ned 0", 0.125)}
    world.words["manipulator"] = "other"
    assert edits.make_edits(world.workspace, "ned", "habit").digest == before


def test_the_base_ned_shows_fewer_actors_and_its_own_methods_and_seeds(world):
    few = replace(world.workspace.scale, seeds=(0, 1, 2), ned_base=NedBaseSettings(
        actors=1, seeds=2, methods=("ned",)
    ))  # fmt: skip
    world.workspace.scale = few
    assert edits.protocol(world.workspace, "ned") == EDITS[:1]
    assert edits.protocol(world.workspace, "moved") == EDITS
    assert (few.methods_of("ned"), few.seeds_of("ned")) == (("ned",), (0, 1))
    assert (few.methods_of("moved"), few.seeds_of("moved")) == (few.methods, (0, 1, 2))
    with pytest.raises(SettingsError, match="base 'flame' is unknown"):
        edits.protocol(world.workspace, "flame")


def test_videos_are_of_the_first_sources_of_each_actor(world, monkeypatch):
    more = tuple(replace(edit, source=edit.source.replace("/004", "/006")) for edit in EDITS)
    monkeypatch.setattr(edits, "edit_protocol", lambda *_, **__: (*EDITS, *more))
    assert edits.protocol(world.workspace) == (*EDITS, *more)
    for method in ("ned", "copy"):
        shown = edits.shown_edits(world.workspace, "moved", method)
        assert shown == EDITS == edits.video_protocol(world.workspace)
    scale = world.workspace.scale
    both = replace(scale, evaluation=replace(scale.evaluation, shown_sources=2))
    world.workspace.scale = both
    assert edits.video_protocol(world.workspace) == edits.protocol(world.workspace)


def test_each_seed_shows_another_share_the_same_for_all_methods(world):
    scale = world.workspace.scale
    shared = replace(scale.evaluation, edit_share=2)
    world.workspace.scale = replace(scale, evaluation=shared)
    shown = [edits.shown_edits(world.workspace, "moved", "ned", seed) for seed in (0, 1)]
    assert sorted(sum(shown, ()), key=EDITS.index) == list(EDITS)
    assert all(len(part) == 1 for part in shown)
    world.workspace.scale = replace(world.workspace.scale, seeds=(0, 1))
    for seed, (edit,) in enumerate(shown):
        assert edits.seed_showing(world.workspace, "moved", edit) == seed
        video = edits.result_video(world.workspace, "moved", "ned", edit)
        assert (video.parent.name, video.stem) == (f"seed{seed}", edit.name)
    assert edits.shown_edits(world.workspace, "moved", "ned+asccl", 1) == shown[1]
    assert edits.shown_edits(world.workspace, "moved", "habit") == EDITS
    assert edits.shown_edits(world.workspace, "ned", "ned", 1) == EDITS  # a share of its own
