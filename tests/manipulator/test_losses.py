from __future__ import annotations

import numpy as np
import torch

from spfem.manipulator.losses import generator_terms, jaw_correlation
from spfem.manipulator.networks import Discriminator, Generator, StyleEncoder


def test_correlation_is_numpys():
    first, second = torch.randn(2, 5, 10, 3, dtype=torch.float64)
    wanted = np.mean([np.corrcoef(first[b, :, 0], second[b, :, 0])[0, 1] for b in range(5)])
    np.testing.assert_allclose(jaw_correlation(first, second), wanted, atol=1e-7)


def test_correlation_of_a_window_with_itself_is_one_at_any_gain_and_offset():
    window = torch.randn(4, 10, 3, dtype=torch.float64)
    torch.testing.assert_close(
        jaw_correlation(window, 3 * window + 1).item(), 1.0, atol=1e-6, rtol=0
    )


def test_constant_jaw_is_finite_with_finite_gradient():
    window = torch.full((2, 10, 3), 0.3, requires_grad=True)
    value = jaw_correlation(window, torch.randn(2, 10, 3))
    value.backward()
    assert value.item() == 0
    assert torch.isfinite(window.grad).all()


def test_fixed_style_target_gets_no_gradient_of_the_style_loss():
    generator, encoder = Generator(6, 4, 16), StyleEncoder(6, 4, 16)
    discriminator = Discriminator(6, 7, 16)
    source, label = torch.randn(3, 10, 6), torch.tensor([0, 1, 2])
    gradients = []
    for fixed in (False, True):
        style = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
        terms = generator_terms(
            generator, encoder, discriminator, source, style, label, fixed_style_target=fixed
        )
        gradients.append(torch.autograd.grad(terms.style, style)[0])
    # what is missing is the direct gradient of a mean absolute error
    difference = (gradients[0] - gradients[1]).abs()
    torch.testing.assert_close(difference, torch.full_like(difference, 1 / 12))
