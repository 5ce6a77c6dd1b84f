"""What the networks cost: parameters, arithmetic, time and memory, beside the published facts.

The networks of a scale with inputs of the right shapes, whose cost is measured.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.encoders import (
    AudioEncoder,
    CrossAttentionFusion,
    ExpressionEncoder,
    ImageEncoder,
)
from spfem.correlation.learn import formulated
from spfem.correlation.stccl import SpatialTemporalCoherence, TemporalCoherence
from spfem.evaluation.lip_sync_network import CEPSTRA, FRAMES, ROWS, LipSyncNetwork
from spfem.manipulator.networks import ExpressionSpace, Manipulator
from spfem.precision import autocast
from spfem.renderer.networks import new_renderer
from spfem.scales import Scale, load_scale
from spfem.settings import (
    CrossModalSettings,
    LipSyncSettings,
    ManipulatorSettings,
    RendererSettings,
    SpatialSettings,
    TemporalSettings,
)
from studies.paper_claims import read_published


@dataclass(frozen=True)
class CostItem:
    """One network and what a unit of its work is.

    Attributes:
        network: as in `data/published/network_costs.csv`, where it is published.
        per: unit of work, with sizes.
        module: whose parameters count.
        inputs: of one unit.
        call: what is called with the inputs; default the module.
        learns: whether a unit is a learning step (forward, backward, Adam) on the result, a loss.
        pictures: that the backbone of a metric runs forward in a unit; of a learning step also
            backward, which is twice the work, for the first of both batches. 0 for others.
    """

    network: str
    per: str
    module: nn.Module
    inputs: tuple[Tensor, ...]
    call: Callable[..., object] | None = None
    learns: bool = False
    pictures: int = 0

    def run(self, inputs: Sequence[Tensor]) -> object:
        """Do one unit of work on inputs like `inputs`, of any shape that the item takes."""
        return (self.call or self.module)(*inputs)


def list_cost_items(scale: Scale, expression_size: int) -> list[CostItem]:
    """Every network of a scale, with initial weights.

    Args:
        scale: whose sizes.
        expression_size: E, coefficients of a frame (papers: 51).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [
            *_spatial(scale.spatial),
            *_temporal(scale.temporal),
            *_cross_modal(scale.cross_modal, expression_size),
            *_manipulator(scale.manipulator, expression_size),
            *_renderer(scale.renderer),
            _lip_sync(scale.lip_sync),
        ]


def _spatial(settings: SpatialSettings) -> list[CostItem]:
    side, count = settings.image_size, settings.batch_size
    metric = SpatialCoherence(settings)
    pairs = tuple(torch.rand(2, count, 3, side, side) * 2 - 1)
    return [
        CostItem("spatial metric", f"image of {side} px", metric, (pairs[0][:1],), metric.resnet50),
        CostItem(
            "spatial metric step",
            f"learning step of {count} pairs of {side} px",
            metric,
            pairs,
            learns=True,
            pictures=4 * count,
        ),
    ]


def _temporal(settings: TemporalSettings) -> list[CostItem]:
    side, frames, count = settings.image_size, settings.window_frames, settings.batch_size
    windows = tuple(torch.rand(2, count, frames, 3, side, side) * 2 - 1)
    items = []
    for name, kind in (
        ("temporal_vd", TemporalCoherence),
        ("temporal_cm", TemporalCoherence),
        ("spatial_temporal_vd", SpatialTemporalCoherence),
        ("spatial_temporal_cm", SpatialTemporalCoherence),
    ):
        metric = kind(formulated(name, settings))
        per = f"pair of windows of {frames} frames of {side} px"
        one = tuple(window[:1] for window in windows)
        title = f"{name.replace('_', ' ')} metric"
        items.append(CostItem(title, per, metric, one, pictures=2 * frames))
        if name == "spatial_temporal_vd":
            per = f"learning step of {count} {per.replace('pair', 'pairs')}"
            pictures = 4 * count * frames
            step = CostItem(f"{title} step", per, metric, windows, learns=True, pictures=pictures)
            items.append(step)
    return items


