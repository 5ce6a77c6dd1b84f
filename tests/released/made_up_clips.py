"""Made-up clips of NED's shapes."""

from __future__ import annotations

import numpy as np

from spfem.released.deca_codes import LENGTHS, DecaCodes
from spfem.released.ned import CODES, MASKS, PICTURES, TABLES, NedClip

ALL = {*PICTURES, *MASKS, *TABLES, CODES}


def make_codes(frames: int, seed: int = 0) -> DecaCodes:
    random = np.random.default_rng(seed)
    parts = {n: random.normal(size=(frames, k)).astype(np.float32) for n, k in LENGTHS.items()}
    parts["light"] = parts["light"].reshape(frames, 9, 3)
    crop = np.tile(np.diag([1.1, 1.1, 1.0]), (frames, 1, 1))
    crop[:, :2, 2] = random.normal(size=(frames, 2))
    return DecaCodes(**parts, crop=crop, image_size=np.array([256, 256]))


def make_clip(
    name: str = "happy_001",
    frames: int = 3,
    *,
    size: int = 16,
    eye_rows: int = 14,
    codes: bool = True,
    seed: int = 0,
) -> NedClip:
    """Random pictures and numbers, every folder there."""
    random = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {
        folder: random.integers(0, 256, (frames, size, size, 3), dtype=np.uint8)
        for folder in PICTURES
    }
    for folder in MASKS:
        arrays[folder] = np.where(random.random((frames, size, size)) < 0.5, 255, 0).astype("u1")
    for folder in ("eye_landmarks", "eye_landmarks_aligned"):
        arrays[folder] = random.uniform(0, size, (frames, eye_rows, 2))
    arrays["align_transforms"] = random.normal(size=(frames, 2, 3))
    low = random.integers(0, 20, (frames, 2))
    return NedClip(
        name,
        29.97,
        (60, 80),
        arrays,
        np.concatenate([low, low + random.integers(10, 30, (frames, 2))], 1),
        make_codes(frames, seed) if codes else None,
    )


def assert_same_clip(found: NedClip, wanted: NedClip, *, boxes: bool = True) -> None:
    assert (found.name, len(found)) == (wanted.name, len(wanted))
    assert set(found.arrays) == set(wanted.arrays)
    for folder, array in wanted.arrays.items():
        np.testing.assert_array_equal(found.arrays[folder], array, err_msg=folder)
        assert found.arrays[folder].dtype == array.dtype
    if boxes:
        assert (found.fps, found.frame_size) == (wanted.fps, wanted.frame_size)
        np.testing.assert_array_equal(found.boxes, wanted.boxes)
    assert (found.codes is None) == (wanted.codes is None)
    if wanted.codes is not None:
        for name, array in vars(wanted.codes).items():
            np.testing.assert_array_equal(getattr(found.codes, name), array, err_msg=name)
