from __future__ import annotations

import csv
import json
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from functools import wraps
from pathlib import Path

import numpy as np
import pytest

from spfem.corpus.clips import Clip, Corpus
from spfem.errors import AssetError, SettingsError
from spfem.face.track import track_clip
from spfem.head import load_head_model
from spfem.media.video import write_video
from spfem.run.faces import _track_one, extract_actor_faces, extract_faces, track_path
from spfem.settings import FaceSettings
from spfem.studio.render import portrait
from tests.run.dying import die_on_the_last, prepare_nothing

SETTINGS = replace(FaceSettings(), face_size=48, processes=1, fit_iterations=2)


@pytest.fixture(scope="module")
def frames():
    head, pictures = load_head_model(), []
    for opening in (0.0, 0.3, 0.6, 0.3):
        expression = np.zeros(52, np.float32)
        expression[0] = opening
        pictures.append(portrait(head, np.zeros(48), expression, 128))
    return np.repeat(np.stack(pictures), 3, 0)


def corpus_of(root, frames, *, good=1) -> Corpus:
    """Clips with a face, and a last one whose video is none."""
    clips = tuple(Clip(root, "M001", "happy", 3, f"00{n + 1}", "s") for n in range(good + 1))
    for clip in clips[:-1]:
        write_clip(clip, frames)
    write_clip(clips[-1], frames)
    clips[-1].video.write_bytes(b"no video")
    return Corpus(root, "made", 25, clips, {"M001": "train"}, "digest")


def write_clip(clip, frames):
    clip.video.parent.mkdir(parents=True, exist_ok=True)
    clip.audio.parent.mkdir(parents=True, exist_ok=True)
    write_video(clip.video, frames, 25, audio=np.zeros(8000, np.float32), sample_rate=16000)
    clip.audio.write_bytes(clip.video.read_bytes())


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.npz")}


def refuse(job):
    raise AssertionError(f"{job} was tracked again")


def test_tracking_frames_and_files(frames, tmp_path):
    track = track_clip(frames, SETTINGS, fps=25)
    assert track.faces.shape == (12, 48, 48, 3)
    assert track.masks.dtype == np.uint8
    assert track.found.all()
    assert track.expression[7, 0] > track.expression[1, 0] + 0.2
    write_video(tmp_path / "a.mp4", frames, 25)
    assert len(track_clip(tmp_path / "a.mp4", SETTINGS)) == 12


def test_the_stage_lists_damaged_clips_and_resumes(frames, tmp_path, monkeypatch):
    corpus = corpus_of(tmp_path / "corpus", frames)
    with pytest.warns(UserWarning, match="1 of 2 clips cannot be used"):
        store = extract_faces(corpus, tmp_path / "faces", SETTINGS)
    good, bad = (clip.key for clip in corpus.clips)
    assert list(store) == [good]
    assert str(corpus.clips[1].video) in store.damaged[bad]
    with pytest.raises(KeyError, match="no face track"):
        store[bad]
    assert len(store[good]) == 12
    with (tmp_path / "faces" / "damaged.csv").open() as file:
        [row] = csv.DictReader(file)
    assert (row["clip"], row["reason"]) == (bad, store.damaged[bad])

    monkeypatch.setattr("spfem.run.faces._track_one", wraps(_track_one)(refuse))  # of one code
    with pytest.warns(UserWarning, match=bad):
        again = extract_faces(corpus, tmp_path / "faces", replace(SETTINGS, processes=2))
    assert (again.digest, dict(again.damaged)) == (store.digest, dict(store.damaged))
    # A killed run: the record says incomplete, the finished file is taken as it is.
    record = json.loads((tmp_path / "faces" / "artifact.json").read_text())
    (tmp_path / "faces" / "artifact.json").write_text(json.dumps({**record, "complete": False}))
    with pytest.raises(AssertionError, match="002"):
        extract_faces(corpus, tmp_path / "faces", SETTINGS)


@pytest.mark.filterwarnings("ignore:1 of")
def test_a_repaired_clip_is_tried_again_and_others_are_not(frames, tmp_path, monkeypatch):
    corpus, folder = corpus_of(tmp_path / "corpus", frames), tmp_path / "faces"
    before = extract_faces(corpus, folder, SETTINGS)
    good, bad = corpus.clips
    made = track_path(folder, good.key).stat().st_mtime_ns
    write_clip(bad, frames)
    after = extract_faces(corpus, folder, SETTINGS)
    assert list(after) == [good.key, bad.key]
    assert not after.damaged
    assert after.digest != before.digest  # later stages must learn from the new clip too
    assert track_path(folder, good.key).stat().st_mtime_ns == made
    # A list that grew, as when an actor was added: what is there stays.
    third = replace(bad, number="003")
    write_clip(third, frames)
    grown = replace(corpus, clips=(*corpus.clips, third), digest="other")
    assert len(extract_faces(grown, folder, SETTINGS)) == 3
    assert track_path(folder, good.key).stat().st_mtime_ns == made
    # A video that was replaced is tracked anew.
    write_clip(good, frames[:8])
    assert len(extract_faces(replace(grown, digest="third"), folder, SETTINGS)[good.key]) == 8


