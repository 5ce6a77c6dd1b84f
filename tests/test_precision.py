"""Number formats that the processor or GPU is given, and how numbers get there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.errors import SettingsError
from spfem.precision import autocast, constant, upload


def test_arrays_and_tensors_become_tensors_with_their_values():
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert torch.equal(upload(array, "cpu"), torch.from_numpy(array))
    tensor = torch.randn(2)
    assert upload(tensor, "cpu") is tensor


def test_constants_are_made_once_and_serve_learning_after_inference():
    with torch.inference_mode():
        first = constant((1, 2), torch.device("cpu"))
    assert first is constant((1, 2), torch.device("cpu"))
    values = torch.randn(4, requires_grad=True)
    values[first].sum().backward()
    assert values.grad.tolist() == [0, 1, 1, 0]
    assert constant(((1, 2), (3, 4)), torch.device("cpu")).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("able", "wanted"),
    [
        ({}, torch.float32),
        ({"avx512_f": True, "amx_bf16": False}, torch.float32),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": True}, torch.bfloat16),
    ],
)
def test_auto_is_bfloat16_where_the_processor_multiplies_it(monkeypatch, able, wanted):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    with autocast("cpu", "auto"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == wanted
    with autocast("cpu", "bfloat16"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with pytest.raises(SettingsError, match="'half' is unknown"):
        autocast("cpu", "half")
