from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.errors import InputError
from spfem.face.fit import fit_head
from spfem.face.track import FaceTrack
from spfem.run.faces import FaceStore, track_path
from spfem.run.persons import fit_persons
from spfem.settings import FaceSettings
from tests.face.planted import Planted, planted_clip, planted_track

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
    written = track_path(persons.folder, KEYS[0])
    before = written.stat().st_mtime_ns
    again = fit_persons(faces, persons.folder, SETTINGS, {"M001": KEYS[:1]})
    assert again.digest == persons.digest
    assert written.stat().st_mtime_ns == before
    assert fit_persons(faces, persons.folder, SETTINGS, {"M001": KEYS}).digest != persons.digest
    written.write_bytes(b"PK")
    with pytest.raises(InputError, match=r"holds no codes.*person stage"):
        again[KEYS[0]]
