import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from studies import checks as released_pairs

from spfem.corpus.clips import Clip, Corpus
from spfem.media.audio import write_audio
from spfem.media.video import write_video
from spfem.settings import PairingSettings


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Two clips of one actor, and a workspace of MEAD that holds them."""
    root, random, clips = tmp_path / "mead", np.random.default_rng(0), []
    for emotion, count in (("neutral", 20), ("sad", 24)):
        clip = Clip(root, "M005", emotion, 1 if emotion == "neutral" else 3, "001", "shared-001")
        sound = random.normal(0, 0.1, 16000 * count // 30).astype(np.float32)
        frames = np.zeros((count, 16, 16, 3), np.uint8)
        write_video(clip.video, frames, 30, audio=sound, sample_rate=16000)
        write_audio(clip.audio, sound, 16000)
        clips.append(clip)
    corpus = Corpus(root, "mead", 30, tuple(clips), {"M005": "train"}, "digest")
    monkeypatch.setattr(released_pairs, "make_corpus", lambda workspace: corpus)
    data = tmp_path / "data" / "mead-demo"
    scale = SimpleNamespace(pairing=replace(PairingSettings(), maximum_cost=0.0))
    return SimpleNamespace(
        corpus="mead", data=data, scale=scale, stage_folder=lambda name: data / name
    )


def test_both_pairings_are_compared_where_the_file_is(workspace):
    assert released_pairs.compare_with_released_pairs(workspace) is None
    path = [[*range(20), 19, 19, 19, 19], [*range(24)]]
    optional = workspace.data.parent / "optional"
    optional.mkdir(parents=True)
    content = {"M005": {"sad": {"001_001": path}}}
    (optional / "aligned_path36.json").write_text(json.dumps(content))
    table = released_pairs.compare_with_released_pairs(workspace)
    assert list(table["path_theirs"]) == [24]
    assert list(table["longest_hold_theirs"]) == [4]
    assert list(table["dropped"]) == [True]
    assert (
        table["cost_theirs"] * table["path_theirs"] >= table["cost_ours"] * table["path_ours"]
    ).all()
    workspace.corpus = "synthetic"
    assert released_pairs.compare_with_released_pairs(workspace) is None
