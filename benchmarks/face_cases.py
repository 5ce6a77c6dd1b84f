"""Cases of the networks around: segmenter, DECA's encoders, lip sync, ResNet-18."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from benchmarks.agreement import Case
from benchmarks.correlation_cases import normal
from benchmarks.sizes import Sizes
from spfem.correlation.encoders import ResNet18
from spfem.evaluation.lip_sync_network import (
    CEPSTRA,
    FRAMES,
    ROWS,
    LipSyncNetwork,
    centred_crops,
    centred_rows,
)
from spfem.released.deca import COARSE_OUTPUTS, DetailDecoder, FaceEncoder
from spfem.released.segment import FaceSegmenter
from spfem.renderer.losses import PerceptualLoss


def face_cases(sizes: Sizes) -> Iterator[Case]:
    """Networks that the package learns beside its own, and small ones that it reads from files."""
    pictures = _pictures(sizes)
    network = _seeded(lambda: ResNet18(sizes.cross_modal.image_width, 16)).train()
    yield Case("ResNet-18", network, pictures, _forward)
    codes = {"jaw": normal(2, 3), "expression": normal(2, 50), "detail": normal(2, 128)}
    decoder = _seeded(DetailDecoder).train()
    yield Case("DECA detail decoder", decoder, codes, lambda m, x: [m(*x.values())])
    yield from _lip_sync(sizes)


def fixed_cases(sizes: Sizes) -> Iterator[Case]:
    """Large networks of one size, which a rehearsal leaves out."""
    pictures = _pictures(sizes)
    for name, make in (
        ("segmenter", FaceSegmenter),
        ("DECA encoder", lambda: FaceEncoder(COARSE_OUTPUTS)),
    ):
        # In evaluation, as they are used: batch norm of two pictures of one place says nothing.
        yield Case(name, _seeded(make).eval(), pictures, _forward)
    side = sizes.picture_side
    both = {name: normal(1, 3, side, side, seed=n).tanh() for n, name in enumerate("ab")}
    yield Case(
        "VGG19 loss", _seeded(PerceptualLoss), both, lambda m, x: [m(x["a"], x["b"])], ("b",)
    )


def _pictures(sizes: Sizes) -> dict[str, Tensor]:
    side = sizes.picture_side
    return {"x": torch.sigmoid(normal(2, 3, side, side))}


def _forward(module: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    return [module(given["x"])]


def _lip_sync(sizes: Sizes) -> Iterator[Case]:
    side = sizes.lip_sync.crop_size
    crops = torch.randint(0, 256, (12, side, side), generator=torch.Generator().manual_seed(0))
    windows = {
        "lips": normal(4, FRAMES, side, side),
        "sound": normal(4, CEPSTRA, ROWS, seed=1),
        "rows": normal(30, CEPSTRA, seed=2),
    }

    def embed(module: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
        assert isinstance(module, LipSyncNetwork)
        return [
            module.embed_lips(given["lips"]),
            module.embed_sound(given["sound"]),
            centred_rows(given["rows"]),
        ]

    network = _seeded(lambda: LipSyncNetwork(sizes.lip_sync)).train()
    yield Case("lip-sync network", network, windows, embed)
    yield Case(
        "lip-sync crops",
        nn.Identity(),
        {"crops": crops},
        lambda m, x: [centred_crops(x["crops"])],
        precisions=("float32",),  # in which whole numbers are computed, whatever the network's
    )


def released_lip_sync_case() -> Case:
    """SyncNet of the published size.

    Raises:
        ModuleNotFoundError: on a machine with the light install, which has no OpenCV.
    """
    from spfem.evaluation.lip_sync import SyncNet

    windows = {"lips": normal(2, 3, 5, 224, 224), "sound": normal(2, 1, 13, 20, seed=1)}
    network = _seeded(SyncNet).train()
    return Case(
        "SyncNet",
        network,
        windows,
        lambda m, x: [m.embed_lips(x["lips"]), m.embed_sound(x["sound"])],  # type: ignore[operator]
    )


def _seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()
