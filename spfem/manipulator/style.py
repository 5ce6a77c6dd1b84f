"""Style vectors: of an emotion label, and of a reference sequence."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spfem.errors import InputError, ShapeError
from spfem.manipulator.model import Manipulator
from spfem.manipulator.windows import slide_windows

WINDOWS_A_PASS = 1024  # bounds the memory of long clips


def geometric_median(
    points: Tensor, *, tolerance: float = 1e-5, maximum_iterations: int = 1000
) -> Tensor:
    """Return the point (D,) of least summed distance to `points` (N, D).

    Source: Weiszfeld's iteration in the form of Vardi and Zhang (2000), which does not stop at a
    sample that the iterate happens to meet; started at the mean, as in NED, and stopped when a
    step is shorter than `tolerance`.

    Raises:
        ShapeError: if `points` is not (N, D) with N > 0.

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
