from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.errors import ArtifactError
from spfem.run.corpora import build_synthetic_corpus
from spfem.settings import EMOTIONS, CorpusSettings
from spfem.studio import build

SETTINGS = CorpusSettings(
    fps=8,
    frame_size=32,
    supersampling=1,
    metric_actors=1,
    target_actors=1,
    shared_sentences=1,
    own_sentences=1,
    counterparts="edited",
    processes=1,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return build_synthetic_corpus(tmp_path_factory.mktemp("corpus") / "made", SETTINGS)


def test_the_corpus_has_every_clip_and_counterpart_in_its_place(corpus):
    assert len(corpus.clips) == 21
    assert sorted(corpus.roles.values()) == ["held_out", "target"]
    for clip in corpus.clips:
        assert clip.level == (1 if clip.emotion == "neutral" else 3)
        edited = (corpus.roles[clip.actor], clip.emotion, clip.number) == (
            "target",
            "neutral",
            "004",
        )
        for emotion in EMOTIONS:
            video, arrays = clip.counterpart(emotion)
            assert video.exists() == arrays.exists() == (edited and emotion != clip.emotion)


def test_all_counterparts_are_planned_where_they_are_wanted(tmp_path):
    takes = build.plan_takes(tmp_path, replace(SETTINGS, counterparts="all"))
    assert {len(take.counterparts) for take in takes[:7]} == {0}
    for take in takes[7:]:
        assert set(take.counterparts) == set(EMOTIONS) - {take.clip.emotion}


def test_a_counterpart_changes_the_face_and_nothing_else(corpus):
    clip = corpus.select(role="target", emotion="neutral")[1]
    with np.load(clip.truth) as truth, np.load(clip.counterpart("happy")[1]) as other:
        for name in ("rotation", "translation", "scale", "identity"):
            np.testing.assert_array_equal(truth[name], other[name])
        assert np.abs(truth["face_units"] - other["face_units"]).max() > 0.3
        assert truth["frames_sha256"] != other["frames_sha256"]


def test_two_builds_are_identical_and_another_seed_is_not(corpus, tmp_path):
    def film(settings: CorpusSettings, folder: str, number: int) -> dict:
        take = build.plan_takes(tmp_path / folder, settings)[number]
        build.film_take(replace(take, counterparts=take.counterparts[:1]), settings)
        with np.load(take.clip.truth) as truth:
            return {name: truth[name] for name in truth}

    for number in (2, 8):
        again = film(SETTINGS, "again", number)
        clip = build.plan_takes(corpus.root, SETTINGS)[number].clip
        with np.load(clip.truth) as truth:
            assert sorted(truth) == sorted(again)
            for name in truth:
                np.testing.assert_array_equal(truth[name], again[name], err_msg=name)
    other = film(replace(SETTINGS, seed=1), "other", 8)
    assert other["frames_sha256"] != again["frames_sha256"]


def test_a_killed_build_continues_with_the_missing_clips(tmp_path, monkeypatch):
    filmed: list[str] = []

    def film(take, settings):
        if len(filmed) == 2:
            raise KeyboardInterrupt
        filmed.append(take.clip.key)
        for file in (take.clip.video, take.clip.audio):
            file.parent.mkdir(parents=True)
            file.write_bytes(b"x")
        build.save_arrays(take.clip.truth, {"frames_sha256": np.array(take.text)})
        return 1

    monkeypatch.setattr(build, "film_take", film)
    small = replace(SETTINGS, target_actors=0)
    with pytest.raises(KeyboardInterrupt):
        build_synthetic_corpus(tmp_path / "made", small)
    kept = list(filmed)
    filmed[:] = ["so that no more is killed"] * 3
    whole = build_synthetic_corpus(tmp_path / "made", small)
    assert len(whole.clips) == 7
    assert set(filmed[3:]) == {clip.key for clip in whole.clips} - set(kept)
    monkeypatch.setattr(build, "film_take", None)  # a finished corpus is only opened
    assert build_synthetic_corpus(tmp_path / "made", small).digest == whole.digest


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(ArtifactError, match="no stage"):
        build_synthetic_corpus(tmp_path, SETTINGS)
    assert (tmp_path / "precious.txt").exists()