def test_actors_tracked_apart_join_into_the_stage_of_a_single_run(frames, tmp_path):
    corpus = corpus_of(tmp_path / "corpus", frames, good=2)
    moved = replace(corpus.clips[1], actor="W002")
    write_clip(moved, frames)
    clips = (corpus.clips[0], corpus.clips[2], moved)
    corpus = replace(corpus, clips=clips, roles={"M001": "train", "W002": "target"})
    with pytest.warns(UserWarning, match="1 of 3"):
        single = extract_faces(corpus, tmp_path / "single", SETTINGS)
    with pytest.warns(UserWarning, match="1 of 2"):
        found = extract_actor_faces(corpus, tmp_path / "parts", SETTINGS, "M001")
    assert found == dict(single.damaged)
    assert not extract_actor_faces(corpus, tmp_path / "parts", SETTINGS, "W002")
    parts = json.loads((tmp_path / "parts" / "artifact.json").read_text())
    assert not parts["complete"]
    with pytest.warns(UserWarning, match="1 of 3"):
        joined = extract_faces(corpus, tmp_path / "parts", SETTINGS)
    assert (joined.digest, list(joined), joined.damaged) == (
        single.digest, list(single), single.damaged
    )  # fmt: skip
    assert contents(tmp_path / "parts") == contents(tmp_path / "single")
    one, two = (
        json.loads((tmp_path / name / "artifact.json").read_text()) for name in ("single", "parts")
    )
    assert two.pop("seconds") > parts["seconds"]
    one.pop("seconds")
    assert one == two
    with pytest.raises(SettingsError, match=r"'M009' is not in .*it has M001, W002"):
        extract_actor_faces(corpus, tmp_path / "parts", SETTINGS, "M009")


def test_a_clip_whose_process_dies_is_named_and_the_others_stay(frames, tmp_path, monkeypatch):
    corpus = corpus_of(tmp_path / "corpus", frames[:1], good=2)
    monkeypatch.setattr("spfem.run.faces._track_one", die_on_the_last)
    monkeypatch.setattr("spfem.processes._prepare", prepare_nothing)
    with pytest.warns(UserWarning, match=r"level_3/003: .*the process that tracked it died"):
        store = extract_faces(corpus, tmp_path / "faces", replace(SETTINGS, processes=2))
    assert [key[-3:] for key in store] == ["001", "002"]


def test_a_full_disk_or_a_missing_model_is_no_damage(frames, tmp_path):
    corpus = corpus_of(tmp_path / "corpus", frames)
    with pytest.raises(AssetError, match=r"missing\.task"):
        extract_faces(corpus, tmp_path / "a", replace(SETTINGS, landmarker_file="missing.task"))


KILLED = """
import pickle
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from dataclasses import replace
from spfem.run.faces import extract_faces
from tests.run.test_faces import SETTINGS
if __name__ == "__main__":
    print("begun", flush=True)
    corpus = pickle.loads(Path(sys.argv[2]).read_bytes())
    extract_faces(corpus, Path(sys.argv[3]), replace(SETTINGS, processes=2))
"""


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_as_one_left_alone(frames, tmp_path):
    made = corpus_of(tmp_path / "corpus", frames, good=4)
    corpus = replace(made, clips=made.clips[:-1])
    (tmp_path / "corpus.pickle").write_bytes(pickle.dumps(corpus))
    wanted = extract_faces(corpus, tmp_path / "alone", SETTINGS)
    random, folder = np.random.default_rng(), tmp_path / "killed"
    script = tmp_path / "run.py"
    script.write_text(KILLED)
    finished: dict[Path, int] = {}
    kills = 0
    while True:
        run = subprocess.Popen(
            [sys.executable, script, Path(__file__).parents[2], tmp_path / "corpus.pickle", folder],
            start_new_session=True,  # the workers die with it
            stdout=subprocess.PIPE,
        )
        assert run.stdout.readline()
        try:
            # Later and later, so that it ends.
            run.wait(timeout=random.uniform(0, 1) + 4 * kills)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            kills += 1
        for path, time in finished.items():
            assert path.stat().st_mtime_ns == time, f"{path} was made again"
        finished = {path: path.stat().st_mtime_ns for path in folder.rglob("[!.]*.npz")}
        if run.returncode == 0:
            break
    assert kills, "the run ended before the first kill; draw an earlier moment"
    store = extract_faces(corpus, folder, SETTINGS)
    assert store.digest == wanted.digest
    assert contents(folder) == contents(tmp_path / "alone")
