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
    own_sentences=0,
    processes=1,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return build_synthetic_corpus(tmp_path_factory.mktemp("corpus") / "made", SETTINGS)


def test_the_corpus_has_every_clip_and_counterpart_in_its_place(corpus):
    assert len(corpus.clips) == 14
    assert sorted(corpus.roles.values()) == ["held_out", "target"]
    for clip in corpus.select(role="target"):
        assert clip.level == (1 if clip.emotion == "neutral" else 3)
        for emotion in EMOTIONS:
            video, arrays = clip.counterpart(emotion)
            assert video.exists() == arrays.exists() == (emotion != clip.emotion)
    for clip in corpus.select(role="held_out"):
        assert not any(clip.counterpart(emotion)[0].exists() for emotion in EMOTIONS)


def test_a_counterpart_changes_the_face_and_nothing_else(corpus):
    clip = corpus.select(role="target", emotion="neutral")[0]
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

    for number in (2, 9):
        again = film(SETTINGS, "again", number)
        clip = build.plan_takes(corpus.root, SETTINGS)[number].clip
        with np.load(clip.truth) as truth:
            assert sorted(truth) == sorted(again)
            for name in truth:
                np.testing.assert_array_equal(truth[name], again[name], err_msg=name)
    other = film(replace(SETTINGS, seed=1), "other", 9)
    assert other["frames_sha256"] != again["frames_sha256"]


def test_a_killed_build_continues_with_the_missing_clips(corpus, tmp_path, monkeypatch):
    filmed = []

    def film(take, settings):
        if len(filmed) == 2:
            raise KeyboardInterrupt
        filmed.append(take.clip.key)
        return original(take, settings)

    original = build.film_take
    monkeypatch.setattr(build, "film_take", film)
    small = replace(SETTINGS, metric_actors=2, target_actors=0)
    with pytest.raises(KeyboardInterrupt):
        build_synthetic_corpus(tmp_path / "made", small)
    monkeypatch.setattr(build, "film_take", original)
    kept = (tmp_path / "made/truth" / f"{filmed[0]}.npz").stat().st_mtime_ns
    whole = build_synthetic_corpus(tmp_path / "made", small)
    assert len(whole.clips) == 14
    assert (tmp_path / "made/truth" / f"{filmed[0]}.npz").stat().st_mtime_ns == kept
    monkeypatch.setattr(build, "film_take", None)  # a finished corpus is only opened
    assert build_synthetic_corpus(tmp_path / "made", small).digest == whole.digest


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(ArtifactError, match="no stage"):
        build_synthetic_corpus(tmp_path, SETTINGS)
    assert (tmp_path / "precious.txt").exists()
