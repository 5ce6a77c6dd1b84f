"""The page and the key of a study."""

from __future__ import annotations

import json
import re

import av
import numpy as np
import pytest
from studies.user_study import StudySettings, find_clips, make_study

from spfem.errors import InputError
from spfem.media.video import read_video
from tests.media.clips import clicks, flash_frames, offset_milliseconds, write_clip
from tests.studies.study_folder import CLIPS, METHODS, write_clips


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def study(clips, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "study"
    page, key = make_study(clips, out)
    return page, json.loads(key.read_text())


def test_clips_that_every_method_has_are_found_with_their_source(clips):
    found = find_clips(clips)
    assert [clip.name for clip in found] == sorted(CLIPS)
    assert [clip.emotion for clip in found] == ["happy", "fear"]
    assert set(found[0].videos) == set(METHODS)
    assert found[0].source == clips / "source" / f"{CLIPS[0]}.mp4"
    named = find_clips({"ours": clips / "ned+asccl", "ned": clips / "ned"})
    assert set(named[0].videos) == {"ours", "ned"}
    assert named[0].source is None
    some = find_clips(clips, ("ned", "ned+asccl"))  # whatever else lies there
    assert [*some[0].videos] == ["ned", "ned+asccl"]
    assert some[0].source == found[0].source
    with pytest.raises(InputError, match="no videos of elsewhere"):
        find_clips(clips, ("ned", "elsewhere"))


def test_edits_of_a_run_are_found_with_the_corpus(clips, tmp_path):
    write_clips(tmp_path / "edits" / "moved" / "x", {"seed0": 10}, source=False)
    write_clips(tmp_path / "edits" / "moved" / "y", {"seed0": 90, "seed1": 91}, source=False)
    clip = tmp_path / "corpus" / "M1" / "video" / "front" / "neutral" / "level_1" / "001.mp4"
    clip.parent.mkdir(parents=True)
    clip.write_bytes((clips / "source" / f"{CLIPS[0]}.mp4").read_bytes())
    found = find_clips(tmp_path)
    assert set(found[0].videos) == {"x", "y"}
    assert (found[0].source, found[1].source) == (clip, None)


def test_every_pair_of_methods_meets_on_every_clip(study):
    _, key = study
    pairs = [
        (trial["clip"], *sorted(trial["videos"].values()))
        for trial in key["trials"].values()
        if "expected" not in trial
    ]
    assert len(pairs) == len(set(pairs)) == len(CLIPS) * 3
    checks = [trial for trial in key["trials"].values() if "expected" in trial]
    assert len(checks) == StudySettings.checks
    for trial in checks:
        assert trial["videos"][trial["expected"]] in METHODS
        assert "spoilt" in trial["videos"].values()


def test_page_and_videos_do_not_say_what_they_are(study):
    page, _ = study
    text = page.read_text()
    for word in (*METHODS, *CLIPS, "expected", "spoilt", "made by", "http"):
        if word != "copy":
            assert word not in text, word
    videos = sorted((page.parent / "videos").iterdir())
    assert {path.name for path in page.parent.iterdir()} == {"index.html", "videos"}
    for path in videos:
        assert re.fullmatch(r"[0-9a-f]{12}\.mp4", path.name)
        with av.open(str(path)) as container:
            assert "comment" not in container.metadata
        assert b"made by" not in path.read_bytes()
    assert len(videos) == len(CLIPS) * (len(METHODS) + 1) + 2 * StudySettings.checks


def test_blinded_copies_show_and_sound_as_before(study, clips):
    page, key = study
    for trial in key["trials"].values():
        for name, method in trial["videos"].items():
            copy = read_video(page.parent / "videos" / f"{name}.mp4")
            if method != "spoilt":
                original = read_video(clips / method / f"{trial['clip']}.mp4")
                assert np.array_equal(copy.frames, original.frames)
                assert np.array_equal(copy.audio, original.audio)


def test_same_seed_same_study_other_seed_other_names(clips, tmp_path, study):
    _, key = make_study(clips, tmp_path / "again")
    assert json.loads(key.read_text()) == study[1]
    _, other = make_study(clips, tmp_path / "other", seed=1)
    other_key = json.loads(other.read_text())
    assert other_key["study"] != study[1]["study"]
    assert not set(other_key["trials"]) & set(study[1]["trials"])


def test_unusable_folders_are_named(clips, tmp_path):
    with pytest.raises(InputError, match="two methods"):
        find_clips({"ned": clips / "ned"})
    with pytest.raises(InputError, match="nowhere is no folder"):
        find_clips({"a": tmp_path / "nowhere", "ned": clips / "ned"})
    with pytest.raises(InputError, match="one comparison"):
        StudySettings(trials=0)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(InputError, match="not empty"):
        make_study(clips, tmp_path / "full")


def test_damaged_video_leaves_no_half_study(clips, tmp_path):
    broken = write_clips(tmp_path / "broken", {"a": 10, "b": 90}, source=False)
    (broken / "b" / f"{CLIPS[0]}.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="not a readable media file"):
        make_study(broken, tmp_path / "out")
    assert not (tmp_path / "out" / "page").exists()


def test_videos_that_mp4_cannot_hold_are_encoded_anew(tmp_path):
    frames = flash_frames(12, 6)
    for method in ("one", "two"):
        (tmp_path / "in" / method).mkdir(parents=True)
        write_clip(
            tmp_path / "in" / method / "take-as-happy.webm",
            frames,
            codec="libvpx",
            sounds=[clicks(0.4, [0.2], 48000)],
            sound_codec="libopus",
            rate=48000,
            options={"auto-alt-ref": "0"},
        )
    page, _ = make_study(tmp_path / "in", tmp_path / "study")
    videos = sorted((page.parent / "videos").iterdir())
    assert len(videos) >= 2
    for path in videos:
        video = read_video(path)
        assert len(video.frames) == 12
        assert video.audio is not None
    copied = [p for p in videos if read_video(p).frames.std() > 40]
    assert copied
    assert abs(offset_milliseconds(copied[0])) < 15
