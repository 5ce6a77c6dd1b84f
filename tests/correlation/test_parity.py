"""The recorded numbers of the released metric, by kind of case."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from spfem.correlation.backbone import IResNet
from spfem.correlation.disparity import adaptive_weight
from spfem.correlation.heads import ProjectionHeads, normalise_channels
from spfem.correlation.infonce import info_nce
from spfem.correlation.scores import released_similarity
from spfem.correlation.spatial import SpatialCoherence
from spfem.settings import SpatialSettings


@pytest.fixture(scope="module")
def check(parity_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(parity_folder))
        for name in ("weights", "check"):
            patch.delitem(sys.modules, name, raising=False)
        specification = importlib.util.spec_from_file_location("check", parity_folder / "check.py")
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        yield module


@dataclass
class Case:
    """One fixture: filled networks, inputs, comparison of every recorded output."""

    check: ModuleType
    folder: Path
    name: str
    facts: dict
    dtype: torch.dtype = torch.float32
    compared: set = field(default_factory=set)

    @property
    def inputs(self):
        stored = self.check.stored(self.folder, self.facts)
        arrays = {k[3:]: v for k, v in stored.items() if k.startswith("in.")}
        tensors = {}
        for name, value in (self.check.inputs(self.facts) | arrays).items():
            tensor = torch.from_numpy(np.asarray(value))
            tensors[name] = tensor.to(self.dtype) if tensor.is_floating_point() else tensor
        return tensors

    def released_shapes(self):
        (net,) = self.facts["nets"].values()
        return json.loads((self.folder / "state_keys.json").read_text())[net["keys"]]

    def fill(self, module):
        """Give `module` the recorded weights and mode; its names lack at most a prefix."""
        (net,) = self.facts["nets"].values()
        first = next(iter(module.state_dict()))
        (prefix,) = {
            name.removesuffix(first)
            for name in self.released_shapes()
            if name == first or name == f"{name.split('.')[0]}.{first}"
        }
        self.check.weights.fill_module(module, net["salt"], prefix)
        return module.to(self.dtype).train(self.facts["mode"] == "train")

    def verify(self, name, value):
        tight = self.dtype == torch.float64
        self.check.verify(self.folder, self.facts, name, value.detach().numpy(), tight=tight)
        self.compared.add(name)

    def assert_all_compared(self):
        assert self.compared == set(self.facts["outputs"])


def _backbone(case):
    images = case.inputs["image"]
    names = case.released_shapes()
    widths = [
        shape[0] for name, shape in names.items() if name.endswith(".0.conv2.weight")
    ]  # of the first block of each stage
    blocks = case.facts["args"].get("blocks") or [
        sum(f"layer{level + 1}." in n and n.endswith(".conv2.weight") for n in names)
        for level in range(len(widths))
    ]
    net = case.fill(IResNet(widths, blocks))
    with torch.no_grad():
        for level, features in enumerate(net(images)):
            case.verify(f"level{level}", features)
    for name in case.facts["outputs"]:
        if "running_" in name:
            case.verify(name, net.get_buffer(name))


def _heads(case):
    widths = [pair[0] for pair in case.facts["args"]["widths"]]
    heads = case.fill(ProjectionHeads(widths))
    for level in range(len(widths)):
        rows = heads.project(level, case.inputs[f"level{level}"])
        case.verify(f"head{level}", rows)
        case.verify(f"z{level}", normalise_channels(rows.transpose(1, 2)))


def _spatial(case):
    inputs = case.inputs
    arguments = case.facts["args"]
    settings = SpatialSettings(
        image_size=inputs["image_q"].shape[-1],
        centres=tuple(arguments["samples"]),
        temperature=arguments["tau"],
        scale=case.facts["compat"]["scale"],
        compat="upstream",
    )
    metric = case.fill(SpatialCoherence(settings))
    images = inputs["image_q"].requires_grad_()
    count = len(settings.centres)
    levels = metric.compare(
        images, inputs["image_k"], centres=[inputs[f"centres{n}"] for n in range(count)]
    )
    loss = metric.total(levels)
    loss.backward()
    case.verify("loss", loss)
    scores = [
        released_similarity(level.query, level.key, inputs[f"perm{n}"])
        for n, level in enumerate(levels)
    ]
    case.verify("pos", sum(positive for positive, _ in scores) / count)
    case.verify("neg", sum(negative for _, negative in scores) / count)
    for n, level in enumerate(levels):
        case.verify(f"level_loss{n}", level.loss)
        case.verify(f"level_weight{n}", level.weight[0, 0])
        case.verify(f"level_ce{n}", level.cross_entropy.mean())
        case.verify(f"z_q{n}", level.query)
        case.verify(f"z_k{n}", level.key)
    case.verify("grad.image_q", images.grad)
    for name in case.facts["outputs"]:
        if name.startswith("grad.") and name not in case.compared:
            case.verify(name, metric.get_parameter(name.removeprefix("grad.")).grad)
        if name.startswith("after."):
            case.verify(name, metric.get_buffer(name.removeprefix("after.")))


def _patch_nce(case):
    inputs = case.inputs
    for tau in case.facts["args"]["tau"]:
        query = inputs["q"].clone().requires_grad_()
        rows = info_nce(normalise_channels(query), normalise_channels(inputs["k"]), tau)
        weighted = rows.mean() * inputs["w"].mean()
        weighted.backward()
        case.verify(f"unweighted_tau{tau}", rows.mean())
        case.verify(f"weighted_tau{tau}", weighted)
        case.verify(f"grad_q_tau{tau}", query.grad)


def _adaptive_weight(case):
    case.verify("w", adaptive_weight(case.inputs["d"]))


COVERED = {
    "iresnet50": _backbone,
    "iresnet50_train": _backbone,
    "mlp_heads": _heads,
    "spatial_upstream_eval": _spatial,
    "spatial_inner_eval": _spatial,
    "spatial_upstream_train": _spatial,
    "patch_nce": _patch_nce,
    "adaptive_weight": _adaptive_weight,
}


def _cases(check, folder, kind, dtype):
    cases = check.load(folder)["cases"]
    return [Case(check, folder, n, c, dtype) for n, c in cases.items() if c["kind"] == kind]


@pytest.mark.parametrize("kind", COVERED)
def test_recorded_outputs(check, parity_folder, kind):
    cases = _cases(check, parity_folder, kind, torch.float32)
    if not cases:
        pytest.skip(f"no case of kind {kind} in {parity_folder}")
    for case in cases:
        COVERED[kind](case)
        case.assert_all_compared()


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.slow] if run in (_spatial, _backbone) else [])
        for kind, run in COVERED.items()
    ],
)
def test_recorded_outputs_in_double_precision(check, parity_folder, kind):
    for case in _cases(check, parity_folder, kind, torch.float64):
        COVERED[kind](case)
        case.assert_all_compared()
