from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.correlation.learn_sound import initial_joint
from spfem.correlation.retrieval import AudioBank, Nearest, make_bank, nearest_below, retrieve_all
from spfem.correlation.sound import slice_audio, tabulate_frames
from spfem.errors import ArtifactError, CorpusError
from spfem.settings import EMOTIONS
from tests.correlation.planted_sound import SMALL, planted_clips

WINDOW = 5
THRESHOLD = 0.15


@pytest.fixture(scope="module")
def material():
    """Clips of two actors; the sound of one happy clip is three frames shorter than its video."""
    clips, _, _ = planted_clips(("A", "B"))
    short = "A/happy/level_3/000"
    clips[short] = replace(clips[short], audio=clips[short].audio[: -3 * SMALL.frame_samples])
    settings = replace(SMALL, threshold=THRESHOLD, top_k=4)
    model = initial_joint(settings, "expression", 0)
    with torch.no_grad():  # initial weights hardly tell sounds apart
        model.audio_attn.proj_q.weight.mul_(3000)
    return clips, model, make_bank(model, tabulate_frames(clips, settings), "A", WINDOW, "digest")


def plain_embeddings(clips, model, emotion):
    """Embeddings of all windows of an emotion, and (clip, first frame), one by one."""
    embeddings, names = [], []
    for key in sorted(clips):
        if not key.startswith(f"A/{emotion}/"):
            continue
        slices = slice_audio(clips[key].audio, model.settings)
        for first in range(min(len(slices), len(clips[key].expression)) - WINDOW + 1):
            window = torch.from_numpy(slices[first : first + WINDOW])[None]
            with torch.no_grad():
                embeddings.append(model.eval().embed_audio(window)[0])
            names.append((key, first))
    return torch.stack(embeddings), names


@pytest.mark.parametrize("emotion", ["happy", "sad"])
def test_the_bank_holds_what_a_plain_search_finds(material, emotion):
    clips, model, bank = material
    neutral, neutral_names = plain_embeddings(clips, model, "neutral")
    others, names = plain_embeddings(clips, model, emotion)
    windows = bank.windows(emotion)
    assert [(bank.keys[bank.clip[w]], bank.first[w]) for w in windows] == names
    assert len(bank.windows("neutral")) == len(neutral_names)
    kept = 0
    for nearest, rows, columns in (
        (bank.from_neutral[emotion], neutral, others),
        (bank.to_neutral[emotion], others, neutral),
    ):
        distances = torch.cdist(rows, columns, compute_mode="donot_use_mm_for_euclid_dist")
        for row, line in enumerate(distances.numpy()):
            order = [k for k in np.argsort(line, kind="stable")[:4] if line[k] <= THRESHOLD]
            found = nearest.distance[row][nearest.index[row] >= 0]
            np.testing.assert_allclose(found, line[order], atol=1e-5)
            kept += len(order)
    assert 0 < kept < 4 * (len(neutral) + len(others))


def test_a_bank_survives_the_disk_and_damage_is_told(material, tmp_path):
    _, _, bank = material
    path = tmp_path / "A.npz"
    bank.save(path)
    read = AudioBank.load(path)
    for name in ("actor", "keys", "window_frames", "threshold", "digest"):
        assert getattr(read, name) == getattr(bank, name)
    for name in ("clip", "first", "emotion"):
        assert np.array_equal(getattr(read, name), getattr(bank, name))
    for side in ("from_neutral", "to_neutral"):
        for emotion, nearest in getattr(bank, side).items():
            assert np.array_equal(getattr(read, side)[emotion].index, nearest.index)
            assert np.array_equal(getattr(read, side)[emotion].distance, nearest.distance)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ArtifactError, match="no audio bank"):
        AudioBank.load(path)
    with pytest.raises(ArtifactError, match="no audio bank"):
        AudioBank.load(tmp_path / "none.npz")


COUNTS = {"neutral": 7, "happy": 9, "sad": 5}
LIMIT, TOP = 2.0, 3


