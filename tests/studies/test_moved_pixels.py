"""Rows of moved pixels are made once, with their own codes; the table on planted scores."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from studies import moved_pixels as moved
from studies.moved_pixels import METRICS, OWN_ROWS, ROWS

from spfem.corpus.clips import Clip, Corpus
from spfem.corpus.protocol import Edit, edit_protocol
from spfem.errors import ShapeError
from spfem.evaluation.frechet import frechet_distance
from spfem.evaluation.scores import ClipScore
from spfem.face.track import EditTrack
from spfem.head import load_head_model
from spfem.media.video import read_video, write_video
from spfem.run import edits
from spfem.scales import load_scale
from spfem.settings import EMOTIONS, EvaluationSettings
from tests.evaluation.made_up import make_corpus, make_real, make_sample

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
        "make_actor_renderers": lambda _, wanted: dict.fromkeys(
            wanted, SimpleNamespace(digest=digests["renderer"])
        ),
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


SETTINGS = EvaluationSettings(resamples=300, frechet_resamples=40)
PER_CLIP = tuple(metric for metric in METRICS if metric != "fad")


def planted(rows=tuple(ROWS)):
    """Value of a metric: 10 x row + source, so a row's mean and its interval are known."""
    random = np.random.default_rng(0)
    edits = [
        edit
        for edit in edit_protocol(make_corpus(targets=2), sources_per_actor=2)
        if edit.setting == "intra" and edit.emotion != "neutral"
    ]
    sources = sorted({edit.source for edit in edits})
    scores = []
    for place, row in enumerate(ROWS):
        for edit in edits if row in rows else ():
            if row in OWN_ROWS and edit.emotion != EMOTIONS[1]:
                continue
            value = 10.0 * place + sources.index(edit.source)
            values = {**dict.fromkeys(PER_CLIP, value), "face_found": 1.0}
            sample = make_sample(random, edit.actor, edit.emotion, shift=0.3 * place)
            scores.append(ClipScore(edit, row, 0, values, edit.emotion, sample))
    return scores


@pytest.fixture(scope="module")
def table():
    return moved.moved_pixels_table(planted(), make_real(), SETTINGS)


def test_values_are_means_over_edits_and_intervals_hold_them(table):
    found = table.set_index(["row", "metric"])
    for place, row in enumerate(ROWS):
        for metric in PER_CLIP:
            cell = found.loc[row, metric]
            if row in OWN_ROWS and metric == "emotion_accuracy":
                assert (cell.edits, np.isnan(cell.value)) == (0, True)
                continue
            assert cell.value == pytest.approx(10 * place + 1.5)  # four sources: 0, 1, 2, 3
            assert cell.edits == (4 if row in OWN_ROWS else 24)
            assert cell.ci_low <= cell.value <= cell.ci_high


def test_intervals_redraw_sources_not_edits(table):
    """By hand: four sources, 0, 1, 2 and 3, all edits of a source together."""
    wanted = ttest_1samp(np.arange(4), 0).confidence_interval(SETTINGS.confidence)
    cell = table.set_index(["row", "metric"]).loc["copy", "mouth_error"]
    assert cell.ci_low == 0 > wanted.low  # an error cannot be less
    assert cell.ci_high == pytest.approx(wanted.high, abs=0.4)


def test_bad_scores_are_named():
    scores = planted(("ned",))
    with pytest.raises(ShapeError, match="one edit"):
        moved.moved_pixels_table([*scores, scores[0]], make_real(), SETTINGS)
    with pytest.raises(ShapeError, match="ours"):
        moved.moved_pixels_table([replace(scores[0], method="ours")], make_real(), SETTINGS)


def test_fad_is_the_mean_over_emotions_of_pooled_sources(table):
    scores, real = planted(), make_real()
    by_hand = []
    for emotion in EMOTIONS[1:]:
        shown = [
            s.sample.blendshapes for s in scores if (s.method, s.edit.emotion) == ("ned", emotion)
        ]
        true = [s.blendshapes for s in real if s.emotion == emotion]
        by_hand.append(frechet_distance(np.concatenate(shown), np.concatenate(true)))
    cell = table.set_index(["row", "metric"]).loc["ned", "fad"]
    assert cell.value == pytest.approx(np.mean(by_hand))
    assert 0 <= cell.ci_low <= cell.value <= cell.ci_high
    assert np.isnan(table.set_index(["row", "metric"]).loc["own", "fad"].value)
