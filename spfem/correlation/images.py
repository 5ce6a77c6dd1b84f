"""The one way in which images reach a correlation metric, and what every metric can do.

Values on a GPU are checked without waiting once the first batch of a shape was good.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, settings_from_facts
from spfem.errors import SettingsError, ShapeError
from spfem.precision import upload
from spfem.pretrained import pretrained_file

RANGE_TOLERANCE = 0.01  # beyond [-1, 1], for resampled images


class CoherenceMetric(nn.Module):
    """A network with settings whose loss supervises others.

    Where `settings.compat` names released behaviours, calling the class makes its released form, a
    subclass in `spfem.released.arithmetic`. That module is imported then, not with this package:
    who stays with the papers never loads it. `kind` is that of checkpoints, which hold beside the
    settings the attributes `further_facts`, arguments of the class.
    """

    kind: ClassVar[str]
    settings_class: ClassVar[type]
    further_facts: ClassVar[tuple[str, ...]] = ()

    def __new__(cls, settings: Any = None, *arguments: Any, **named: Any) -> Self:
        """The class, or its released form if the settings ask for it.

        Raises:
            SettingsError: if there is no released form of the class.
        """
        form = cls
        if settings is not None and (
            {settings.compat, getattr(settings, "spatial", settings).compat} != {"paper"}
        ):
            form = cls.released_form()
            if not issubclass(form, cls):
                raise SettingsError(f"{cls.__name__} has no released form; use compat 'paper'")
        return super().__new__(form)

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self.settings = settings
        self.supervising = False

    @classmethod
    def released_form(cls) -> type[Any]:
        """The subclass with the released arithmetic, imported on demand; no subclass: none."""
        return CoherenceMetric

    def supervise(self) -> Self:
        """Freeze the metric for good: no parameter gradients, always in evaluation mode."""
        self.supervising = True
        self.requires_grad_(False)
        return self.eval()

    def train(self, mode: bool = True) -> Self:
        """Switch the mode as `nn.Module.train`; a supervising metric stays in evaluation."""
        super().train(mode and not self.supervising)
        return self

    def save(self, path: Path | str, *, provenance: Mapping[str, Any] | None = None) -> None:
        """Write a safetensors checkpoint with the settings and `provenance` (plain values)."""
        facts = {"settings": asdict(self.settings)}
        facts |= {name: getattr(self, name) for name in self.further_facts}
        facts["provenance"] = dict(provenance or {})
        save_checkpoint(Path(path), self.state_dict(), kind=self.kind, facts=facts)

    @classmethod
    def load(
        cls, path: Path | str, *, device: torch.device | str = "cpu", supervise: bool = True
    ) -> Self:
        """Read a checkpoint; frozen for supervision unless `supervise` is false.

        Raises:
            CheckpointError: if the file is missing, damaged or made for another network.
        """
        tensors, facts = load_checkpoint(path, kind=cls.kind, device=device)
        settings: Any = settings_from_facts(cls.settings_class, facts["settings"], Path(path))
        metric = cls(settings, *(facts[name] for name in cls.further_facts)).to(device)
        load_weights(metric, tensors, path)
        return metric.supervise() if supervise else metric

    @classmethod
    def pretrained(
        cls,
        variant: str | None = None,
        *,
        device: torch.device | str = "cpu",
        supervise: bool = True,
    ) -> Self:
        """The metric that comes with the package; what it was learned from: `spfem/weights`.

        Of several, `variant` says which, see `spfem.pretrained.PRETRAINED`; None: the published
        form.

        Raises:
            SettingsError: if there is none of this class or variant.
            CheckpointError: if the file is missing or not the one that was shipped.
        """
        return cls.load(pretrained_file(cls.kind, variant), device=device, supervise=supervise)


def refuse_swapped(generated: Tensor, source: Tensor) -> None:
    """Raise a ShapeError if the gradient can reach `source` only, not `generated`, the query."""
    if source.requires_grad and torch.is_grad_enabled() and not generated.requires_grad:
        raise ShapeError(
            "source requires a gradient and generated does not: the arguments are swapped "
            "(call metric(generated, source)) or generated was detached"
        )


def images_from_frames(frames: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """Turn frames (B, H, W, 3) uint8 RGB into images (B, 3, H, W) float32 RGB in [-1, 1].

    Raises:
        ShapeError: if `frames` has another shape or type.

    Example:
        >>> images_from_frames(np.array([0, 255, 255], np.uint8).reshape(1, 1, 1, 3)).flatten()
        tensor([-1.,  1.,  1.])
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
        raise ShapeError(
            f"frames must be uint8 (B, H, W, 3) RGB, found {frames.dtype} {frames.shape}"
        )
    pixels = upload(np.ascontiguousarray(frames), device)
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1.0


