"""Face masks of a clip from the segmenter: eroded, in one piece, never empty (NED)."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import torch

from spfem.errors import FaceNotFoundError
from spfem.face.erosion import soft_erosion
from spfem.face.segmenter import FACE, FaceSegmenter

EROSION_SIZE = 21  # pixels, of the cone kernel
EROSION_THRESHOLD = 0.6


@torch.inference_mode()
def segment_faces(segmenter: FaceSegmenter, crops: Iterable[np.ndarray]) -> np.ndarray:
    """Masks of the faces in the crops of a clip.

    The pixels of class face, softly eroded, the largest piece of them; a frame where nothing is
    left has the mask of the frame before. Departs from NED where the first frames show no face:
    they take the first mask found, instead of a crash.

    Args:
        segmenter: of `load_segmenter`.
        crops: T pictures (S, S, 3) uint8 RGB, S a multiple of 16; published: 256.

    Returns:
        (T, S, S) uint8, 255 in the face, else 0.

    Raises:
        FaceNotFoundError: if no frame shows a face.
        ShapeError: if the crops are of another size.
    """
    weight = segmenter.final.weight
    masks: list[np.ndarray | None] = []
    for crop in crops:
        picture = torch.from_numpy(np.ascontiguousarray(crop)).to(weight.device, weight.dtype)
        scores = segmenter(picture.movedim(-1, 0)[None] / 255)
        face = (scores[0].argmax(0) == FACE).cpu().numpy()
        mask = _largest_piece(soft_erosion(face, EROSION_SIZE, EROSION_THRESHOLD)[1])
        masks.append(mask if mask.any() else masks[-1] if masks else None)
    first = next((mask for mask in masks if mask is not None), None)
    if first is None:
        raise FaceNotFoundError(
            f"the segmenter saw no face in any of {len(masks)} crops; give crops of about 256 "
            "pixels, filled by one face, in RGB"
        )
    return np.stack([first if mask is None else mask for mask in masks])


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    """The largest piece of a bool mask as uint8 0 or 255; corners connect."""
    count, pieces, facts, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    if count < 2:
        return np.zeros(mask.shape, np.uint8)
    largest = 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())
    return np.where(pieces == largest, 255, 0).astype(np.uint8)
