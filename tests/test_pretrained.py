"""The shipped models are found, checked and loaded; damage is named."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest
import torch

from spfem.correlation import (
    CrossModalCoherence,
    SpatialCoherence,
    SpatialTemporalCoherence,
    TemporalCoherence,
)
from spfem.errors import CheckpointError, SettingsError
from spfem.head.names import BLENDSHAPE_NAMES, FACE_UNIT_NAMES
from spfem.manipulator import label_style, manipulate, pretrained_manipulator
from spfem.pretrained import WEIGHTS_FOLDER, check_hash, hash_file, pretrained_file
from spfem.reading.reader import OFFSET_COUNT, Evidence, FaceReader, RestingFace

METRICS = (
    (SpatialCoherence, None),
    (SpatialCoherence, "speech"),
    (SpatialTemporalCoherence, None),
    (CrossModalCoherence, None),
)


@pytest.fixture
def copied(tmp_path):
    """One shipped model in a folder of its own, with its hash."""
    for suffix in (".safetensors", ".sha256"):
        shutil.copy(WEIGHTS_FOLDER / f"spatial{suffix}", tmp_path)
    return tmp_path / "spatial.safetensors"


@pytest.mark.parametrize(("metric", "variant"), METRICS)
def test_metrics_load_frozen_in_single_precision(metric, variant):
    loaded = metric.pretrained(variant)
    assert type(loaded) is metric
    assert loaded.supervising
    assert not any(weight.requires_grad for weight in loaded.parameters())
    floats = [value for value in loaded.state_dict().values() if value.is_floating_point()]
    assert {value.dtype for value in floats} == {torch.float32}
    assert all(torch.isfinite(value).all() for value in floats)
    assert metric.pretrained(variant, supervise=False).train().training


def test_a_metric_supervises_as_it_comes():
    generated = (torch.rand(2, 3, 40, 40) * 2 - 1).requires_grad_()
    source = torch.rand(2, 3, 40, 40) * 2 - 1
    loss = SpatialCoherence.pretrained()(generated, source)
    loss.backward()
    assert torch.isfinite(loss)
    assert generated.grad.abs().sum() > 0


def test_the_manipulator_edits_face_units():
    manipulator = pretrained_manipulator()
    assert tuple(manipulator.space.names) == tuple(FACE_UNIT_NAMES)
    assert not manipulator.training
    source = torch.rand(20, len(FACE_UNIT_NAMES)) * 0.2
    happy = label_style(manipulator, 4, latents=4)
    edited = manipulate(source, manipulator=manipulator, style=happy, anchored=True)
    smile = [n for n, name in enumerate(FACE_UNIT_NAMES) if name.startswith("mouthSmile")]
    assert (edited - source)[:, smile].mean() > 0.1


def test_the_reader_reads_face_units():
    reader = FaceReader.pretrained()
    assert not any(weight.requires_grad for weight in reader.parameters())
    assert {value.dtype for value in reader.state_dict().values()} == {torch.float32}
    calm = RestingFace(np.zeros(OFFSET_COUNT, np.float32), np.zeros(51, np.float32), neutral=True)
    scores = np.zeros((12, 51), np.float32)
    smile = [n for n, name in enumerate(BLENDSHAPE_NAMES) if name.startswith("mouthSmile")]
    scores[6:, smile] = 0.8
    still = np.zeros((12, OFFSET_COUNT), np.float32)
    units = reader.read(Evidence(still, scores, np.zeros((12, 3), np.float32)), calm)
    assert units.shape == (12, len(FACE_UNIT_NAMES))
    shown = [n for n, name in enumerate(FACE_UNIT_NAMES) if name.startswith("mouthSmile")]
    assert (units[9:, shown] - units[:3, shown]).mean() > 0.1


def test_what_is_not_shipped_says_what_is():
    with pytest.raises(SettingsError, match=r"no temporal coherence comes .* only: face reader, "):
        TemporalCoherence.pretrained()
    with pytest.raises(SettingsError, match=r"variant 'vd' .* choose one of paper, speech"):
        SpatialCoherence.pretrained("vd")
    with pytest.raises(SettingsError, match=r"variant 'ned\+all' .* choose one of ned"):
        pretrained_manipulator("ned+all")


def test_one_changed_byte_is_found(copied):
    assert check_hash(copied) == hashlib.sha256(copied.read_bytes()).hexdigest()
    assert pretrained_file("spatial coherence", folder=copied.parent) == copied
    content = bytearray(copied.read_bytes())
    content[-1] ^= 1
    copied.write_bytes(content)
    with pytest.raises(CheckpointError, match="is not the file that was shipped"):
        pretrained_file("spatial coherence", folder=copied.parent)


@pytest.mark.parametrize("lost", [lambda path: path, hash_file])
def test_a_missing_file_is_named_with_what_to_do(copied, lost):
    lost(copied).unlink()
    with pytest.raises(CheckpointError, match=rf"{lost(copied).name} .* spfem.weights make"):
        pretrained_file("spatial coherence", folder=copied.parent)
