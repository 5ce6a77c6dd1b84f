"""Released paths: the true layout is read, whatever else is refused, and clips follow them."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from studies.checks import compare_pairings, summarise_comparison

from spfem.corpus.clips import Clip, Corpus
from spfem.corpus.protocol import load_protocol
from spfem.errors import InputError
from spfem.media.audio import write_audio
from spfem.media.video import write_video
from spfem.pairing.released_paths import FPS, fit_to_clips, read_released_paths
from spfem.run.data import pair_corpus
from spfem.settings import EMOTIONS, PairingSettings

SETTINGS = PairingSettings()


def wander(length, seed):
    """A monotone path (L, 2) of random steps."""
    steps = np.array([(1, 1), (0, 1), (1, 0)])
    chosen = steps[np.random.default_rng(seed).choice(3, length - 1, p=(0.75, 0.18, 0.07))]
    return np.concatenate([[(0, 0)], np.cumsum(chosen, axis=0)])


def write_released(file, paths):
    content: dict[str, dict[str, dict[str, object]]] = {}
    for (actor, emotion, first, second), path in paths.items():
        cell = content.setdefault(actor, {}).setdefault(emotion, {})
        cell[f"{first}_{second}"] = np.asarray(path).T.tolist()
    file.write_text(json.dumps(content))


def test_file_of_the_true_layout(tmp_path):
    # 36 actors in the known order, six emotions, three pairs, 028 to 030 for 19 of them.
    actors = load_protocol("mead").metric_actors
    paths = {}
    for number, actor in enumerate(actors):
        for emotion in EMOTIONS[1:]:
            late = emotion == "disgusted" and number < 19
            for k in (1, 2, 3):
                name = actor, emotion, f"{k:03d}", f"{k + 27 * late:03d}"
                paths[name] = wander(34 + len(paths) % 200, len(paths))
    write_released(tmp_path / "aligned_path36.json", paths)
    read = read_released_paths(tmp_path / "aligned_path36.json")
    assert list(read) == list(paths)
    assert len(read) == 648
    assert sum(second in ("028", "029", "030") for *_, second in read) == 57
    assert list(dict.fromkeys(actor for actor, *_ in read)) == list(actors)
    for name, path in read.items():
        assert path.dtype == np.int32
        np.testing.assert_array_equal(path, paths[name])


GOOD = [[0, 1, 1], [0, 1, 2]]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "JSONDecodeError"),
        ("[" * 100_000, "RecursionError"),
        ([], "'list' object"),
        ({}, "no path"),
        ({"M005": {}}, "no path"),
        ({"M005": GOOD}, "'list' object"),
        ({"M005": {"neutral": {"001_001": GOOD}}}, "emotion 'neutral'"),
        ({"M005": {"joy": {"001_001": GOOD}}}, "emotion 'joy'"),
        ({"M005": {"happy": {"001": GOOD}}}, "not named NNN_MMM"),
        ({"M005": {"happy": {"001_001": [[0, 1], [0]]}}}, "equally long"),
        ({"M005": {"happy": {"001_001": [[0, 1]]}}}, "equally long"),
        ({"M005": {"happy": {"001_001": [[], []]}}}, "equally long"),
        ({"M005": {"happy": {"001_001": [[0, 1.0], [0, 1]]}}}, "frame numbers"),
        ({"M005": {"happy": {"001_001": [[0, True], [0, 1]]}}}, "frame numbers"),
        ({"M005": {"happy": {"001_001": [[0, -1], [0, 1]]}}}, "frame numbers"),
        ({"M005": {"happy": {"001_001": [[0, 2**40], [0, 1]]}}}, "frame numbers"),
        ({"M005": {"happy": {"001_001": "0011"}}}, "frame numbers"),
        ({"M005": {"happy": {"001_001": [[1, 2], [0, 1]]}}}, r"begins at \(1, 0\)"),
        ({"M005": {"happy": {"001_001": [[0, 2], [0, 1]]}}}, r"jumps by \(2, 1\) at 0"),
        ({"M005": {"happy": {"001_001": [[0, 1, 0], [0, 1, 2]]}}}, r"jumps by \(-1, 1\) at 1"),
        ({"M005": {"happy": {"001_001": [[0, 0], [0, 0]]}}}, r"jumps by \(0, 0\)"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, complaint):
    file = tmp_path / "paths.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=complaint):
        read_released_paths(file)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_released_paths(tmp_path / "paths.json")


def test_paths_are_cut_to_the_clips_or_refused():
    path = np.repeat(np.arange(60)[:, None], 2, axis=1)
    file = Path("paths.json")
    np.testing.assert_array_equal(fit_to_clips(path, (60, 58), "x", file), path[:58])
    np.testing.assert_array_equal(fit_to_clips(path, (64, 60), "x", file), path)
    with pytest.raises(InputError, match="60 emotional frames, but the clip has 50"):
        fit_to_clips(path, (60, 50), "x", file)  # 25 frames a second
    with pytest.raises(InputError, match="60 neutral frames, but the clip has 120"):
        fit_to_clips(path, (120, 60), "x", file)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """M005 (listed by the papers) and M003 (a target), two sentences, noise for sound."""
    root = tmp_path_factory.mktemp("mead")
    random = np.random.default_rng(0)
    clips = []
    for actor in ("M005", "M003"):
        for emotion in ("neutral", "happy"):
            for number in ("001", "002"):
                clip = Clip(root, actor, emotion, 1, number, number)
                count = 20 if emotion == "neutral" else 24
                frames = np.zeros((count, 16, 16, 3), np.uint8)
                sound = random.normal(0, 0.1, 16000 * count // FPS).astype(np.float32)
                write_video(clip.video, frames, FPS, audio=sound, sample_rate=16000)
                write_audio(clip.audio, sound, 16000)
                clips.append(clip)
    roles = {"M005": "train", "M003": "target"}
    return Corpus(root, "mead", FPS, tuple(clips), roles, "digest")


@pytest.fixture
def released(tmp_path):
    """A file with one path for M005, another that no clip fits, and an actor who is not there."""
    fits = np.column_stack([np.r_[np.arange(20), [19] * 4], np.arange(24)])
    paths = {
        ("M005", "happy", "001", "001"): fits,
        ("W021", "happy", "001", "001"): wander(50, 0),
    }
    write_released(tmp_path / "paths.json", paths)
    return fits, tmp_path / "paths.json", paths


def test_pairs_follow_the_released_paths(corpus, released, tmp_path):
    fits, file, _ = released
    settings = replace(SETTINGS, paths_file=str(file))
    index = pair_corpus(corpus, tmp_path / "pairs", settings)
    # M005 has only the pair that is listed, M003 those found by sound.
    assert [p.target for p in index.select(usable=None, actor="M005")] == ["M005/happy/level_1/001"]
    assert len(index.select(usable=None, actor="M003")) == 2
    (pair,) = index.select(usable=None, actor="M005")
    np.testing.assert_array_equal(pair.path, fits)
    ours = pair_corpus(corpus, tmp_path / "ours", SETTINGS)
    assert len(ours.pairs) == 4
    assert ours.digest != index.digest
    # No path is cheaper than the one that was searched for.
    (own,) = (p for p in ours.pairs if p.target == pair.target)
    assert pair.normalised_cost * len(pair.path) >= own.normalised_cost * len(own.path)
    again = pair_corpus(corpus, tmp_path / "pairs", replace(settings, paths_file=str(file)))
    assert again.digest == index.digest
    comparison = compare_pairings(ours.pairs, index.pairs)
    assert sorted(comparison["actor"]) == ["M003", "M003", "M005"]
    same = comparison[comparison["actor"] == "M003"]
    assert (same["mean_distance"] == 0).all()
    assert (same["within_one_frame"] == 1).all()
    assert summarise_comparison(comparison).set_index("emotion").loc["all", "pairs"] == 3


def test_paths_that_do_not_fit_are_warned_of(corpus, released, tmp_path):
    _, file, paths = released
    write_released(file, paths | {("M005", "happy", "002", "002"): wander(90, 1)})
    settings = replace(SETTINGS, paths_file=str(file))
    with pytest.warns(UserWarning, match="1 of 2 released paths do not fit"):
        index = pair_corpus(corpus, tmp_path / "pairs", settings)
    ours = {p.target: p for p in pair_corpus(corpus, tmp_path / "ours", SETTINGS).pairs}
    pairs = {p.target: p for p in index.select(usable=None, actor="M005")}
    target = "M005/happy/level_1/002"
    np.testing.assert_array_equal(pairs[target].path, ours[target].path)
    write_released(file, {("M005", "happy", "002", "002"): wander(90, 1)})
    with pytest.raises(InputError, match="no released path fits"):
        pair_corpus(corpus, tmp_path / "none", settings)


def test_paths_of_other_corpora_are_refused(corpus, released, tmp_path):
    settings = replace(SETTINGS, paths_file=str(released[1]))
    with pytest.raises(InputError, match="at 30 a second"):
        pair_corpus(replace(corpus, fps=25), tmp_path / "a", settings)
    pair_corpus(replace(corpus, fps=Fraction(30000, 1001)), tmp_path / "b", settings)
    others = tuple(clip for clip in corpus.clips if clip.actor == "M003")
    with pytest.raises(InputError, match="lists no clip"):
        pair_corpus(replace(corpus, clips=others), tmp_path / "c", settings)
