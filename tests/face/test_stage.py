from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from spfem.corpus.clips import Clip, Corpus
from spfem.corpus.synthetic.render import portrait
from spfem.corpus.video import write_video
from spfem.errors import CorpusError
from spfem.face.stage import extract_faces
from spfem.face.track import track_clip
from spfem.settings import FaceSettings

SETTINGS = replace(FaceSettings(), face_size=48, processes=1, fit_iterations=2)


@pytest.fixture(scope="module")
def frames(head):
    pictures = []
    for opening in (0.0, 0.3, 0.6, 0.3):
        expression = np.zeros(52, np.float32)
        expression[0] = opening
        pictures.append(portrait(head, np.zeros(48), expression, 128))
    return np.repeat(np.stack(pictures), 3, 0)


def corpus_of(root, frames) -> Corpus:
    clips = tuple(Clip(root, "M001", "happy", 3, f"00{number}", "s") for number in (1, 2))
    clips[0].video.parent.mkdir(parents=True)
    write_video(clips[0].video, frames, 25)
    clips[1].video.write_bytes(b"no video")
    return Corpus(root, "made", 25, clips, {"M001": "train"}, "digest")


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
    store = extract_faces(corpus, tmp_path / "faces", SETTINGS)
    good, bad = (clip.key for clip in corpus.clips)
    assert list(store) == [good]
    assert str(corpus.clips[1].video) in store.damaged[bad]
    with pytest.raises(KeyError, match="no face track"):
        store[bad]
    assert len(store[good]) == 12

    def refuse(job):
        raise AssertionError(f"{job} was tracked again")

    monkeypatch.setattr("spfem.face.stage._track_one", refuse)
    again = extract_faces(corpus, tmp_path / "faces", replace(SETTINGS, processes=2))
    assert (again.digest, dict(again.damaged)) == (store.digest, dict(store.damaged))
    # A killed run: the record says incomplete, the finished file is taken as it is.
    record = json.loads((tmp_path / "faces" / "artifact.json").read_text())
    (tmp_path / "faces" / "artifact.json").write_text(json.dumps({**record, "complete": False}))
    with pytest.raises(AssertionError, match="002"):
        extract_faces(corpus, tmp_path / "faces", SETTINGS)


def test_a_corpus_without_a_face_is_refused(tmp_path):
    corpus = corpus_of(tmp_path / "corpus", np.zeros((4, 64, 64, 3), np.uint8))
    with pytest.raises(CorpusError, match="no clip can be used"):
        extract_faces(corpus, tmp_path / "faces", SETTINGS)