def _cross_modal(settings: CrossModalSettings, expression_size: int) -> list[CostItem]:
    audio, expression = AudioEncoder(settings), ExpressionEncoder(settings)
    fusion = CrossAttentionFusion(settings, audio.feature_channels)
    samples, side = settings.frame_samples, settings.image_size
    sound = torch.rand(1, 1, samples) * 2 - 1
    with torch.no_grad():
        features = audio.eval().encode(sound)
    return [
        CostItem("audio encoder", f"clip of {samples} samples", audio, (sound,)),
        CostItem(
            "expression encoder",
            f"{expression_size} coefficients",
            expression,
            (torch.randn(1, 1, expression_size),),
        ),
        CostItem(
            "image encoder",
            f"image of {side} px",
            ImageEncoder(settings),
            (torch.rand(1, 3, side, side) * 2 - 1,),
        ),
        CostItem("cross-attention", "two frames", fusion, (features, features)),
    ]


def _manipulator(settings: ManipulatorSettings, expression_size: int) -> list[CostItem]:
    names = ("jaw", *(f"coefficient{n}" for n in range(1, expression_size)))
    networks = Manipulator(settings, ExpressionSpace(names))
    frames = settings.window_frames
    window, label = torch.randn(1, frames, expression_size), torch.zeros(1, dtype=torch.int64)
    style, latent = torch.randn(1, settings.style_size), torch.randn(1, settings.latent_size)
    per = f"window of {frames} frames"
    return [
        CostItem("manipulator generator", per, networks.generator, (window, style)),
        CostItem("style encoder", per, networks.style_encoder, (window,)),
        CostItem("manipulator discriminator", per, networks.discriminator, (window, label)),
        CostItem("mapping network", "style", networks.mapping_network, (latent, label)),
    ]


def _renderer(settings: RendererSettings) -> list[CostItem]:
    renderer, side = new_renderer(settings, 0), settings.image_size
    channels, frames, mouth = (
        settings.condition_channels,
        settings.window_frames,
        settings.mouth_size,
    )

    def pictures(size: int) -> tuple[Tensor, Tensor]:
        return torch.rand(1, channels, size, size), torch.rand(1, 3, size, size) * 2 - 1

    windows = torch.rand(1, frames, channels, side, side)
    previous = torch.rand(1, frames - 1, 3, side, side) * 2 - 1
    return [
        CostItem(
            "renderer generator", f"frame of {side} px", renderer.generator, (windows, previous)
        ),
        CostItem(
            "renderer discriminator",
            f"picture of {side} px",
            renderer.image_discriminator,
            pictures(side),
        ),
        CostItem(
            "renderer mouth discriminator",
            f"picture of {mouth} px",
            renderer.mouth_discriminator,
            pictures(mouth),
        ),
    ]


