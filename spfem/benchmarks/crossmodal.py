"""Learning of the cross-modal metric, its supervision term, and the alignment of sound."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from spfem.benchmarks.made_up import (
    made_up_metric,
    made_up_samples,
    made_up_speech,
    retrieved_windows,
)
from spfem.benchmarks.table import Row
from spfem.benchmarks.timing import Step, median_seconds, reference
from spfem.correlation.crossmodal.batches import BatchDraw
from spfem.correlation.crossmodal.joint import compare_joint
from spfem.correlation.crossmodal.paired import distance_consistency_loss
from spfem.correlation.crossmodal.single import compare_single, initial_encoder
from spfem.settings import CrossModalSettings

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
        "reference": _step(plain, released_loss, accumulate=True),
        "ours": _step(
            ours, lambda: compare_single(ours, table, "audio", draw(random), settings).loss
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
        "reference": _step(plain, released_loss, accumulate=True),
        "ours": _step(ours, lambda: compare_joint(ours, table, draw(random), consistent=True).loss),
    }
    return _rows("stage_b", device, ways, len(samples), batch, repeats)


def _step(
    network: torch.nn.Module, loss_of: Callable[[], torch.Tensor], *, accumulate: bool = False
) -> Step:
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-5)

    def step() -> None:
        if not accumulate:
            optimiser.zero_grad(set_to_none=True)
        loss_of().backward()
        optimiser.step()

    return step


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
    from spfem.pairing.dtw import align_sequences
    from spfem.pairing.mfcc import mfcc

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
