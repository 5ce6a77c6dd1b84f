"""Edit an expression sequence: windows through the generator, blended back."""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.errors import ShapeError
from spfem.manipulator.model import Manipulator
from spfem.manipulator.style import WINDOWS_A_PASS, geometric_median
from spfem.manipulator.windows import overlap_add, slide_windows


def _spread_styles(style: Tensor, windows: int, frames: int) -> Tensor:
    """Assign styles (S,) or (K, S) to `windows` windows of a clip of `frames` frames: (N, S)."""
    if style.ndim == 1:
        return style.expand(windows, -1)
    part = torch.arange(windows, dtype=torch.float64) // (frames / len(style))
    return style[part.long().to(style.device)]


@torch.no_grad()
def manipulate(
    expression: Tensor, *, manipulator: Manipulator, style: Tensor, anchored: bool = False
) -> Tensor:
    """Return `expression` (T, E) edited towards `style`.

    Source: NED (all windows of hop 1, Gaussian overlap-add, edges as `overlap_add`), here in
    batches instead of window by window.

    `anchored` is not in the paper: the edit is applied as a difference,
    x + G(x, style) - G(x, own style), where the own style is the geometric median over the
    clip's windows. What the generator fails to reproduce of a person (an offset between the
    tracking of an own video and of the training corpus, habits it never saw) cancels, instead
    of being replaced by the corpus' mean face.

    Args:
        expression: coefficients (T, E), jaw opening first.
        manipulator: a trained one.
        style: target style (S,), or (K, S) for K equal consecutive parts of the clip.
        anchored: edit as a difference.

    Returns:
        Coefficients (T, E) on the device and of the type of `expression`; clipped to the value
        range of the expression space plus `settings.range_margin` where it has a range.

    Raises:
        ShapeError: if the clip is shorter than the window or of another expression space.
    """
    size = manipulator.settings.style_size
    if style.ndim not in (1, 2) or style.shape[-1] != size or len(style) == 0:
        raise ShapeError(f"style has shape {tuple(style.shape)}; give ({size},) or (K, {size})")
    source = manipulator.standardise(expression.to(manipulator.mean))
    windows = slide_windows(source, manipulator.settings.window_frames)
    styles = _spread_styles(style.to(source), len(windows), len(source))
    parts = list(zip(windows.split(WINDOWS_A_PASS), styles.split(WINDOWS_A_PASS), strict=True))
    edited = overlap_add(torch.cat([manipulator.generator(*part) for part in parts]))
    if anchored:
        own = torch.cat([manipulator.style_encoder(part) for part, _ in parts])
        own_style = geometric_median(own).to(source)
        kept = [manipulator.generator(part, own_style.expand(len(part), -1)) for part, _ in parts]
        edited = source + edited - overlap_add(torch.cat(kept))
    result = manipulator.restore(edited)
    if manipulator.space.value_range is not None:
        low, high = manipulator.space.value_range
        margin = manipulator.settings.range_margin * (high - low)
        result = result.clamp(low - margin, high + margin)
    return result.to(expression)
