from __future__ import annotations

import numpy as np
import torch

from spfem.precision import constant, upload


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
