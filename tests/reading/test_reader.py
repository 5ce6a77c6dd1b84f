from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from studies.shipped_models import pack_half

from spfem.errors import CheckpointError, ShapeError
from spfem.face.fit import fit_head
from spfem.pretrained import pretrained_file
from spfem.reading.reader import KIND, FaceReader, fit_towards, gather_evidence, resting_face
from spfem.settings import FaceSettings, ReadSettings
from tests.reading.planted import FACE, MOVED, SHRINKAGE, planted_seen, planted_units


@pytest.fixture(scope="module")
def stranger(head):
    """Evidence, resting face and true units of somebody who was not learned from."""
    random = np.random.default_rng(77)
    identity = random.normal(0, 0.5, len(head.identity_basis)).astype(np.float32)
    still, _ = planted_seen(head, planted_units(head, 16, random, neutral=True), identity, random)
    units = planted_units(head, 60, random)
    tracked, _ = planted_seen(head, units, identity, random)
    shape = fit_head(head, still, FACE).identity
    resting, evidence = (
        gather_evidence(head, clip, fit_head(head, clip, FACE, identity=shape))
        for clip in (still, tracked)
    )
    return evidence, resting_face([resting], neutral=True), units


@pytest.mark.slow
def test_what_the_tracker_shrinks_comes_back(head, good_reader, stranger):
    evidence, resting, units = stranger
    read = good_reader.read(evidence, resting)
    columns = [head.expression_names.index(name) for name in MOVED]
    brow = head.expression_names.index("browInnerUp")
    gap = np.abs(read - units)[:, brow].mean()
    assert gap < 0.5 * np.abs(SHRINKAGE * units - units)[:, brow].mean()
    others = np.setdiff1d(np.arange(52), columns)
    assert read[:, others].mean() < 0.04
    assert read.dtype == np.float32
    assert read.min() >= 0
    assert read.max() <= 1


def test_equal_input_gives_equal_output_in_pieces_of_any_length(reader, stranger):
    evidence, resting, _ = stranger
    whole = reader.read(evidence, resting)
    assert np.array_equal(whole, reader.read(evidence, resting))
    pieces = reader.read(evidence, resting, piece_frames=7)
    assert np.allclose(pieces, whole, atol=1e-5)


def test_features_beyond_what_was_learned_do_not_run_away(reader, stranger):
    evidence, resting, _ = stranger
    wild = replace(evidence, offsets=evidence.offsets * 1e4, rotation=evidence.rotation + 2)
    read = reader.read(wild, resting)
    assert np.isfinite(read).all()
    assert 0 <= read.min() <= read.max() <= 1


def test_frames_with_a_number_that_is_none_are_filled_from_their_neighbours(head, reader):
    random = np.random.default_rng(5)
    identity = np.zeros(len(head.identity_basis), np.float32)
    tracked, fitted = planted_seen(head, planted_units(head, 20, random), identity, random)
    landmarks = tracked.landmarks.copy()
    landmarks[7] = np.nan
    spoilt = gather_evidence(head, replace(tracked, landmarks=landmarks), fitted)
    clean = gather_evidence(head, tracked, fitted)
    middle = (clean.offsets[6] + clean.offsets[8]) / 2
    assert np.allclose(spoilt.offsets[7], middle, atol=1e-6)
    assert np.array_equal(spoilt.offsets[[6, 8]], clean.offsets[[6, 8]])
    with pytest.raises(ShapeError, match="fit of this clip"):
        gather_evidence(head, tracked.take_frames(np.arange(9)), fitted)
    nothing = gather_evidence(head, replace(tracked, landmarks=landmarks * np.nan), fitted)
    read = reader.read(nothing, resting_face([nothing], neutral=False))
    assert np.isfinite(read).all()


def test_the_resting_face_is_that_of_the_frames_that_were_found(stranger):
    evidence, _, _ = stranger
    found = np.zeros(len(evidence), bool)
    found[3] = True
    resting = resting_face([evidence], [found], neutral=True)
    assert np.array_equal(resting.offsets, evidence.offsets[3])
    with pytest.raises(ShapeError, match="at least one clip"):
        resting_face([], neutral=True)


