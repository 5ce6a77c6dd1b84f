"""What every correlation metric shares: freezing for supervision, and its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, settings_from_facts
from spfem.errors import ShapeError
from spfem.pretrained import pretrained_file


class CoherenceMetric(nn.Module):
    """A network with settings whose loss supervises others.

    A metric names the `kind` of its checkpoints and the class of its settings.
    """

    kind: ClassVar[str]
    settings_class: ClassVar[type]

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self.settings = settings
        self.supervising = False

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
        facts = {"settings": asdict(self.settings), "provenance": dict(provenance or {})}
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
        metric = cls(settings).to(device)
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

        Args:
            variant: which of several, see `spfem.pretrained.PRETRAINED`; None for the published
                form.
            device: where to put it.
            supervise: whether it is frozen for supervision.

        Raises:
            SettingsError: if there is none of this class or variant.
            CheckpointError: if the file is missing or not the one that was shipped.
        """
        return cls.load(pretrained_file(cls.kind, variant), device=device, supervise=supervise)


def refuse_swapped(generated: Tensor, source: Tensor) -> None:
    """Make sure that the gradient can reach the generated side, which is the query (any shape).

    Raises:
        ShapeError: if only `source` requires a gradient while gradients are recorded.
    """
    if source.requires_grad and torch.is_grad_enabled() and not generated.requires_grad:
        raise ShapeError(
            "source requires a gradient and generated does not: the arguments are swapped "
            "(call metric(generated, source)) or generated was detached"
        )
