"""Reader of the parity fixtures: recorded numbers of the released code, case by case.

A test file maps the kinds that it covers to functions of a `Case`:

    COVERED = {"scale_layer": _scale_layer}

    @pytest.mark.parametrize(("kind", "dtype"), in_precisions(COVERED))
    def test_recorded_outputs(check, parity_folder, kind, dtype):
        compare_cases(COVERED, check, parity_folder, kind, dtype)

`tests/test_parity_coverage.py` finds these maps and fails on a case that none of them covers.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn


def import_check(folder: Path) -> Iterator[ModuleType]:
    """Yield the `check` module of `folder`, importable only while the fixture lives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        for name in ("weights", "check"):
            patch.delitem(sys.modules, name, raising=False)
        specification = importlib.util.spec_from_file_location("check", folder / "check.py")
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        yield module


@dataclass
class Case:
    """One fixture: inputs, filled networks, comparison of every recorded output."""

    check: ModuleType
    folder: Path
    name: str
    facts: dict[str, Any]
    dtype: torch.dtype = torch.float32
    compared: set[str] = field(default_factory=set)

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the recorded call, constants included."""
        return self.facts["args"]

    @property
    def compat(self) -> dict[str, Any]:
        """Released behaviours that the numbers belong to."""
        return self.facts["compat"]

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """Inputs as recorded, stored ones and regenerated ones."""
        stored = self.check.stored(self.folder, self.facts) if "file" in self.facts else {}
        return self.check.inputs(self.facts) | {
            name[3:]: array for name, array in stored.items() if name.startswith("in.")
        }

    @property
    def inputs(self) -> dict[str, Tensor]:
        """Fresh tensors of the inputs; real ones in the precision of the case."""
        tensors = {name: torch.from_numpy(np.array(a)) for name, a in self.arrays.items()}
        return {n: t.to(self.dtype) if t.is_floating_point() else t for n, t in tensors.items()}

    def released_shapes(self, net: str | None = None) -> dict[str, list[int]]:
        """Shapes by released name of the network `net` (the only one if None)."""
        keys = json.loads((self.folder / "state_keys.json").read_text())
        return keys[self._net(net)["keys"]]

    def fill(self, module: nn.Module, net: str | None = None) -> Any:
        """Give `module` the recorded weights, mode and precision.

        Args:
            module: its names are released ones, less at most one leading part; released
                entries that it does not have are left out.
            net: which network of the case; None if there is only one.
        """
        names, own = self.released_shapes(net), list(module.state_dict())
        prefixes = ["", *sorted({name.split(".")[0] + "." for name in names})]
        fitting = [prefix for prefix in prefixes if all(prefix + name in names for name in own)]
        assert fitting, f"{self.name}: {net} has no {[n for n in own if n not in names][:3]}"
        self.check.weights.fill_module(module, self._net(net)["salt"], fitting[0])
        return module.to(self.dtype).train(self.facts["mode"] == "train")

    def verify(self, name: str, value: Any) -> None:
        """Compare one output, in double precision to the digits that were stored."""
        value = value.detach().numpy() if isinstance(value, Tensor) else value
        tight = self.dtype == torch.float64
        self.check.verify(self.folder, self.facts, name, value, tight=tight)
        self.compared.add(name)

    def assert_all_compared(self) -> None:
        """Fail on outputs that `verify` was not called for."""
        missing = sorted(set(self.facts["outputs"]) - self.compared)
        assert not missing, f"{self.name}: nothing was compared with {missing}"

    def _net(self, net: str | None) -> dict[str, Any]:
        nets = self.facts["nets"]
        if net is None:
            (net,) = nets
        return nets[net]


def cases(
    check: ModuleType, folder: Path, kind: str, dtype: torch.dtype = torch.float32
) -> list[Case]:
    """All cases of one kind; skips the test if there is none."""
    found = check.load(folder)["cases"].items()
    chosen = [Case(check, folder, name, f, dtype) for name, f in found if f["kind"] == kind]
    if not chosen:
        pytest.skip(f"no case of kind {kind} in {folder}")
    return chosen


def in_precisions(
    kinds: Collection[str], *, single_only: Collection[str] = (), slow: Collection[str] = ()
) -> list[Any]:
    """Parameters (kind, dtype): single and double precision of every kind.

    Args:
        kinds: to cover.
        single_only: kinds recorded from or computed by single-precision steps.
        slow: kinds whose double-precision run is marked slow.
    """
    single = [pytest.param(kind, torch.float32, id=kind) for kind in kinds]
    return single + [
        pytest.param(
            kind,
            torch.float64,
            id=f"{kind}-double",
            marks=[pytest.mark.slow] if kind in slow else [],
        )
        for kind in kinds
        if kind not in single_only
    ]


def compare_cases(
    covered: Mapping[str, Callable[[Case], None]],
    check: ModuleType,
    folder: Path,
    kind: str,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Run every case of `kind` and demand that each recorded output was compared."""
    for case in cases(check, folder, kind, dtype):
        covered[kind](case)
        case.assert_all_compared()
