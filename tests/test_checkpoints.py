from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

import pytest
import torch

from spfem.checkpoints import load_checkpoint, save_checkpoint, settings_from_facts
from spfem.correlation import SpatialCoherence
from spfem.errors import CheckpointError
from spfem.settings import SpatialSettings
from tests.correlation.planted import SMALL


def test_round_trip_keeps_settings_weights_and_loss(tmp_path):
    metric = SpatialCoherence(replace(SMALL, temperature=0.1)).eval()
    path = tmp_path / "metric.safetensors"
    metric.save(path, provenance={"seed": 3})
    loaded = SpatialCoherence.load(path)
    assert loaded.settings == metric.settings
    assert loaded.supervising
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    pair = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    losses = [
        m.total(m.compare(*pair, generator=torch.Generator().manual_seed(0)))
        for m in (metric, loaded)
    ]
    assert losses[0].item() == losses[1].item()
    assert load_checkpoint(path, kind="spatial coherence")[1]["provenance"] == {"seed": 3}
    assert SpatialCoherence.load(path, supervise=False).train().training


def test_missing_damaged_and_foreign_files_are_named(tmp_path):
    path = tmp_path / "metric.safetensors"
    with pytest.raises(CheckpointError, match="does not exist"):
        SpatialCoherence.load(path)
    SpatialCoherence(SMALL).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        SpatialCoherence.load(path)
    save_checkpoint(path, {"a": torch.zeros(1)}, kind="renderer", facts={})
    with pytest.raises(CheckpointError, match="holds 'renderer'"):
        SpatialCoherence.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("mlp.0.bias"), "lacks 1 entries"),
        (lambda t: t.update(extra=torch.zeros(1)), "surplus"),
        (lambda t: t.update({"mlp.0.bias": torch.zeros(3)}), "misshapes"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, change, message):
    path = tmp_path / "metric.safetensors"
    SpatialCoherence(SMALL).save(path)
    tensors, facts = load_checkpoint(path, kind="spatial coherence")
    change(tensors)
    save_checkpoint(path, tensors, kind="spatial coherence", facts=facts)
    with pytest.raises(CheckpointError, match=message):
        SpatialCoherence.load(path)


@dataclass(frozen=True)
class Nested:
    """Settings that hold settings, as those of the temporal metric."""

    spatial: SpatialSettings = field(default_factory=SpatialSettings)
    corners: tuple[tuple[int, int], ...] = ((1, 2), (3, 4))
    name: str = "x"
    weight: float | None = None


def test_nested_settings_come_back_as_they_were(tmp_path):
    settings = Nested(spatial=SMALL, name="y")
    path = tmp_path / "nested.safetensors"
    save_checkpoint(path, {"a": torch.zeros(1)}, kind="nested", facts={"s": asdict(settings)})
    _, facts = load_checkpoint(path, kind="nested")
    assert settings_from_facts(Nested, facts["s"], path) == settings
    facts["s"]["spatial"]["widths"] = [5]
    with pytest.raises(CheckpointError, match="unusable settings: widths"):
        settings_from_facts(Nested, facts["s"], path)
    facts["s"]["spatial"] = 3
    with pytest.raises(CheckpointError, match="unusable settings"):
        settings_from_facts(Nested, facts["s"], path)
