from __future__ import annotations

import pytest
import torch

from spfem.errors import InputError, ShapeError
from spfem.manipulator import mix_styles, set_intensity


@pytest.mark.parametrize("mix", [set_intensity, mix_styles])
def test_both_ends_are_exact_to_the_last_bit(mix):
    random = torch.Generator().manual_seed(0)
    first = torch.randn(40, 52, generator=random) * 1e3
    second = torch.randn(40, 52, generator=random) * 1e-3
    first[0, 0], second[0, 0] = -0.0, -0.0
    assert torch.equal(mix(first, second, 0.0).view(torch.int32), first.view(torch.int32))
    assert torch.equal(mix(first, second, 1.0).view(torch.int32), second.view(torch.int32))


@pytest.mark.parametrize("value", [-0.1, 2.1, float("nan")])
def test_bad_input(value):
    with pytest.raises(InputError, match=r"intensity .* from 0 to 2"):
        set_intensity(torch.zeros(2, 3), torch.zeros(2, 3), value)
    with pytest.raises(InputError, match="share"):
        mix_styles(torch.zeros(3), torch.zeros(3), value)
    with pytest.raises(ShapeError, match="one shape"):
        mix_styles(torch.zeros(3), torch.zeros(4), 0.5)