def _lip_sync(settings: LipSyncSettings) -> CostItem:
    """The network behind LSE-D and LSE-C; its size is the same at every scale."""
    network, side = LipSyncNetwork(settings), settings.crop_size

    def embed(lips: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        return network.embed_lips(lips), network.embed_sound(sound)

    inputs = torch.rand(1, FRAMES, side, side) - 0.5, torch.randn(1, CEPSTRA, ROWS)
    return CostItem("lip-sync network", f"window of {FRAMES} frames", network, inputs, embed)


MIB = 2**20
PAPER_EXPRESSION = 51  # coefficients of a frame in the papers
COLUMNS = (
    "size", "network", "per", "parameters", "gflop", "seconds", "peak_mib",
    "published_parameters", "published_gflop",
)  # fmt: skip


def cost_table(
    scale: Scale, expression_size: int, *, device: str, repeats: int = 3
) -> pd.DataFrame:
    """Rows with `COLUMNS`, first at the workspace's scale, then at the papers' sizes.

    * `gflop`: 10^9 operations of one unit of work, two a multiply-add, counted while it runs on
      the processor; learning steps include the backward pass. At the papers' sizes a unit of
      several pictures counts as that many times one picture (`CostItem.pictures`), which leaves
      out the comparison of their features, under 1 % there.
    * `seconds`, `peak_mib`: of the workspace's scale only, on its device, in its precision. The
      peak is that of tensors allocated during the work, above weights and inputs.
    * `published_...`: facts of `data/published/network_costs.csv`, only beside the papers' sizes.

    Args:
        scale: of the workspace.
        expression_size: E of its manipulator.
        device: `cpu` or `cuda`.
        repeats: timed runs, of which the median counts.
    """
    rows = [
        _describe(item, scale.name) | _measure(item, scale, device, repeats)
        for item in list_cost_items(scale, expression_size)
    ]
    facts, picture = read_published("network_costs").set_index("network"), 0.0
    for item in list_cost_items(load_scale("paper"), PAPER_EXPRESSION):
        row = _describe(item, "papers", counted=item.pictures * picture)
        if item.network == "spatial metric":
            picture = row["gflop"]
        if item.network in facts.index:
            fact = facts.loc[item.network]
            row |= {"published_parameters": fact.parameters, "published_gflop": fact.gflop}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def count_parameters(module: nn.Module) -> int:
    """Learned numbers of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_gflop(item: CostItem) -> float:
    """10^9 operations of one unit of work, on the processor.

    The counter does not know the fused LSTM of oneDNN, so networks with one run without it.
    """
    item.module.train(item.learns)
    counter = FlopCounterMode(display=False)
    recurrent = any(isinstance(module, nn.LSTM) for module in item.module.modules())
    fused = torch.backends.mkldnn.flags(enabled=not recurrent)  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the switch warns of other processors
        with fused, counter, torch.set_grad_enabled(item.learns):
            result = item.run(item.inputs)
            if isinstance(result, Tensor) and item.learns:
                result.backward()
    return counter.get_total_flops() / 1e9


def peak_bytes(
    work: Callable[[], object], module: nn.Module, inputs: Sequence[Tensor], device: str
) -> int:
    """Most bytes of tensors beside weights and inputs while `work` runs.

    On the processor tensors (of any shape) are followed one by one; scratch memory inside an
    operation is left out. Gradients and what the optimiser keeps count.
    """
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    from torch.distributed._tools.mem_tracker import MemTracker

    tracker = MemTracker()
    tracker.track_external(module, *inputs)
    with tracker:
        held = tracker.get_tracker_snapshot("current")
        work()
    before, most = (
        max((part["Total"] for part in snapshot.values()), default=0)
        for snapshot in (held, tracker.get_tracker_snapshot("peak"))
    )
    return int(most - before)


def published_share(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the papers' sizes with a published number, and ours as a share of it."""
    rows = table[(table["size"] == "papers") & table.published_gflop.notna()]
    return rows[["network", "per"]].assign(
        parameters=rows.parameters / rows.published_parameters,
        gflop=rows.gflop / rows.published_gflop,
    )


def _describe(item: CostItem, size: str, *, counted: float = 0.0) -> dict[str, Any]:
    return {
        "size": size,
        "network": item.network,
        "per": item.per,
        "parameters": count_parameters(item.module),
        "gflop": counted or count_gflop(item),
    }


def _measure(item: CostItem, scale: Scale, device: str, repeats: int) -> dict[str, Any]:
    item.module.to(device).train(item.learns)
    inputs = tuple(tensor.to(device) for tensor in item.inputs)
    optimiser = torch.optim.Adam(item.module.parameters()) if item.learns else None
    precision = scale.renderer.precision if item.network.startswith("renderer") else "float32"

    def work() -> None:
        with torch.set_grad_enabled(item.learns), autocast(device, precision):
            result = item.run(inputs)
            if optimiser is not None and isinstance(result, Tensor):
                optimiser.zero_grad(set_to_none=True)
                result.backward()
                optimiser.step()

    work()
    timer = Timer("work()", globals={"work": work}, num_threads=torch.get_num_threads())
    seconds = float(np.median([timer.timeit(1).median for _ in range(repeats)]))
    return {"seconds": seconds, "peak_mib": peak_bytes(work, item.module, inputs, device) / MIB}
