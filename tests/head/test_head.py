"""The head, its landmarks, and the start of what draws it."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from tools.build_head import build_head_arrays
from tools.place_landmarks import find_embedding

from spfem.errors import AssetError
from spfem.face.landmarks import INNER_LIPS, LEFT_IRIS, LOWER_INNER_LIP, RIGHT_IRIS, UPPER_INNER_LIP
from spfem.head import load_head_model, model, raster
from spfem.head.model import EYE, SKIN


@pytest.fixture(scope="module")
def head():
    return load_head_model()


def test_the_stored_places_are_those_of_a_new_search(head):
    triangles, barycentric = find_embedding(head, people=2)
    places = np.einsum("lkc,lk->lc", head.mean[head.triangles[triangles]], barycentric)
    distance = np.linalg.norm(places - head.landmarks(head.mean), axis=1)
    assert np.median(distance) < 0.008  # head units: 2 mm
    assert np.percentile(distance, 95) < 0.03


def test_the_file_is_what_the_shape_data_give(head):
    for name, values in build_head_arrays().items():
        stored = getattr(head, name)
        if values.dtype.kind == "U":
            assert stored == tuple(values)
        elif name == "identity_basis":  # of components, whose signs are free on another machine
            share = np.einsum("ivc,ivc->i", stored, values) / (values**2).sum((1, 2))
            assert np.allclose(np.abs(share), 1, atol=1e-3)
        elif name == "phenotypes":
            assert np.allclose(np.abs(stored), np.abs(values), atol=1e-3)
        else:
            assert np.allclose(stored, values, atol=1e-5), name


def test_a_damaged_file_is_said(monkeypatch, tmp_path):
    (tmp_path / "head.npz").write_bytes(b"PK")
    monkeypatch.setattr(model, "HEAD_FILE", tmp_path / "head.npz")
    with pytest.raises(AssetError, match=r"head\.npz cannot be read .*reinstall"):
        load_head_model.__wrapped__()


def test_landmarks_lie_on_the_right_parts(head):
    region = head.region[head.landmark_triangles]
    iris = list(RIGHT_IRIS + LEFT_IRIS)
    assert (region[iris] == EYE).all()
    assert (np.delete(region, iris) == SKIN).all()
    assert np.allclose(head.landmark_barycentric.sum(1), 1, atol=1e-5)
    marks = head.landmarks(head.vertices(np.zeros(48), 0.5 * np.eye(52)[0]))
    assert marks[LOWER_INNER_LIP, 1] - marks[UPPER_INNER_LIP, 1] > 0.03
    assert abs(marks[list(INNER_LIPS), 0].mean()) < 0.01


@pytest.fixture
def start(monkeypatch, capfd):
    """Starts a Warp that says two lines, and may fail; gives what reached stderr."""

    def run(*, gpu: bool, fails: bool = False) -> bytes:
        def init():
            os.write(2, b"Warp: " + raster.NOTICE + b".\nSomething new\n")
            if fails:
                raise RuntimeError("no start")

        warp = SimpleNamespace(init=init, config=SimpleNamespace(), LOG_ERROR=4)
        monkeypatch.setattr(raster, "wp", warp)
        monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
        try:
            raster.start_warp.__wrapped__()
        except RuntimeError as error:
            os.write(2, str(error).encode())
        return capfd.readouterr().err.encode()

    return run


@pytest.mark.parametrize(("gpu", "kept"), [(False, False), (True, True)])
def test_only_the_known_notice_is_left_out_and_only_without_a_gpu(start, gpu, kept):
    said = start(gpu=gpu)
    assert (raster.NOTICE in said) == kept
    assert said.endswith(b"Something new\n")


def test_a_failed_start_says_everything(start):
    said = start(gpu=False, fails=True)
    assert raster.NOTICE in said
    assert said.endswith(b"Something new\nno start")


def test_warp_starts_in_silence():
    code = "from spfem.head.raster import start_warp as s; s(); s(); import warp; warp.zeros(3)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert answer.stderr == b""