def test_a_saved_reader_reads_the_same_and_in_half_precision_nearly(reader, stranger, tmp_path):
    evidence, resting, _ = stranger
    path, half = tmp_path / "reader.safetensors", tmp_path / "half.safetensors"
    reader.save(path, {"seed": 0})
    pack_half(path, half, kind=KIND)
    loaded, packed = FaceReader.load(path), FaceReader.load(half)
    read = reader.read(evidence, resting)
    assert np.array_equal(loaded.read(evidence, resting), read)
    assert 0 < np.abs(packed.read(evidence, resting) - read).max() < 0.02
    assert not any(value.requires_grad for value in loaded.parameters())


def test_bad_files_are_named(tmp_path):
    missing = tmp_path / "none.safetensors"
    with pytest.raises(CheckpointError, match="does not exist"):
        FaceReader.load(missing)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(pretrained_file(KIND).read_bytes()[:2000])
    with pytest.raises(CheckpointError, match="damaged"):
        FaceReader.load(broken)


def test_the_shipped_reader_is_small_and_stretches():
    assert pretrained_file(KIND).stat().st_size < 1_500_000
    reader = FaceReader.pretrained()
    assert 1 <= reader.gain.min() <= reader.gain.max() <= reader.settings.largest_gain + 1e-3


PLAIN = FaceSettings()


@pytest.fixture(scope="module")
def clip(head):
    random = np.random.default_rng(3)
    identity = random.normal(0, 0.5, len(head.identity_basis)).astype(np.float32)
    units = planted_units(head, 24, random)
    tracked, _ = planted_seen(head, units, identity, random)
    return tracked, partial(fit_head, identity=identity), units


def strength(head, expression, units):
    column = head.expression_names.index("browInnerUp")
    true = units[:, column] - units[:, column].mean()
    return float((expression[:, column] * true).sum() / (true**2).sum())


def test_a_heavy_weight_gives_the_read_units_and_none_those_of_the_landmarks(head, clip):
    tracked, fit, units = clip
    for weight, wanted, near in ((1e6, 1.0, 0.05), (1e-3, SHRINKAGE, 0.2)):
        read = ReadSettings(weight=weight, smoothness=0.0)
        fitted = fit_towards(head, tracked, units, PLAIN, read, fit)
        assert strength(head, fitted.expression, units) == pytest.approx(wanted, abs=near)


def test_the_default_shows_more_than_the_plain_fit_and_meets_the_landmarks(head, clip):
    tracked, fit, units = clip
    plain = fit(head, tracked, PLAIN)
    fitted = fit_towards(head, tracked, units, PLAIN, ReadSettings(), fit)
    assert strength(head, fitted.expression, units) > 0.75
    assert strength(head, plain.expression, units) < 0.5
    assert np.array_equal(fitted.identity, plain.identity)
    assert fitted.reprojection_error.mean() < 2 * plain.reprojection_error.mean()


def test_smoothing_calms_what_jumps(head, clip):
    tracked, fit, units = clip
    noisy = (units + np.random.default_rng(0).normal(0, 0.1, units.shape)).clip(0, 1)
    rough, calm = (
        fit_towards(
            head, tracked, noisy.astype(np.float32), PLAIN, replace(ReadSettings(), smoothness=s),
            fit,
        ).expression
        for s in (0.0, 500.0)
    )  # fmt: skip
    assert np.abs(np.diff(calm, axis=0)).mean() < 0.5 * np.abs(np.diff(rough, axis=0)).mean()


def test_the_tongue_is_taken_as_read(head, clip):
    tracked, fit, units = clip
    tongue = units.copy()
    tongue[:, head.expression_names.index("tongueOut")] = 0.3
    fitted = fit_towards(head, tracked, tongue, PLAIN, ReadSettings(), fit)
    assert np.allclose(fitted.expression[:, head.expression_names.index("tongueOut")], 0.3)
