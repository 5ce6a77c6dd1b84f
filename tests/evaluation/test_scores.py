"""Scores of one clip: planted answers, what is missing, files, random pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.corpus.protocol import Edit, edit_protocol
from spfem.errors import InputError, ShapeError
from spfem.evaluation.emotion import clip_features, fit_emotions
from spfem.evaluation.lip_sync import LipSyncScore
from spfem.evaluation.mouth import mesh_mouth_error
from spfem.evaluation.scores import (
    EditedCodes,
    Instruments,
    ShownClip,
    Sound,
    backbone_of,
    load_sample,
    load_score,
    random_clip,
    sample_face,
    save_sample,
    save_score,
    score_clip,
)
from spfem.head import load_head_model
from spfem.settings import EMOTIONS
from tests.evaluation.made_up import make_corpus, make_track, without_face

EDIT = Edit("intra", "A1/neutral/level_1/003", "A1/happy/level_3/003", "happy", "A1")
HAPPY = EMOTIONS.index("happy")


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(0, 255, (6, 128, 128, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def instruments():
    features = [clip_features(make_track(seed=s, emotion=s % 7).expression) for s in range(21)]
    return Instruments(fit_emotions(np.stack(features), [EMOTIONS[s % 7] for s in range(21)]))


class LoudnessMeter:
    """Stands for a lip-sync network: LSE-D is the loudness of the sound."""

    backbone = "loudness"

    def measure(self, frames, landmarks, audio, fps):
        assert landmarks.shape == (len(frames), 478, 3)
        return LipSyncScore(float(np.abs(audio).mean()), float(fps), -3, 15)


@pytest.fixture(scope="module")
def source(frames):
    shown = ShownClip(frames, make_track())
    return sample_face(shown, actor="A1", emotion="neutral", identity_frames=2)


def test_copy_scores_one_in_identity_and_misses_the_emotion(frames, source, instruments):
    truth = make_track(seed=9, emotion=HAPPY)
    shown = ShownClip(frames, make_track())
    score = score_clip(
        EDIT, "copy", shown, source=source, truth=ShownClip(frames, truth), instruments=instruments
    )
    assert score.scores["csim"] == pytest.approx(1.0)
    assert score.scores["identity_distance"] == 0.0
    assert score.scores["mouth_error"] < 1e-3
    assert (score.named_emotion, score.scores["emotion_accuracy"]) == ("neutral", 0.0)
    assert score.scores["expression_error"] > 0.02
    assert score.sample.blendshapes.shape == (6, 52)


def test_codes_are_held_against_the_true_ones_on_the_mesh(frames, source, instruments):
    shown = ShownClip(frames, make_track())
    identity = np.zeros(len(load_head_model().identity_basis))
    codes, true = np.zeros((6, 52)), np.full((6, 52), 0.1)
    options = {"source": source, "truth": None, "instruments": instruments}
    bare = score_clip(EDIT, "ned", shown, **options)
    assert np.isnan(bare.scores["mesh_mouth_error"])
    score = score_clip(EDIT, "ned", shown, codes=EditedCodes(identity, codes, true), **options)
    wanted = mesh_mouth_error(identity, codes, true).mean()
    assert score.scores["mesh_mouth_error"] == pytest.approx(wanted)
    assert score.backbones["mesh_mouth_error"] == "head-mesh"
    assert wanted > 0


def test_an_edit_is_told_from_its_source(frames, source, instruments):
    unedited = ShownClip(frames, make_track())
    truth = ShownClip(frames, make_track(seed=9, emotion=HAPPY))
    known = {"source": source, "instruments": instruments, "unedited": unedited}
    names = ("expression_gain", "emotion_leakage", "detail_kept")

    def scores(shown, **given):
        found = score_clip(EDIT, "ned", shown, **(known | {"truth": truth} | given)).scores
        return [found[name] for name in names]

    assert scores(unedited) == pytest.approx([0, 1, 1])
    assert scores(truth) == pytest.approx([1, 0, 1])
    # Without a truth only the way is unknown; a source that goes on longer does no harm.
    shorter = ShownClip(frames[:4], make_track(4))
    gain, leakage, detail = scores(shorter, truth=None)
    assert np.isnan(gain)
    assert leakage == pytest.approx(1, abs=0.3)
    assert detail == 1
    assert np.isnan(scores(unedited, unedited=None)).all()
    with pytest.raises(ShapeError, match="unedited clip 4"):
        scores(unedited, unedited=shorter)


def test_without_a_face_nothing_is_made_up(frames, source, instruments):
    lost, truth = without_face(make_track()), ShownClip(frames, make_track())
    sound, heard = Sound(np.ones(99), 25), replace(instruments, lip_sync=LoudnessMeter())
    score = score_clip(
        EDIT, "ned", ShownClip(frames, lost), source=source, truth=truth, instruments=heard,
        sound=sound,
    )  # fmt: skip
    names = ("csim", "mouth_error", "expression_error", "picture_error", "lse_d", "image_entropy")
    assert np.isnan([score.scores[name] for name in names]).all()
    assert (score.scores["emotion_accuracy"], score.scores["face_found"]) == (0.0, 0.0)
    assert score.sample.embeddings.shape == (0, 128)


def test_other_lengths_are_refused(frames, source, instruments):
    with pytest.raises(ShapeError, match="same moments"):
        score_clip(
            EDIT, "ned", ShownClip(frames, make_track()), source=source,
            truth=ShownClip(frames[:5], make_track(5)), instruments=instruments,
        )  # fmt: skip
    with pytest.raises(ShapeError, match="do not fit a track"):
        ShownClip(frames, make_track(5))


def test_sound_is_heard_and_its_meter_named(frames, source, instruments):
    heard = replace(instruments, lip_sync=LoudnessMeter())
    score = score_clip(
        EDIT, "ned", ShownClip(frames, make_track()), source=source, truth=None,
        instruments=heard, sound=Sound(np.full(99, 0.5), 25),
    )  # fmt: skip
    assert [score.scores[name] for name in ("lse_d", "lse_c", "lse_offset")] == [0.5, 25, 3]
    assert score.backbones["lse_d"] == backbone_of([score], "lse_c") == "loudness"
    silent = score_clip(
        EDIT, "ned", ShownClip(frames, make_track()), source=source, truth=None,
        instruments=instruments,
    )  # fmt: skip
    assert np.isnan(silent.scores["lse_d"])
    with pytest.raises(ShapeError, match="loudness"):
        backbone_of([score, silent], "lse_d")


def test_scores_survive_the_disk(tmp_path, frames, source, instruments):
    score = score_clip(
        EDIT, "ned", ShownClip(frames, make_track()), source=source, truth=None,
        instruments=instruments, seed=2,
    )  # fmt: skip
    save_score(tmp_path / "score.npz", score)
    again = load_score(tmp_path / "score.npz")
    assert (again.edit, again.method, again.seed) == (score.edit, "ned", 2)
    assert again.backbones == dict(score.backbones)
    assert again.scores == pytest.approx(dict(score.scores), nan_ok=True)
    assert np.array_equal(again.sample.embeddings, score.sample.embeddings)
    assert [p.name for p in tmp_path.iterdir()] == ["score.npz"]
    (tmp_path / "score.npz").write_bytes(b"half")
    with pytest.raises(InputError, match="not a score file"):
        load_score(tmp_path / "score.npz")


def test_samples_survive_the_disk(tmp_path, source):
    save_sample(tmp_path / "sample.npz", source)
    again = load_sample(tmp_path / "sample.npz")
    assert (again.actor, again.emotion, again.backbone) == ("A1", "neutral", "dlib-128")
    assert np.array_equal(again.blendshapes, source.blendshapes)
    (tmp_path / "sample.npz").write_bytes(b"half")
    with pytest.raises(InputError, match="no sample file"):
        load_sample(tmp_path / "sample.npz")


def test_a_random_clip_is_a_targets_with_other_words():
    corpus = make_corpus()
    sentences = {clip.key: clip.sentence for clip in corpus.clips}
    chosen = [random_clip(corpus, edit) for edit in edit_protocol(corpus, sources_per_actor=2)]
    again = [random_clip(corpus, edit) for edit in edit_protocol(corpus, sources_per_actor=2)]
    assert chosen == again
    assert len(set(chosen)) > len(chosen) / 4
    for edit, clip in zip(edit_protocol(corpus, sources_per_actor=2), chosen, strict=True):
        assert corpus.roles[clip.actor] == "target"
        assert sentences[clip.key] != sentences[edit.source]
