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


def test_in_between_every_coefficient_moves_evenly():
    source, edited = torch.rand(2, 12, 5, dtype=torch.float64)
    for intensity in (0.25, 0.5, 0.8, 1.5, 2.0):
        wanted = torch.tensor(
            [
                [
                    (1 - intensity) * float(a) + intensity * float(b)
                    for a, b in zip(*rows, strict=True)
                ]
                for rows in zip(source, edited, strict=True)
            ],
            dtype=torch.float64,
        )
        torch.testing.assert_close(set_intensity(source, edited, intensity), wanted)


def test_the_result_is_no_view_of_what_was_given():
    source, edited = torch.rand(2, 12, 5)
    kept = source.clone()
    set_intensity(source, edited, 0.0).zero_()
    assert torch.equal(source, kept)


@pytest.mark.parametrize("value", [-0.1, 2.1, float("nan")])
def test_bad_input(value):
    with pytest.raises(InputError, match=r"intensity .* from 0 to 2"):
        set_intensity(torch.zeros(2, 3), torch.zeros(2, 3), value)
    with pytest.raises(InputError, match="share"):
        mix_styles(torch.zeros(3), torch.zeros(3), value)
    with pytest.raises(ShapeError, match="one shape"):
        mix_styles(torch.zeros(3), torch.zeros(4), 0.5)
