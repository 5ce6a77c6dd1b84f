from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from spfem.errors import InputError
from spfem.face.fit import fit_head
from spfem.face.track import FaceTrack
from spfem.run import persons as module
from spfem.run.faces import FaceStore, track_path
from spfem.run.persons import fit_persons, load_person, read_persons, read_track
from spfem.settings import FaceSettings
from tests.face.planted import Planted, planted_clip, planted_track
from tests.reading.planted import FACE, planted_seen, planted_units

SETTINGS = FaceSettings(score_weight=0.0)
KEYS = ("M001/neutral/001", "M001/happy/001")


def track_of(head, planted: Planted) -> FaceTrack:
    """The track of a clip that was fitted alone."""
    fitted = fit_head(head, planted.tracked, SETTINGS)
    faces = np.zeros((len(planted.tracked.found), 8, 8, 3), np.uint8)
    return replace(planted_track(planted, faces), **vars(fitted))


@pytest.fixture(scope="module")
def faces(head, tmp_path_factory) -> FaceStore:
    """A neutral clip, and one that smiles throughout, of one person."""
    folder = tmp_path_factory.mktemp("faces")
    for key, smile in zip(KEYS, (0.0, 0.5), strict=True):
        path = track_path(folder, key)
        path.parent.mkdir(parents=True)
        track_of(head, planted_clip(head, 10, smile=smile)).save(path)
    return FaceStore(folder, KEYS, {}, "digest")


@pytest.fixture(scope="module")
def persons(faces, tmp_path_factory) -> FaceStore:
    return fit_persons(faces, tmp_path_factory.mktemp("persons"), SETTINGS, {"M001": KEYS[:1]})


def mean_smile(head, track: FaceTrack) -> float:
    sides = [head.expression_names.index(f"mouthSmile{side}") for side in ("Left", "Right")]
    return float(track.expression[:, sides].mean())


def test_a_smile_that_never_ends_is_no_part_of_the_shape(head, faces, persons):
    alone, shared = (mean_smile(head, store[KEYS[1]]) for store in (faces, persons))
    assert abs(shared - 0.5) < 0.5 * abs(alone - 0.5)
    assert mean_smile(head, persons[KEYS[0]]) < 0.1


def test_only_codes_change_and_the_identity_is_one(faces, persons):
    assert list(persons) == list(faces)
    for key in KEYS:
        assert np.array_equal(persons[key].identity, faces[KEYS[0]].identity)
        for name in ("landmarks", "align", "faces", "masks", "found"):
            assert np.array_equal(getattr(persons[key], name), getattr(faces[key], name))


def test_a_second_call_reads_and_another_shape_fits_anew(faces, persons):
    written = track_path(persons.codes, KEYS[0])
    before = written.stat().st_mtime_ns
    again = fit_persons(faces, persons.codes, SETTINGS, {"M001": KEYS[:1]})
    assert again.digest == persons.digest
    assert written.stat().st_mtime_ns == before
    assert fit_persons(faces, persons.codes, SETTINGS, {"M001": KEYS}).digest != persons.digest
    written.write_bytes(b"PK")
    with pytest.raises(InputError, match=r"holds no codes.*person stage"):
        again[KEYS[0]]


def seen_track(head, units, identity, random) -> FaceTrack:
    tracked, fitted = planted_seen(head, units, identity, random)
    pictures, align = (np.zeros((len(units), *size)) for size in ((8, 8, 3), (2, 3)))
    seen = {**vars(tracked), **vars(fitted), "align": align.astype(np.float32)}
    return FaceTrack(fps=25.0, **seen, faces=pictures.astype(np.uint8), masks=pictures[..., 0])


@pytest.fixture(scope="module")
def planted(head, tmp_path_factory):
    """Fitted persons of two clips, true units of the second, and the folder to read into."""
    folder = tmp_path_factory.mktemp("read")
    random = np.random.default_rng(9)
    identity = random.normal(0, 0.5, len(head.identity_basis)).astype(np.float32)
    units = planted_units(head, 20, random, neutral=True), planted_units(head, 20, random)
    for key, one in zip(KEYS, units, strict=True):
        path = track_path(folder / "faces", key)
        path.parent.mkdir(parents=True)
        seen_track(head, one, identity, random).save(path)
    faces = FaceStore(folder / "faces", KEYS, {}, "digest")
    shaping = {"M001": KEYS[:1]}
    fitted = fit_persons(faces, folder / "persons", FACE, shaping)
    return fitted, shaping, units[1], folder


@pytest.fixture(autouse=True)
def small_reader(monkeypatch, reader):
    monkeypatch.setattr(module, "_reader", lambda: reader)


@pytest.mark.slow
def test_read_clips_show_what_the_fit_loses(head, planted, good_reader, monkeypatch):
    monkeypatch.setattr(module, "_reader", lambda: good_reader)
    fitted, shaping, units, folder = planted
    read = read_persons(fitted, folder / "well", FACE, shaping)
    column = head.expression_names.index("browInnerUp")
    true = units[:, column] - units[:, column].mean()
    plain, shown = (
        float(store[KEYS[1]].expression[:, column] @ true / (true @ true))
        for store in (fitted, read)
    )
    assert plain < 0.5
    assert shown > 0.7


def test_a_further_clip_of_a_known_person_is_read_as_one_of_the_corpus(planted):
    fitted, shaping, _, folder = planted
    read = read_persons(fitted, folder / "read", FACE, shaping)
    codes = read_track(replace(fitted, codes=None)[KEYS[1]], load_person(read, "M001"), FACE)
    assert np.array_equal(codes.expression, read[KEYS[1]].expression)
    assert np.array_equal(codes.reprojection_error, read[KEYS[1]].reprojection_error)
    assert np.array_equal(read[KEYS[0]].identity, read[KEYS[1]].identity)
    assert not np.array_equal(read[KEYS[1]].expression, fitted[KEYS[1]].expression)
    with pytest.raises(InputError, match="knows no person"):
        load_person(read, "M002")


def test_another_reader_reads_everybody_anew(planted, reader, tmp_path, monkeypatch):
    fitted, shaping, _, folder = planted
    first = read_persons(fitted, folder / "other", FACE, shaping)
    before = first[KEYS[1]].expression
    louder = copy.deepcopy(reader)
    louder.gain.mul_(1.5)
    louder.unit_layer.bias.add_(0.2)
    louder.save(tmp_path / "reader.safetensors", {"seed": 1})
    monkeypatch.setattr(module, "_reader", lambda: louder)
    monkeypatch.setattr(module, "pretrained_file", lambda kind: tmp_path / "reader.safetensors")
    again = read_persons(fitted, folder / "other", FACE, shaping)
    assert again.digest != first.digest
    assert again[KEYS[1]].expression.mean() > before.mean() + 0.01