@pytest.fixture(scope="module")
def planted():
    """A bank made of random distances, and these distances (rows neutral)."""
    random = np.random.default_rng(0)
    distances = {
        name: random.uniform(0.5, 4, (COUNTS["neutral"], COUNTS[name])).astype(np.float32)
        for name in ("happy", "sad")
    }
    distances["happy"][2] = 3.0  # a neutral window without a happy one
    distances["sad"][:, 1] = 3.5  # a sad window without a neutral one
    distances["sad"][:, 0] = 3.0
    distances["sad"][2, 0] = 0.5  # a sad window whose neutral one has no happy one
    emotion = np.concatenate([np.full(n, EMOTIONS.index(name)) for name, n in COUNTS.items()])
    bank = AudioBank(
        "A",
        ("A/neutral/1", "A/happy/1", "A/sad/1"),
        10,
        np.repeat(np.arange(3), list(COUNTS.values())).astype(np.int32),
        np.concatenate([np.arange(n) for n in COUNTS.values()]).astype(np.int32),
        emotion.astype(np.int32),
        {name: nearest_below(table, LIMIT, TOP) for name, table in distances.items()},
        {name: nearest_below(table.T, LIMIT, TOP) for name, table in distances.items()},
        LIMIT,
        "planted",
    )
    return bank, distances


def brute_force(distances, source, number, target):
    """Candidates as (number among the target's windows, distance, neutral window, distance)."""
    if source == target:
        return [(number, 0.0, None, 0.0)]
    if "neutral" in (source, target):
        line = distances[target][number] if source == "neutral" else distances[source][:, number]
        ranked = sorted((d, k) for k, d in enumerate(line) if d <= LIMIT)
        return [(k, d, None, 0.0) for d, k in ranked[:TOP]]
    first = distances[source][:, number]
    neutral = int(np.argmin(first))
    onward = distances[target][neutral]
    if first[neutral] > LIMIT or onward.min() > LIMIT:
        return []
    return [(int(np.argmin(onward)), onward.min(), neutral, first[neutral])]


def test_candidates_are_those_of_a_plain_search(planted):
    bank, distances = planted
    start = dict(zip(COUNTS, np.cumsum([0, *COUNTS.values()]), strict=False))
    sizes = set()
    for target in COUNTS:
        everything = retrieve_all(bank, target)
        for source in COUNTS:
            for number in range(COUNTS[source]):
                row = start[source] + number
                wanted = brute_force(distances, source, number, target)
                count = len(wanted)
                sizes.add((source == "neutral", target == "neutral", count))
                assert everything.found[row] == bool(wanted)
                assert (everything.window[row, count:] == -1).all()
                assert np.isinf(everything.distance[row, count:]).all()
                for column, (k, d, neutral, first) in enumerate(wanted):
                    assert everything.window[row, column] == start[target] + k
                    assert everything.distance[row, column] == np.float32(d)
                    assert everything.by_way_of[row, column] == (
                        -1 if neutral is None else start["neutral"] + neutral
                    )
                    assert everything.first_distance[row, column] == np.float32(first)
                single = retrieve_all(bank, target, np.array([row]))
                assert np.array_equal(single.window[0], everything.window[row])
                assert np.array_equal(single.distance[0], everything.distance[row])
    assert {(False, False, 0), (False, False, 1), (True, False, 0), (True, False, 3)} <= sizes


def test_nearest_keeps_the_earlier_of_equals_and_the_threshold_itself():
    found = nearest_below(np.array([[2.0, 1.0, 1.0, 5.0], [3.0, 3.0, 3.0, 3.0]]), 2.0, 3)
    assert found.index.tolist() == [[1, 2, 0], [-1, -1, -1]]
    assert found.distance[0].tolist() == [1, 1, 2]
    assert np.isinf(found.distance[1]).all()


def test_bad_questions_are_refused(planted):
    bank, _ = planted
    with pytest.raises(CorpusError, match="fear"):
        retrieve_all(bank, "fear")
    with pytest.raises(CorpusError, match="bored"):
        retrieve_all(bank, "bored")
    assert isinstance(bank.from_neutral["happy"], Nearest)
