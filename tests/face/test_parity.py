"""Every parity case of a kind that the face stage covers, by kind."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from spfem.face.align import umeyama
from spfem.face.pupil import pupil_center
from spfem.face.warp import align_masked, transform_points, unalign_masked, warp_indices


@pytest.fixture(scope="module")
def check(parity_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(parity_folder))
        for name in ("weights", "check"):
            patch.delitem(sys.modules, name, raising=False)
        specification = importlib.util.spec_from_file_location("check", parity_folder / "check.py")
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        yield module


def cases(check, folder, kind):
    found = [case for case in check.load(str(folder))["cases"].values() if case["kind"] == kind]
    if not found:
        pytest.skip(f"no case of kind {kind}")
    for case in found:
        stored = check.stored(str(folder), case)
        given = {name[3:]: array for name, array in stored.items() if name.startswith("in.")}
        yield case, check.inputs(case) | given


def test_umeyama(check, parity_folder):
    for case, given in cases(check, parity_folder, "umeyama"):
        for name in case["outputs"]:
            number = name.removeprefix("matrix")
            source, target = given[f"src{number}"], given[f"dst{number}"]
            rigid = number == "3"  # the case's notes: this set is fitted without scale
            matrix = umeyama(source, target, with_scale=not rigid)
            check.verify(str(parity_folder), case, name, matrix)


def test_align_unalign(check, parity_folder):
    for case, given in cases(check, parity_folder, "align_unalign"):
        matrix, mask = given["matrix"], (given["mask"] * 255).astype(np.uint8)
        aligned, aligned_mask = align_masked(given["face"], mask, matrix)
        got = {
            "face_aligned": aligned,
            "mask_aligned": aligned_mask,
            "plain_aligned": warp_indices(given["face"], matrix),
            "unaligned": unalign_masked(given["generated"], mask, matrix),
            "landmarks_float": transform_points(given["landmarks"].astype(np.float64), matrix),
            "landmarks_int32": transform_points(given["landmarks"].astype(np.int32), matrix),
        }
        assert set(got) == set(case["outputs"])
        for name, value in got.items():
            check.verify(str(parity_folder), case, name, value)


def test_pupil_center(check, parity_folder):
    for case, given in cases(check, parity_folder, "pupil_center"):
        grey = given["gray_u8"][..., 0] / 255.0
        check.verify(str(parity_folder), case, "center", pupil_center(grey, given["polygon"]))
