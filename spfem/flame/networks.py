"""DECA's three networks and the file that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from spfem.checkpoints import load_checkpoint, load_weights, tensors_below
from spfem.flame.detail import DetailDecoder
from spfem.flame.encoder import COARSE_OUTPUTS, DETAIL_OUTPUTS, FaceEncoder
from spfem.released_files import read_released

CHECKPOINT_KIND = "deca_networks"
NETWORKS = ("E_flame", "E_detail", "D_detail")


@dataclass(frozen=True)
class DecaNetworks:
    """The three networks of `deca_model.tar`, in evaluation mode and frozen.

    Attributes:
        coarse_encoder: image to 236 coefficients.
        detail_encoder: image to 128 coefficients.
        detail_decoder: coefficients to a displacement map.
    """

    coarse_encoder: FaceEncoder
    detail_encoder: FaceEncoder
    detail_decoder: DetailDecoder

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.coarse_encoder.parameters()).device

    def to(self, device: torch.device | str) -> DecaNetworks:
        """Move the networks themselves and return them."""
        for module in (self.coarse_encoder, self.detail_encoder, self.detail_decoder):
            module.to(device)
        return self


def read_networks(path: Path) -> DecaNetworks:
    """Read `deca_model.tar` strictly (the released loader skips what does not fit).

    Also reads the safetensors file that `import-checkpoint deca` makes of it.

    Raises:
        CheckpointError: if the file is damaged, holds code, or its entries are missing, surplus or
            of another shape.
    """
    if path.suffix == ".safetensors":
        return fill_networks(load_checkpoint(path, kind=CHECKPOINT_KIND)[0], path)
    return fill_networks(read_released(path, NETWORKS).tensors, path)


def fill_networks(tensors: Mapping[str, Tensor], path: Path) -> DecaNetworks:
    """Networks of entries `E_flame.*`, `E_detail.*` and `D_detail.*`, read from `path`.

    Raises:
        CheckpointError: if entries are missing, surplus or of another shape.
    """
    with torch.device("meta"):  # no time for values that are overwritten at once
        modules: tuple[nn.Module, ...] = (
            FaceEncoder(COARSE_OUTPUTS),
            FaceEncoder(DETAIL_OUTPUTS),
            DetailDecoder(),
        )
    for name, module in zip(NETWORKS, modules, strict=True):
        module.to_empty(device="cpu")
        own = tensors_below(tensors, f"{name}.")
        load_weights(module, own, f"{path} ({name})", advice="give the released deca_model.tar")
        module.eval().requires_grad_(False)
    return DecaNetworks(*modules)  # type: ignore[arg-type]
