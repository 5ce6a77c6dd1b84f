"""SCMCL: steps of stage A and stage B, and the paired term, against the released ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.clock import median_seconds
from benchmarks.correlation import paired_term
from benchmarks.made_up import made_up_metric, made_up_samples
from benchmarks.record import Record
from benchmarks.rows import Row, Step, reference
from benchmarks.sizes import Sizes
from benchmarks.waits import count_waits
from spfem.correlation.learn_sound import compare_joint, compare_single, initial_encoder
from spfem.correlation.sound import BatchDraw

LITERAL = 3.0  # aim: times the literal version


def cross_modal_steps(record: Record, device: str, sizes: Sizes) -> None:
    """Rows of a step of either stage on `batch_size` pairs, and of the paired term."""
    settings, released = sizes.cross_modal, reference("crossmodal")
    actors, emotions, frames = sizes.groups
    table, samples = made_up_samples(settings, actors=actors, emotions=emotions, frames=frames)
    draw, random = BatchDraw(table, samples, settings), np.random.default_rng(0)
    batch = settings.batch_size

    def chosen() -> list[int]:
        return released.rejected_batch(samples, int(random.integers(len(samples))), batch)

    plain, ours = (initial_encoder("audio", settings, 0).to(device) for _ in range(2))
    stages: dict[str, tuple[Step, Step]] = {
        "stage_a_step": (
            _step(
                plain, lambda: released.stage_a_loss(plain, table, "audio", samples, chosen())[0]
            ),
            _step(ours, lambda: compare_single(ours, table, "audio", draw(random), settings).loss),
        )
    }
    literal, joint = (made_up_metric(settings).to(device) for _ in range(2))
    stages["stage_b_step"] = (
        _step(literal, lambda: released.stage_b_loss(literal, table, samples, chosen())),
        _step(joint, lambda: compare_joint(joint, table, draw(random), consistent=True).loss),
    )
    for bench, (theirs, own) in stages.items():
        record.check(f"{bench}, waits in a step", count_waits(own, device), 0)
        ways = {"literal": theirs, "ours": own}
        seconds = median_seconds(ways, device=device, repeats=sizes.repeats)
        work = f"one step on {batch} pairs, drawn anew; a released step a pair, one of ours a batch"
        record.row(Row(bench, device, "float32", work, seconds["literal"], seconds["ours"]))
        record.aim(f"{bench}, times the literal", seconds["literal"] / seconds["ours"], LITERAL)
    for row in paired_term(device, settings, batch=batch, repeats=sizes.repeats):
        record.row(row)
        record.aim("paired_term, times the literal", row.reference / row.ours, LITERAL)


def _step(network: torch.nn.Module, loss_of: Callable[[], Tensor]) -> Step:
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-5)
    return partial(_update, optimiser, loss_of)


def _update(optimiser: torch.optim.Optimizer, loss_of: Callable[[], Tensor]) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss_of().backward()
    optimiser.step()
