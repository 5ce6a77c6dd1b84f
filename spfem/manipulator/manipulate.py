"""Edit an expression sequence: its style, windows through the generator, and how much of it.

The dial between source and edit, and between two emotions, is not in the papers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spfem.errors import InputError, ShapeError
from spfem.manipulator.data import overlap_add, slide_windows
from spfem.manipulator.networks import Manipulator

LARGEST_INTENSITY = 2.0


def set_intensity(source: Tensor, edited: Tensor, intensity: float) -> Tensor:
    """Go from the source towards its edit, and beyond, on the line between their coefficients.

    Coefficients are mixed, not styles: a source edited to its own style is only nearly the
    source (on 4 clips and 4 emotions of the full corpus it differs by 16 % of a full edit), so
    that a dial in the space of styles would not begin at it. On the line every coefficient moves
    evenly and words stay in time. Up to 1 a bounded space is not left; beyond it may be, and who
    knows its bounds clips the result.

    Args:
        source: coefficients (T, E).
        edited: coefficients (T, E) of the full edit.
        intensity: 0 gives `source` and 1 gives `edited`, both to the last bit; at most 2.

    Raises:
        InputError: if the intensity is outside of [0, 2].
        ShapeError: if the sequences differ in shape.

    Example:
        >>> import torch
        >>> set_intensity(torch.zeros(1, 2), torch.tensor([[1.0, 0.5]]), 0.5)
        tensor([[0.5000, 0.2500]])
    """
    return _between("intensity", source, edited.to(source), intensity, LARGEST_INTENSITY)


def mix_styles(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Style between two styles, for an expression between two emotions.

    Styles are mixed, not coefficients: the generator then makes one face of them, where the mean
    of two faces could hold a mouth that neither emotion shows. Half way the edit lies between
    both (at 0.57 and 0.60 of their distance), a third of the distance off the mean of the faces.

    Args:
        first: style (S,), of a label or of references.
        second: style (S,).
        share: of the second; 0 gives `first` and 1 gives `second`, both to the last bit.

    Raises:
        InputError: if the share is outside of [0, 1].
        ShapeError: if the styles differ in shape.

    Example:
        >>> import torch
        >>> mix_styles(torch.zeros(2), torch.ones(2), 0.25)
        tensor([0.2500, 0.2500])
    """
    return _between("share", first, second.to(first), share, 1.0)


def _between(name: str, first: Tensor, second: Tensor, share: float, largest: float) -> Tensor:
    if not 0 <= share <= largest:  # also refuses what is not a number
        raise InputError(f"{name} is {share}; give a number from 0 to {largest:g}")
    if first.shape != second.shape:
        raise ShapeError(
            f"what is mixed must have one shape, found {tuple(first.shape)} and "
            f"{tuple(second.shape)}"
        )
    if share in (0, 1):  # negative zeros would not survive the sum
        return (second if share else first).clone()
    return first.lerp(second, share)


WINDOWS_A_PASS = 1024  # bounds the memory of long clips


def geometric_median(
    points: Tensor, *, tolerance: float = 1e-5, maximum_iterations: int = 1000
) -> Tensor:
    """Return the point (D,) of least summed distance to `points` (N, D).

    Source: Weiszfeld's iteration in the form of Vardi and Zhang (2000), which does not stop at a
    sample that the iterate happens to meet; started at the mean, as in NED, and stopped when a
    step is shorter than `tolerance`.

    Example:
        >>> points = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [9.0, 9.0]])
        >>> geometric_median(points).round(decimals=3).tolist()  # the mean would be (2.25, 2.25)
        [0.0, 0.0]
    """
    if points.ndim != 2 or len(points) == 0:
        raise ShapeError(f"points have shape {tuple(points.shape)}; (N, D) with N > 0 is needed")
    points = points.double()
    estimate = points.mean(dim=0)
    for _ in range(maximum_iterations):
        distance = (points - estimate).norm(dim=1)
        apart = distance > 0
        if not apart.any():
            break
        inverse = 1 / distance[apart]
        weighted = (inverse[:, None] * points[apart]).sum(dim=0) / inverse.sum()
        # How strongly the samples that coincide with the estimate hold it in place.
        pull = ((weighted - estimate) * inverse.sum()).norm()
        coinciding = len(points) - int(apart.sum())
        hold = min(1.0, coinciding / float(pull)) if pull > 0 else 1.0 if coinciding else 0.0
        following = (1 - hold) * weighted + hold * estimate
        step = (following - estimate).norm()
        estimate = following
        if step < tolerance:
            break
    return estimate


def label_style(manipulator: Manipulator, label: int, *, seed: int = 0, latents: int = 1) -> Tensor:
    """Return the style (S,) of an emotion.

    Source: NED draws one latent for all emotions; `latents` > 1 takes the geometric median of
    the styles of several, which depends less on the draw. Departs from NED in being seeded: the
    same seed gives the same latents for every label, on every device.

    Args:
        manipulator: a trained one.
        label: index of the emotion.
        seed: of the latents.
        latents: how many are drawn.

    Raises:
        InputError: if the manipulator does not know the label.
    """
    if not 0 <= label < manipulator.emotions:
        raise InputError(
            f"emotion label {label} is unknown; this manipulator has labels 0 to "
            f"{manipulator.emotions - 1}"
        )
    if latents < 1:
        raise InputError(f"latents is {latents}; at least one latent is needed")
    random = torch.Generator().manual_seed(seed)
    latent = torch.randn(latents, manipulator.settings.latent_size, generator=random)
    labels = torch.full((latents,), label, device=manipulator.device)
    with torch.no_grad():
        styles = manipulator.mapping_network(latent.to(manipulator.mean), labels)
    return geometric_median(styles).to(manipulator.mean) if latents > 1 else styles[0]


@torch.no_grad()
def window_styles(manipulator: Manipulator, expression: Tensor) -> Tensor:
    """Return the style (N, S) of every window of `expression` (T, E)."""
    standardised = manipulator.standardise(expression.to(manipulator.mean))
    windows = slide_windows(standardised, manipulator.settings.window_frames)
    return torch.cat([manipulator.style_encoder(part) for part in windows.split(WINDOWS_A_PASS)])


def reference_style(manipulator: Manipulator, references: Tensor | Sequence[Tensor]) -> Tensor:
    """Return the style (S,) of one reference sequence (T, E) or of several of one emotion.

    Source: NED: geometric median of the styles of all windows.

    Raises:
        InputError: if there is no reference.
        ShapeError: if a reference is shorter than the window or of another expression space.
    """
    sequences = [references] if isinstance(references, Tensor) else list(references)
    if not sequences:
        raise InputError("references is empty; give at least one reference sequence")
    styles = torch.cat([window_styles(manipulator, sequence) for sequence in sequences])
    return geometric_median(styles).to(manipulator.mean)


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
    if style.ndim == 1:
        style = style[None]
    part = torch.arange(len(windows), dtype=torch.float64) // (len(source) / len(style))
    styles = style.to(source)[part.long().to(source.device)]
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
