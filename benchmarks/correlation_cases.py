"""Cases of the correlation metrics of pictures: their operators, networks and losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.agreement import Case
from benchmarks.made_up import made_up_images
from benchmarks.sizes import Sizes
from spfem.correlation.asccl import (
    SpatialCoherence,
    adaptive_weight,
    dense_disparities,
    info_nce,
    neighbour_disparities,
    normalise_channels,
    sample_centres,
)
from spfem.correlation.backbone import IResNet
from spfem.correlation.frames import moment_contrast
from spfem.correlation.images import prepare_images
from spfem.correlation.similarity import matched_similarity, mismatched_similarity
from spfem.correlation.stccl import (
    SpatialTemporalCoherence,
    TemporalCoherence,
    adjacent_differences,
    correlation_entries,
    features_at,
    local_sets,
    pair_differences,
)
from spfem.settings import SpatialSettings, TemporalSettings

Metric = SpatialCoherence | TemporalCoherence


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Normal float64 numbers of a shape, the same everywhere."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=random, dtype=torch.float64)


def correlation_cases(sizes: Sizes) -> Iterator[Case]:
    """All cases of `spfem.correlation` without sound."""
    yield from _operators()
    spatial, temporal = sizes.checked_spatial, sizes.checked_temporal
    side = spatial.image_size
    pictures = {"generated": _pictures(2, side, 0), "source": _pictures(2, side, 1)}
    backbone = _seeded(lambda: IResNet(spatial.widths, sizes.spatial.blocks)).train()
    yield Case("IResNet", backbone, {"images": pictures["generated"]}, lambda m, x: m(x["images"]))
    larger = {"images": _pictures(2, side + 8, 2)}
    prepared = nn.Identity()
    yield Case("images resized", prepared, larger, lambda m, x: [prepare_images(x["images"], side)])
    for name, changed in (
        ("ASCCL", spatial),
        ("ASCCL, released", replace(spatial, compat="upstream")),
        ("ASCCL, no weights", replace(spatial, adaptive=False)),
    ):
        metric = _seeded(lambda changed=changed: SpatialCoherence(changed)).train()  # type: ignore[misc]
        yield Case(name, metric, pictures, _spatial, constants=("source",))
    yield Case(
        "ASCCL, supervising",
        _warm(spatial, pictures["source"]),
        pictures,
        _spatial,
        constants=("source",),
    )
    yield from _temporal(temporal)


def _temporal(settings: TemporalSettings) -> Iterator[Case]:
    shape = (2, settings.window_frames)
    side = settings.spatial.image_size
    windows: dict[str, Tensor] = {
        name: _pictures(shape[0] * shape[1], side, seed).unflatten(0, shape)
        for name, seed in (("generated", 0), ("source", 1))
    }
    windows["held"] = torch.arange(shape[0] * (shape[1] - 1) * 2).reshape(2, -1, 2) % 3 == 0
    kinds: tuple[tuple[str, type[TemporalCoherence], dict[str, object]], ...] = (
        ("STCCL, adjacent frames", TemporalCoherence, {}),
        ("STCCL, all pairs", TemporalCoherence, {"frame_pairs": "all", "adaptive": True}),
        ("STCCL, released", TemporalCoherence, {"compat": "upstream"}),
        ("STCCL, matrices", TemporalCoherence, {"formulation": "cm"}),
        ("STCCL, joint", SpatialTemporalCoherence, {}),
        ("STCCL, joint matrices", SpatialTemporalCoherence, {"formulation": "cm"}),
    )
    for name, kind, changes in kinds:
        changed = replace(settings, **changes)  # type: ignore[arg-type]
        metric = _seeded(lambda kind=kind, changed=changed: kind(changed)).train()  # type: ignore[misc]
        yield Case(name, metric, windows, _windows, constants=("source",))


def _spatial(metric: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    assert isinstance(metric, SpatialCoherence)
    random = torch.Generator().manual_seed(0)
    levels = metric.compare(given["generated"], given["source"], generator=random)
    return [metric.total(levels), *(level.cross_entropy for level in levels)]


def _windows(metric: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    assert isinstance(metric, TemporalCoherence)
    random = torch.Generator().manual_seed(0)
    compared = metric.compare(
        given["generated"], given["source"], held=given["held"], generator=random
    )
    levels = [*compared.temporal, *compared.spatial]
    return [metric.total(compared), *(level.cross_entropy for level in levels)]


def _operators() -> Iterator[Case]:
    """Functions without weights, on features of a small map and of a window."""
    maps = {"features": normal(2, 8, 9, 9)}
    places = sample_centres(9, 9, 12, generator=torch.Generator().manual_seed(0))

    def at(given: Mapping[str, Tensor]) -> Tensor:
        return places.to(given["features"].device)

    of_maps: dict[str, Callable[[Mapping[str, Tensor]], Tensor]] = {
        "neighbour disparities": lambda x: neighbour_disparities(x["features"], at(x)),
        "dense disparities": lambda x: dense_disparities(x["features"]),
        "adaptive weight": lambda x: adaptive_weight(x["features"]),
        "features at places": lambda x: features_at(x["features"], at(x)),
        "local sets": lambda x: local_sets(x["features"], at(x)),
        "unit descriptors": lambda x: normalise_channels(x["features"].flatten(2)),
    }
    for name, operator in of_maps.items():
        yield _operator(name, operator, maps)
    window = {"features": normal(2, 5, 8, 12)}
    of_windows: dict[str, Callable[[Mapping[str, Tensor]], Tensor]] = {
        "differences of all pairs": lambda x: pair_differences(x["features"]),
        "differences of neighbours": lambda x: adjacent_differences(x["features"]),
        "correlation entries": lambda x: correlation_entries(
            torch.nn.functional.normalize(x["features"], dim=2)
        ),
    }
    for name, operator in of_windows.items():
        yield _operator(name, operator, window)
    both = {
        name: torch.nn.functional.normalize(normal(4, 8, 16, seed=seed), dim=1)
        for seed, name in enumerate(("query", "key"))
    }
    numbers = torch.tensor([[[0, 0], [5, 6]], [[2, 2], [9, 8]]])
    of_descriptors: dict[str, Callable[[Mapping[str, Tensor]], Tensor]] = {
        "InfoNCE": lambda x: info_nce(x["query"], x["key"], 0.07),
        "contrast of moments": lambda x: moment_contrast(
            x["query"], x["key"], numbers.to(x["key"].device), temperature=0.05, gap_frames=1
        ),
        "matched similarity": lambda x: matched_similarity(x["query"], x["key"]),
        "mismatched similarity": lambda x: mismatched_similarity(x["query"], x["key"]),
    }
    for name, operator in of_descriptors.items():
        yield _operator(name, operator, both)


def _operator(
    name: str, operator: Callable[[Mapping[str, Tensor]], Tensor], inputs: Mapping[str, Tensor]
) -> Case:
    return Case(name, nn.Identity(), inputs, lambda module, given: [operator(given)])


def _pictures(count: int, side: int, seed: int) -> Tensor:
    """Smooth pictures with fine grain, without which neighbours are alike to rounding."""
    grain = normal(count, 3, side, side, seed=seed)
    return (made_up_images(count, side, seed).double() + 0.5 * grain).clamp(-1, 1)


def _seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def _warm(settings: SpatialSettings, pictures: Tensor) -> nn.Module:
    """A frozen metric whose batch norms have seen pictures."""
    metric = _seeded(lambda: SpatialCoherence(settings)).train()
    with torch.no_grad():
        for _ in range(20):
            metric.resnet50(pictures.float())  # type: ignore[operator]
    assert isinstance(metric, SpatialCoherence)
    return metric.supervise()