def prepare_images(images: Tensor, image_size: int, *, name: str = "images") -> Tensor:
    """Check images (B, 3, H, W) and bring them to the side that the metric learned.

    They are aligned face crops, RGB in [-1, 1]; those that are not square are stretched; the
    result is differentiable. Source: ASCCL. Departs from the released code, which learns on BGR and
    224 pixels and supervises on RGB and 256 pixels: here both are RGB and one size. `name` is that
    of the argument in errors.

    Raises:
        ShapeError: for another shape, type or range, or values that are not finite; on a GPU
            perhaps a call later, see `check_numbers`.

    Example:
        >>> prepare_images(torch.zeros(1, 3, 64, 48), 32).shape
        torch.Size([1, 3, 32, 32])
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        found = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise ShapeError(
            f"{name} must be a floating-point tensor, found {found}; "
            "frames (uint8) are converted by images_from_frames"
        )
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        raise ShapeError(f"{name} must be (B, 3, H, W) RGB, found {tuple(images.shape)}")
    extremes = torch.stack(torch.aminmax(images.detach()))  # NaN survives

    def complain(found: list[float]) -> None:
        if not np.isfinite(found).all():
            raise ShapeError(f"{name} holds values that are not finite (NaN or infinite)")
        if found[0] < -1 - RANGE_TOLERANCE or found[1] > 1 + RANGE_TOLERANCE:
            raise ShapeError(
                f"{name} must lie in [-1, 1], found {found[0]:.3g} to {found[1]:.3g}; "
                "scale pixel values v of 0..255 by v / 127.5 - 1"
            )

    check_numbers(extremes, complain, key=(name, tuple(images.shape)))
    if images.shape[2:] == (image_size, image_size):
        return images
    return functional.interpolate(
        images, (image_size, image_size), mode="bilinear", align_corners=False, antialias=True
    )


Complain = Callable[[list[float]], None]
"""Raises if the numbers are wrong."""

_good: set[tuple[object, ...]] = set()
_flying: deque[tuple[torch.cuda.Event, Tensor, Complain]] = deque()


def check_numbers(numbers: Tensor, complain: Complain, *, key: tuple[object, ...]) -> None:
    """Give a few `numbers` (N,), computed from an argument, to `complain`.

    On the processor at once. Reading a number of a GPU waits for all its work, so there only the
    first numbers of a `key` (what is checked, its shape) are read at once; later ones are copied
    beside the work and looked at by the first call that finds them there. A batch that turns bad
    later on is thus refused, but a call or a few after it was given. Nothing is checked while a
    CUDA graph is recorded, which computes nothing.
    """
    if not numbers.is_cuda:
        complain(numbers.tolist())
        return
    if torch.cuda.is_current_stream_capturing():
        return
    while _flying and _flying[0][0].query():
        _, host, complaint = _flying.popleft()
        complaint(host.tolist())
    if key not in _good:
        complain(numbers.tolist())
        _good.add(key)
        return
    host = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
    host.copy_(numbers, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    _flying.append((event, host, complain))
