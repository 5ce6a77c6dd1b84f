from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.correlation.learn_sound import initial_joint
from spfem.correlation.retrieval import AudioBank, make_bank
from spfem.correlation.sound import slice_audio, tabulate_frames
from spfem.errors import ArtifactError
from tests.correlation.crossmodal.planted import SMALL, planted_clips

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
