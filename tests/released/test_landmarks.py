from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from spfem.errors import InputError
from spfem.released.flame import landmarks_68, outline_turn, read_landmark_embedding


@pytest.fixture(scope="module")
def embedding(deca_folder):
    return read_landmark_embedding(deca_folder / "landmark_embedding.npy")


@pytest.fixture(scope="module")
def stored(deca_folder):
    return np.load(deca_folder / "landmark_embedding.npy", allow_pickle=True).item()


@pytest.mark.parametrize(
    ("degrees", "row"),
    [(0, 0), (10.4, 10), (38.6, 39), (80, 39), (-1, 40), (-10.4, 49), (-39, 78), (-80, 78)],
)
def test_the_outline_follows_the_turn_of_the_head(degrees, row):
    turn = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
    assert outline_turn(torch.from_numpy(turn)[None]).item() == row


def test_a_nod_keeps_the_outline():
    nod = Rotation.from_euler("x", 30, degrees=True).as_matrix()
    assert outline_turn(torch.from_numpy(nod)[None]).item() == 0


def test_landmarks_lie_where_the_file_says(embedding, stored):
    random = np.random.default_rng(0)
    vertices = random.standard_normal((2, 5023, 3))
    triangles = random.integers(0, 5023, (9976, 3))
    turns = Rotation.from_euler("y", [[5], [-30]], degrees=True).as_matrix()
    found = landmarks_68(*map(torch.from_numpy, (vertices, triangles, turns)), embedding)
    for frame, row in enumerate((5, 69)):
        faces = [*np.asarray(stored["dynamic_lmk_faces_idx"])[row], *stored["static_lmk_faces_idx"]]
        places = [
            *np.asarray(stored["dynamic_lmk_bary_coords"])[row],
            *stored["static_lmk_bary_coords"],
        ]
        for landmark, (face, place) in enumerate(zip(faces, places, strict=True)):
            wanted = place @ vertices[frame][triangles[face]]
            np.testing.assert_allclose(found[frame, landmark], wanted, atol=1e-12)


def test_tables_are_read_as_stored(embedding, stored):
    np.testing.assert_array_equal(embedding.outline_faces, stored["dynamic_lmk_faces_idx"])
    np.testing.assert_array_equal(embedding.fixed_places, stored["static_lmk_bary_coords"])


class _Command:
    def __reduce__(self):
        return os.system, ("touch made",)


def test_foreign_files_are_refused(stored, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "landmark_embedding.npy"
    cases = [
        (np.zeros(3), "plain numbers"),
        ({"static_lmk_faces_idx": np.zeros(51)}, "lacks static_lmk_bary_coords"),
        (stored | {"static_lmk_faces_idx": np.zeros(50)}, r"is \(50,\) instead of \(51,\)"),
        (stored | {"static_lmk_faces_idx": np.full(51, 9976)}, "leaves FLAME's triangles"),
        (stored | {"static_lmk_bary_coords": np.full((51, 3), np.nan)}, "not finite"),
        (stored | {"more": _Command()}, "could run code"),
    ]
    for content, message in cases:
        np.save(path, content, allow_pickle=True)
        with pytest.raises(InputError, match=message):
            read_landmark_embedding(path)
    path.write_bytes(b"\x93NUMP")
    with pytest.raises(InputError, match=r"no \.npy file"):
        read_landmark_embedding(path)
    assert not (tmp_path / "made").exists()
