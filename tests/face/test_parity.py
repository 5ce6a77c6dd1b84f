"""Every parity case of a kind that the face stage covers, by kind."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from spfem.face.align import umeyama
from spfem.released.deca_conditions import (
    align_masked,
    pupil_center,
    transform_points,
    warp_indices,
)
from spfem.released.ned_files import grow_boxes, smooth_boxes, square_boxes
from spfem.released.segment import FACE, FaceSegmenter
from tests.parity import compare_cases, in_precisions


def _umeyama(case):
    given = case.arrays
    for name in case.facts["outputs"]:
        number = name.removeprefix("matrix")
        source, target = given[f"src{number}"], given[f"dst{number}"]
        rigid = number == "3"  # the case's notes: this set is fitted without scale
        matrix = umeyama(source, target, with_scale=not rigid)
        case.verify(name, matrix)


def _align_unalign(case):
    given = case.arrays
    matrix, mask = given["matrix"], (given["mask"] * 255).astype(np.uint8)
    aligned, aligned_mask = align_masked(given["face"], mask, matrix)
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LANCZOS4  # NED's unalign; ours is `unalign_face`
    placed = cv2.warpAffine(given["generated"], matrix, mask.shape[::-1], flags=flags)
    placed[mask == 0] = 0
    got = {
        "face_aligned": aligned,
        "mask_aligned": aligned_mask,
        "plain_aligned": warp_indices(given["face"], matrix),
        "unaligned": placed,
        "landmarks_float": transform_points(given["landmarks"].astype(np.float64), matrix),
        "landmarks_int32": transform_points(given["landmarks"].astype(np.int32), matrix),
    }
    for name, value in got.items():
        case.verify(name, value)


def _pupil_center(case):
    given = case.arrays
    grey = given["gray_u8"][..., 0] / 255.0
    case.verify("center", pupil_center(grey, given["polygon"]))


def _with_stored_statistics():
    segmenter = FaceSegmenter()
    for module in segmenter.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.forward = lambda features, norm=module: torch.nn.functional.batch_norm(
                features, norm.running_mean, norm.running_var, norm.weight, norm.bias
            )
    return segmenter


def _unet(case):
    picture = case.inputs["image"]
    with torch.inference_mode():
        scores = case.fill(FaceSegmenter())(picture)
        case.verify("logits", scores)
        case.verify("face_pixels", (scores.argmax(1) == FACE).sum())
        case.verify("logits_eval", case.fill(_with_stored_statistics())(picture))


def _detector_boxes(case):
    given, arguments = case.arrays, case.arguments
    frame_size = tuple(reversed(arguments["image_wh"]))
    found = np.flatnonzero(given["present"])  # the next detection fills in, at the end the last
    following = np.searchsorted(found, np.arange(len(given["boxes"])))
    filled = given["boxes"][found[np.minimum(following, len(found) - 1)]]
    smooth = smooth_boxes(filled, arguments["window_length"])
    for ending, recentre in (("", 0.0), ("_recentre", 0.1)):  # the case's notes
        square = square_boxes(smooth, recentre)
        case.verify(f"squared{ending}", square)
        case.verify(f"last{ending}", square[-1])
        boxes = grow_boxes(square, frame_size, arguments["margin"], arguments["size"])
        case.verify(f"crop{ending}", boxes)


COVERED = {
    "umeyama": _umeyama,
    "align_unalign": _align_unalign,
    "pupil_center": _pupil_center,
    "unet": _unet,
    "detector_boxes": _detector_boxes,
}
SINGLE_ONLY = [kind for kind in COVERED if kind != "unet"]


@pytest.mark.parametrize(("kind", "dtype"), in_precisions(COVERED, single_only=SINGLE_ONLY))
def test_recorded_outputs(check, parity_folder, kind, dtype):
    compare_cases(COVERED, check, parity_folder, kind, dtype)
