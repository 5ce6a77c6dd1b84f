"""Put a generated face back into the frame: multi-band blend inside a softly eroded mask (NED)."""

from __future__ import annotations

import numpy as np

from spfem.errors import ShapeError


def cone_kernel(size: int) -> np.ndarray:
    """Cone (size, size) float32 that sums to 1 and is 0 in its corners; `size` is odd."""
    radius = size // 2
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    distance = np.hypot(rows, columns)
    cone = distance.max() - distance
    return (cone / cone.sum()).astype(np.float32)


def soft_erosion(
    mask: np.ndarray, size: int, threshold: float, iterations: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Erode a mask smoothly. Source: NED.

    Args:
        mask: (H, W) in [0, 1].
        size: odd side of the cone kernel in pixels.
        threshold: what counts as inside after smoothing.
        iterations: smoothings; all but the last take the minimum with the mask so far.

    Returns:
        The soft mask (H, W) float32, 1 inside and falling from 1 outside, and the hard one, bool.
    """
    import cv2

    kernel = cone_kernel(size)
    soft: np.ndarray = mask.astype(np.float32)
    border = cv2.BORDER_CONSTANT
    for _ in range(iterations - 1):
        soft = np.minimum(soft, cv2.filter2D(soft, -1, kernel, borderType=border))
    soft = cv2.filter2D(soft, -1, kernel, borderType=border)
    hard = soft >= threshold
    soft[hard] = 1
    if not hard.all():
        soft = np.where(hard, soft, soft / max(float(soft[~hard].max()), 1e-12))
    return soft, hard


LEVELS = 4


def pyramid_blend(
    source: np.ndarray,
    generated: np.ndarray,
    mask: np.ndarray,
    *,
    levels: int = LEVELS,
    copied_levels: int = 0,
) -> np.ndarray:
    """Blend two pictures band by band.

    Source: NED (which blends with the hard softly eroded mask, see `erode_for_blending`).

    Args:
        source: (H, W, 3) float32, seen where the mask is 0.
        generated: (H, W, 3) float32, seen where the mask is 1.
        mask: (H, W) float32 in [0, 1].
        levels: number of halvings.
        copied_levels: coarsest bands taken from the source alone.

    Returns:
        (H, W, 3) float32; may leave the range of its inputs a little.

    Example:
        >>> black, half = np.zeros((32, 32, 3), np.float32), np.full((32, 32), 0.5, np.float32)
        >>> float(pyramid_blend(black, black + 1, half).mean())
        0.5
    """
    import cv2

    stacks = [[image] for image in (source, generated, mask)]
    for stack in stacks:
        for _ in range(levels):
            stack.append(cv2.pyrDown(stack[-1]))
    blended: np.ndarray | None = None
    for level in range(levels, -1, -1):
        own, made, weight = (stack[level] for stack in stacks)
        size = weight.shape[1::-1]
        if level < levels:
            own, made = (
                image - cv2.pyrUp(stack[level + 1], dstsize=size)
                for image, stack in ((own, stacks[0]), (made, stacks[1]))
            )
        band = own
        if level <= levels - copied_levels:
            band = made * weight[..., None] + own * (1 - weight[..., None])
        blended = band if blended is None else cv2.pyrUp(blended, dstsize=size) + band
    assert blended is not None
    return blended


def erode_for_blending(mask: np.ndarray, side: float | None = None) -> np.ndarray:
    """Mask (H, W) in [0, 1], eroded as for the blend; float32 0 or 1. Source: NED.

    `side` is the side in pixels of the face crop that the mask covers (default: H); the kernel
    is 33 pixels at 256 (a straight edge moves 8 pixels).
    """
    size = max(int(33 * (mask.shape[0] if side is None else side) / 256), 2)
    return soft_erosion(mask, size + 1 - size % 2, 0.8)[1].astype(np.float32)


def blend_face(
    frame: np.ndarray, face: np.ndarray, mask: np.ndarray, *, side: float | None = None
) -> np.ndarray:
    """Blend a face into its frame, (H, W, 3) uint8 RGB; outside the mask every byte stays.

    Source: NED. Departs from the released code, which resamples the whole crop: the blend runs at
    the frame's resolution, and its low bands, which reach beyond the mask, fade out towards the
    mask's border.

    Args:
        frame: (H, W, 3) uint8 RGB.
        face: (H, W, 3) uint8 RGB, the generated face in its place, valid inside the mask.
        mask: (H, W) uint8, not 0 on the face.
        side: side of the face crop in frame pixels, which scales the erosion; default: from the
            box around the mask.

    Raises:
        ShapeError: if shapes or types do not fit.
    """
    import cv2

    shape = frame.shape
    if face.shape != shape or mask.shape != shape[:2] or shape[2:] != (3,):
        raise ShapeError(
            f"frame {shape}, face {face.shape} and mask {mask.shape} must be (H, W, 3), the same "
            "and (H, W)"
        )
    if not all(array.dtype == np.uint8 for array in (frame, face, mask)):
        raise ShapeError("frame, face and mask must be uint8")
    inside = mask > 0
    result = frame.copy()
    if not inside.any():
        return result
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    margin = 1 << (LEVELS + 1)
    box = (
        slice(max(rows[0] - margin, 0), rows[-1] + 1 + margin),
        slice(max(columns[0] - margin, 0), columns[-1] + 1 + margin),
    )
    if side is None:  # an aligned face crop is a little larger than its mask
        side = 1.2 * max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    inner = inside[box]
    source = frame[box].astype(np.float32) / 255
    generated = np.where(inner[..., None], face[box].astype(np.float32) / 255, source)
    eroded = erode_for_blending(inner.astype(np.float32), side)
    blended = pyramid_blend(source, generated, eroded)
    depth = cv2.distanceTransform(inner.astype(np.uint8), cv2.DIST_L2, 5)
    fade = np.clip(depth / max(8 * side / 256, 1), 0, 1)[..., None]
    mixed = source + fade * (np.clip(blended, 0, 1) - source)
    pasted = np.rint(mixed * 255).astype(np.uint8)
    result[box][inner] = pasted[inner]
    return result
