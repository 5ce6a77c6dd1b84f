"""Videos of edits are made once and tracked from the file; a new track renders nothing again."""

from types import SimpleNamespace

import numpy as np
import pytest

from spfem.corpus.protocol import Edit
from spfem.media.video import read_video, write_video
from spfem.run import edits
from spfem.scales import load_scale

EDITS = tuple(
    Edit("intra", f"{actor}/neutral/level_1/004", f"{actor}/happy/level_3/005", "happy", actor)
    for actor in ("A", "B")
)


def whole_track(source, settings):
    """Stands for tracking; `found` tells how bright the first frame of the file is."""
    frames = read_video(source).frames
    level = np.full(len(frames), frames[0].mean() > 100)
    empty = np.zeros((len(frames), 2, 3), np.float32)
    shown = dict.fromkeys(("landmarks", "blendshapes", "expression", "align"), empty)
    return SimpleNamespace(only=lambda kind: kind(fps=25.0, found=level, **shown))


@pytest.fixture
def world(tmp_path, monkeypatch):
    rendered, words = [], {"manipulator": "m", "A": "a", "B": "b"}
    video = tmp_path / "source.mp4"
    write_video(video, np.zeros((4, 32, 32, 3), np.uint8), 25)
    clips = {edit.source: SimpleNamespace(video=video) for edit in EDITS}
    workspace = SimpleNamespace(
        scale=load_scale("smoke"),
        device="cuda",  # one process, in this one
        stage_folder=lambda *names: tmp_path.joinpath(*names),
    )

    def render(_, method, seed, part):
        rendered.extend(edit.name for edit in part)
        level = {"A": 40, "B": 200}
        return {edit: np.full((4, 32, 32, 3), level[edit.actor], np.uint8) for edit in part}

    for name, replacement in {
        "protocol": lambda _: EDITS,
        "clips_by_key": lambda _: clips,
        "make_corpus": lambda _: SimpleNamespace(fps=25),
        "make_faces": lambda _: SimpleNamespace(digest="f"),
        "make_manipulator": lambda *_: "manipulator",
        "file_digest": lambda name: words[name],
        "make_actor_renderer": lambda _, actor, *rest: SimpleNamespace(digest=words[actor]),
        "edited_frames": render,
        "track_clip": whole_track,
    }.items():
        monkeypatch.setattr(edits, name, replacement)
    return SimpleNamespace(workspace=workspace, rendered=rendered, words=words)


def test_videos_are_rendered_once_and_tracked_from_the_file(world):
    made = edits.make_edits(world.workspace, "ned", 1)
    assert sorted(world.rendered) == sorted(edit.name for edit in EDITS)
    assert [bool(made.track(edit).found.all()) for edit in EDITS] == [False, True]
    assert len(made.track(EDITS[0])) == 4
    assert made.video(EDITS[0]) == edits.result_video(world.workspace, "ned", 1, EDITS[0])
    edits.make_edits(world.workspace, "ned", 1)
    assert len(world.rendered) == 2
    made.track_file(EDITS[1]).unlink()
    edits.make_edits(world.workspace, "ned", 1)
    assert made.track(EDITS[1]).found.all()
    assert len(world.rendered) == 2


@pytest.mark.parametrize("what", ["manipulator", "A", "B"])
def test_other_models_are_another_stage(world, what):
    before = edits.make_edits(world.workspace, "ned").digest
    world.words[what] = "other"
    assert edits.make_edits(world.workspace, "ned").digest != before
    assert len(world.rendered) == 4
