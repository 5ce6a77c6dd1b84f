"""The network learns planted speech, finds planted shifts, and survives the disk."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.errors import CheckpointError, SettingsError, ShapeError
from spfem.evaluation.lip_sync import load_lip_sync, save_lip_sync
from spfem.evaluation.lip_sync_meter import (
    LearnedLipSync,
    SpokenClip,
    check_lip_sync,
    contrast,
    embed_clip,
    learn_network,
)
from spfem.settings import LipSyncSettings

SETTINGS = LipSyncSettings(crop_size=16, width=16, embedding=16, steps=60, clips=4, moments=12)


def planted(seed: int, frames: int = 45) -> SpokenClip:
    """A mouth that opens with the sound: a dark bar as high as the energy of that moment."""
    random = np.random.default_rng(seed)
    opening = np.convolve(random.normal(size=frames + 4), np.ones(2) / 2, "same")[:frames]
    crops = np.full((frames, 16, 16), 150 + 10 * seed % 60, np.uint8)
    for crop, amount in zip(crops, opening, strict=True):
        crop[8 - int(np.clip(2 + 3 * amount, 0, 7)) : 9, 4:12] = 30
    rows = random.normal(0, 0.1, (4 * frames + 16, 13)).astype(np.float32)
    rows[: 4 * frames, 0] += np.repeat(opening, 4) * 3
    return SpokenClip(crops, rows)


@pytest.fixture(scope="module")
def learned():
    clips = [planted(seed) for seed in range(12)]
    return learn_network(clips, SETTINGS, seed=0)


def test_shifts_of_unseen_clips_are_found(learned):
    network, curve = learned
    losses = [row["loss"] for row in curve]
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:3])
    meter = LearnedLipSync(network, SETTINGS)
    unseen = {"unseen": [planted(seed) for seed in range(50, 58)]}
    row = check_lip_sync(meter, unseen, (-5, 0, 4)).iloc[0]
    assert row.auc > 0.9
    assert row.offset_found > 0.9
    assert row.clips == 8


def test_checkpoint_measures_alike(learned, tmp_path):
    network, _ = learned
    save_lip_sync(tmp_path / "n.safetensors", network)
    again = load_lip_sync(tmp_path / "n.safetensors")
    clip = planted(80)
    assert all(map(np.array_equal, embed_clip(again, clip), embed_clip(network, clip)))
    (tmp_path / "n.safetensors").write_bytes(b"half")
    with pytest.raises(CheckpointError, match="damaged"):
        load_lip_sync(tmp_path / "n.safetensors")


def test_contrast_equals_its_definition():
    random = np.random.default_rng(0)
    lips, sound = (random.normal(size=(5, 3)) for _ in range(2))
    scores = lips @ sound.T / 0.5
    wanted = 0.0
    for row in range(5):
        for line in (scores[row], scores[:, row]):
            wanted += (np.log(np.exp(line).sum()) - scores[row, row]) / 10
    found = contrast(torch.from_numpy(lips), torch.from_numpy(sound), 0.5)
    assert float(found) == pytest.approx(wanted)


def test_too_short_clips_and_senseless_settings_are_refused(learned):
    with pytest.raises(ShapeError, match="long enough"):
        learn_network([planted(0, 5)], SETTINGS, seed=0)
    short = LearnedLipSync(learned[0], SETTINGS).score(planted(0, 10))
    assert np.isnan(short.lse_d)
    for change in ({"crop_size": 20}, {"clips": 0}, {"temperature": 0.0}):
        with pytest.raises(SettingsError):
            replace(SETTINGS, **change)
