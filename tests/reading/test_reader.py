from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.errors import CheckpointError, ShapeError
from spfem.face.fit import fit_head
from spfem.pretrained import pretrained_file
from spfem.reading.reader import KIND, FaceReader, gather_evidence, resting_face
from spfem.weights.card import pack_half
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


def test_a_fit_of_another_length_is_refused(head):
    random = np.random.default_rng(5)
    identity = np.zeros(len(head.identity_basis), np.float32)
    tracked, _ = planted_seen(head, planted_units(head, 9, random), identity, random)
    _, fitted = planted_seen(head, planted_units(head, 8, random), identity, random)
    with pytest.raises(ShapeError, match="fit of this clip"):
        gather_evidence(head, tracked, fitted)


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


def test_the_shipped_reader_is_small_and_loads():
    assert pretrained_file(KIND).stat().st_size < 1_500_000
    reader = FaceReader.pretrained()
    assert bool((reader.gain >= 1).all())
    assert reader.gain.max() <= reader.settings.largest_gain + 1e-3
