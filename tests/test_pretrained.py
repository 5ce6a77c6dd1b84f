"""The shipped models are found, checked and loaded; damage is named."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import numpy as np
import pytest
import torch

from spfem.corpus.synthetic.appearance import Appearance
from spfem.corpus.synthetic.render import portrait
from spfem.correlation import (
    CrossModalCoherence,
    SpatialCoherence,
    SpatialTemporalCoherence,
    TemporalCoherence,
)
from spfem.correlation.scores import level_scores
from spfem.errors import CheckpointError, SettingsError
from spfem.face.tracker import BLENDSHAPE_NAMES
from spfem.face_units import FACE_UNIT_NAMES
from spfem.head import load_head_model
from spfem.manipulator import label_style, manipulate, pretrained_manipulator
from spfem.pretrained import PRETRAINED, WEIGHTS_FOLDER, check_hash, hash_file, pretrained_file
from spfem.reading.evidence import Evidence, RestingFace
from spfem.reading.reader import OFFSET_COUNT, FaceReader

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


def test_the_variants_are_other_models_and_the_default_is_the_published_one():
    plain, named, speech = (SpatialCoherence.pretrained(v) for v in (None, "paper", "speech"))
    weights = [model.mlp.state_dict() for model in (plain, named, speech)]
    name = next(iter(weights[0]))
    assert torch.equal(weights[0][name], weights[1][name])
    assert not torch.equal(weights[0][name], weights[2][name])
    assert plain.settings.speech_weight == 0 < speech.settings.speech_weight


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


def test_another_reader_than_the_shipped_one_is_refused(tmp_path, monkeypatch):
    for suffix in (".safetensors", ".sha256"):
        shutil.copy(WEIGHTS_FOLDER / f"reader{suffix}", tmp_path)
    content = bytearray((tmp_path / "reader.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "reader.safetensors").write_bytes(content)
    monkeypatch.setattr("spfem.pretrained.WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(CheckpointError, match="is not the file that was shipped"):
        FaceReader.pretrained()


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


def test_an_empty_hash_is_no_hash(copied):
    hash_file(copied).write_text("")
    with pytest.raises(CheckpointError, match="says nothing"):
        check_hash(copied)


def test_hashes_are_in_the_form_of_sha256sum():
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum here")
    names = [f"{name}.sha256" for kinds in PRETRAINED.values() for name in kinds.values()]
    answer = subprocess.run(
        ["sha256sum", "--check", "--strict", *names], cwd=WEIGHTS_FOLDER, capture_output=True
    )
    assert answer.returncode == 0, answer.stderr


@pytest.fixture(scope="module")
def faces():
    """A head of the corpus's kind, calm and smiling with an open mouth, (1, 3, 96, 96) each."""
    head = load_head_model()
    names = list(head.expression_names)
    smile = np.zeros(len(names))
    smile[[names.index(n) for n in ("mouthSmileLeft", "mouthSmileRight", "jawOpen")]] = (
        0.6,
        0.6,
        0.3,
    )
    pictures = [
        portrait(head, head.identity_of(), units, 96, Appearance())
        for units in (np.zeros(len(names)), smile)
    ]
    return [torch.from_numpy(each).permute(2, 0, 1)[None] / 127.5 - 1 for each in pictures]


@pytest.mark.parametrize("variant", ["paper", "speech"])
def test_the_spatial_metric_tells_places_apart(variant, faces):
    """On a head that is none of those it learned from."""
    metric = SpatialCoherence.pretrained(variant)
    levels = metric.compare(*faces, generator=torch.Generator().manual_seed(0))
    scores = level_scores(levels)
    assert scores["matched"] > 0.6
    assert scores["mismatched_place"] < 0.2
