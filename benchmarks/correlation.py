"""Learning steps of the metrics, their supervision with its memory, and the alignment of sound."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from benchmarks.clock import median_seconds
from benchmarks.made_up import (
    made_up_images,
    made_up_metric,
    made_up_samples,
    made_up_speech,
    retrieved_windows,
)
from benchmarks.rows import MIB, Row, Step, measure_apart, peak_bytes, reference
from spfem.correlation.asccl import SpatialCoherence, compare_level
from spfem.correlation.learn_sound import compare_joint, compare_single, initial_encoder
from spfem.correlation.paired import distance_consistency_loss
from spfem.correlation.sound import BatchDraw
from spfem.correlation.stccl import TemporalCoherence
from spfem.settings import CrossModalSettings, SpatialSettings, TemporalSettings

PRECISIONS = ("float32", "bfloat16")
SLOW = 1e-5  # learning rate of the cross-modal metric


def learning_step(
    network: torch.nn.Module,
    loss_of: Callable[[], torch.Tensor],
    *,
    rate: float = 1e-3,
    accumulate: bool = False,
) -> Step:
    """A call that takes one step of Adam on `loss_of` and returns the loss.

    The released learning of SCMCL lets gradients accumulate.
    """
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)

    def step() -> float:
        if not accumulate:
            optimiser.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def spatial_step(
    device: str, settings: SpatialSettings | None = None, repeats: int = 3
) -> list[Row]:
    """Rows of the spatial step in both precisions; the loss of bfloat16 is compared, too."""
    released = reference("spatial")
    settings = settings or SpatialSettings()
    query, key = (
        made_up_images(settings.batch_size, settings.image_size, seed).to(device) for seed in (0, 1)
    )
    torch.manual_seed(0)
    start = SpatialCoherence(settings).to(device)
    plain = released.plain_copy(start)
    ways = {"reference": learning_step(plain, lambda: released.spatial_loss(plain, query, key)[0])}
    first_losses = {}
    for precision in PRECISIONS:
        ours = SpatialCoherence(replace(settings, precision=precision)).to(device).train()
        ours.load_state_dict(start.state_dict())
        drawn = torch.Generator().manual_seed(0)
        with torch.no_grad():
            levels = ours.compare(query, key, generator=drawn)
            first_losses[precision] = float(ours.total(levels))
        ours.load_state_dict(start.state_dict())
        ways[precision] = learning_step(ours, lambda ours=ours: ours(query, key))  # type: ignore[misc]
    seconds = median_seconds(ways, device=device, repeats=repeats)
    work = (
        f"{settings.batch_size} pairs of {settings.image_size} px, "
        f"{torch.get_num_threads()} threads"
    )
    exact = first_losses["float32"]
    error = abs(first_losses["bfloat16"] - exact) / exact
    notes = {"float32": "", "bfloat16": f"; first loss differs by {error:.1e} relative"}
    rows = [
        Row("spatial_step", device, p, work + notes[p], seconds["reference"], seconds[p])
        for p in PRECISIONS
    ]
    return [*rows, _overhead(device, start, released, query, seconds["float32"])]


def _overhead(
    device: str, metric: SpatialCoherence, released: object, images: torch.Tensor, step: float
) -> Row:
    """Drawing places and comparing levels alone, without the backbone."""
    with torch.no_grad():
        maps = metric.resnet50(images)
    plain = released.plain_copy(metric)  # type: ignore[attr-defined]
    plain.resnet50 = _Recorded(maps)

    def ours() -> None:
        for level, (features, at) in enumerate(zip(maps, metric.draw_centres(maps), strict=True)):
            compare_level(metric.mlp, level, features, features, at, metric.settings)

    seconds = median_seconds(
        {
            "reference": lambda: released.spatial_loss(plain, images, images),  # type: ignore[attr-defined]
            "ours": ours,
        },
        device=device,
        repeats=5,
    )
    work = f"drawing places and comparing levels: {seconds['ours'] / step:.2%} of a float32 step"
    return Row("sampling_overhead", device, "float32", work, seconds["reference"], seconds["ours"])


class _Recorded(torch.nn.Module):
    """Stands in for a backbone: gives the same maps for any images."""

    def __init__(self, maps: list[torch.Tensor]) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return self.maps


def temporal_step(
    device: str, settings: TemporalSettings | None = None, repeats: int = 3
) -> list[Row]:
    """Rows of the step of all-pairs differences, windows of 5 frames, at 128 px."""
    released = reference("spatial")
    settings = settings or TemporalSettings(
        spatial=SpatialSettings(image_size=128),
        window_frames=5,
        batch_size=1,
        frame_pairs="all",
    )
    side, shape = settings.spatial.image_size, (settings.batch_size, settings.window_frames)
    query, key = (
        made_up_images(shape[0] * shape[1], side, seed).unflatten(0, shape).to(device)
        for seed in (0, 1)
    )
    torch.manual_seed(0)
    start = TemporalCoherence(settings).to(device)
    plain = released.plain_copy(start)
    ways = {"reference": learning_step(plain, lambda: released.temporal_loss(plain, query, key)[0])}
    for precision in PRECISIONS:
        spatial = replace(settings.spatial, precision=precision)
        ours = TemporalCoherence(replace(settings, spatial=spatial)).to(device)
        ours.load_state_dict(start.state_dict())
        ways[precision] = learning_step(ours, lambda ours=ours: ours(query, key))  # type: ignore[misc]
    seconds = median_seconds(ways, device=device, repeats=repeats)
    work = f"{shape[0]} pair of {shape[1]} frames of {side} px, all pairs of frames"
    return [
        Row("temporal_step", device, p, work, seconds["reference"], seconds[p]) for p in PRECISIONS
    ]


GROUPS = {"actors": 36, "emotions": 6}  # as released


def stage_a(
    device: str, settings: CrossModalSettings | None = None, frames: int = 80, repeats: int = 3
) -> list[Row]:
    """Rows of single-modality learning of audio: one step, and one epoch."""
    settings, released = settings or CrossModalSettings(), reference("crossmodal")
    table, samples = made_up_samples(settings, **GROUPS, frames=frames)
    draw, random = BatchDraw(table, samples, settings), np.random.default_rng(0)
    plain, ours = (initial_encoder("audio", settings, 0).to(device) for _ in range(2))

    def released_loss() -> torch.Tensor:
        chosen = released.rejected_batch(samples, int(random.integers(len(samples))), batch)
        return released.stage_a_loss(plain, table, "audio", samples, chosen)[0]

    batch = settings.batch_size
    ways = {
        "reference": learning_step(plain, released_loss, rate=SLOW, accumulate=True),
        "ours": learning_step(
            ours,
            lambda: compare_single(ours, table, "audio", draw(random), settings).loss,
            rate=SLOW,
        ),
    }
    return _rows("stage_a", device, ways, len(samples), batch, repeats)


def stage_b(
    device: str, settings: CrossModalSettings | None = None, frames: int = 80, repeats: int = 3
) -> list[Row]:
    """Rows of joint learning of audio and expressions: one step, and one epoch."""
    settings, released = settings or CrossModalSettings(), reference("crossmodal")
    table, samples = made_up_samples(settings, **GROUPS, frames=frames)
    draw, random = BatchDraw(table, samples, settings), np.random.default_rng(0)
    plain, ours = (made_up_metric(settings).to(device) for _ in range(2))
    batch = settings.batch_size

    def released_loss() -> torch.Tensor:
        chosen = released.rejected_batch(samples, int(random.integers(len(samples))), batch)
        return released.stage_b_loss(plain, table, samples, chosen)

    ways = {
        "reference": learning_step(plain, released_loss, rate=SLOW, accumulate=True),
        "ours": learning_step(
            ours, lambda: compare_joint(ours, table, draw(random), consistent=True).loss, rate=SLOW
        ),
    }
    return _rows("stage_b", device, ways, len(samples), batch, repeats)


def _rows(
    bench: str, device: str, ways: dict[str, Step], samples: int, batch: int, repeats: int
) -> list[Row]:
    seconds = median_seconds(ways, device=device, repeats=repeats)
    reference_step, step = seconds["reference"], seconds["ours"]
    steps = -(-samples // batch)
    epoch = (
        f"every one of {samples} pairs drawn once: {samples} released steps (one a pair), "
        f"{steps} of ours; from {repeats} measured steps each"
    )
    alone = f"one step on {batch} pairs"
    return [
        Row(bench, device, "float32", epoch, reference_step * samples, step * steps),
        Row(f"{bench}_step", device, "float32", alone, reference_step, step),
    ]


def paired_term(
    device: str, settings: CrossModalSettings | None = None, batch: int = 64, repeats: int = 3
) -> list[Row]:
    """The row of the similarity term, forward and backward to the generated windows."""
    settings, released = settings or CrossModalSettings(), reference("crossmodal")
    metric = made_up_metric(settings).to(device).supervise()
    eligible = batch * 50 // 64
    rows = retrieved_windows(batch, eligible)
    tensors = {name: value.to(device) for name, value in vars(rows).items()}
    generated = tensors.pop("generated").requires_grad_()
    labels = tensors["source_label"], tensors["target_label"]
    with torch.no_grad():  # the metric is frozen: made once for a data set
        known = {name: metric.embed_visual(tensors[name]) for name in ("source", "between")}

    def looped() -> None:
        released.looped_consistency(
            metric,
            generated,
            tensors["source"],
            tensors["between"],
            tensors["distance"],
            tensors["between_distance"],
            labels,
        ).backward()

    def batched() -> None:
        distance_consistency_loss(
            metric,
            generated,
            None,
            tensors["distance"],
            tensors["paired"],
            *labels,
            source_embedding=known["source"],
            intermediate_embedding=known["between"],
        ).backward()

    seconds = median_seconds({"reference": looped, "ours": batched}, device=device, repeats=repeats)
    work = f"similarity term, {eligible} of {batch} windows eligible, forward and backward"
    return [Row("paired_term", device, "float32", work, seconds["reference"], seconds["ours"])]


def pairing(device: str, clip_seconds: float = 4.0, repeats: int = 9) -> list[Row]:
    """The row of cepstra and warping path of one pair of clips; always on the processor."""
    from spfem.pairing.dtw import align_sequences, mfcc

    released = reference("pairing")
    a, b = (made_up_speech(clip_seconds, seed) for seed in (0, 1))
    seconds = median_seconds(
        {
            "reference": lambda: released.dtw(released.mfcc(a), released.mfcc(b)),
            "ours": lambda: align_sequences(mfcc(a, 16000, 30), mfcc(b, 16000, 30)),
        },
        repeats=repeats,
    )
    work = f"cepstra and warping path of two clips of {clip_seconds:g} s"
    return [Row("pairing", "cpu", "float64", work, seconds["reference"], seconds["ours"])]


def peak_mib(way: str, device: str, image_size: int, pairs: int) -> float:
    """Peak above what is held before the step: forward, and backward to the generated images."""
    torch.manual_seed(0)
    metric = SpatialCoherence(SpatialSettings(image_size=image_size)).to(device).supervise()
    generated, source = (made_up_images(pairs, image_size, n).to(device) for n in (0, 1))
    generated.requires_grad_()
    released = reference("spatial")
    plain = released.plain_copy(metric)  # in both ways, so that the base line is the same
    network = metric if way == "ours" else plain
    # A small step first, so that libraries are loaded before the base line.
    small = made_up_images(1, 64, 0).to(device).requires_grad_()
    network.resnet50(small)[-1].sum().backward()
    before = peak_bytes(device, reset=True)
    if way == "ours":
        loss = metric(generated, source)
    else:
        loss, _ = released.spatial_loss(plain, generated, source)
    loss.backward()
    return (peak_bytes(device) - before) / MIB


def supervision_memory(device: str, *, image_size: int = 224, pairs: int = 8) -> list[Row]:
    """The row of peak memory, in MiB.

    Raises:
        SpfemError: if a measured process fails.
    """
    peaks = {}
    for way in ("reference", "ours"):
        peaks[way] = measure_apart("correlation", way, device, str(image_size), str(pairs))
    work = f"MiB peak of a supervision step, {pairs} pairs of {image_size} px"
    return [Row("supervision_memory", device, "float32", work, peaks["reference"], peaks["ours"])]


if __name__ == "__main__":
    print(peak_mib(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
