from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.manipulator.losses import (
    PairedWindows,
    discriminator_loss,
    generator_terms,
    jaw_correlation,
)
from spfem.manipulator.networks import Discriminator, Generator, StyleEncoder


def test_correlation_is_numpys():
    first, second = torch.randn(2, 5, 10, 3, dtype=torch.float64)
    wanted = np.mean([np.corrcoef(first[b, :, 0], second[b, :, 0])[0, 1] for b in range(5)])
    np.testing.assert_allclose(jaw_correlation(first, second), wanted, atol=1e-7)


def test_constant_jaw_is_finite_with_finite_gradient():
    window = torch.full((2, 10, 3), 0.3, requires_grad=True)
    value = jaw_correlation(window, torch.randn(2, 10, 3))
    value.backward()
    assert value.item() == 0
    assert torch.isfinite(window.grad).all()


@pytest.fixture
def networks():
    torch.manual_seed(0)
    parts = Generator(6, 4, 16), StyleEncoder(6, 4, 16), Discriminator(6, 7, 16)
    return [network.double() for network in parts]


def paired_batch():
    """Four windows, of which the first and the last have a pair."""
    random = torch.Generator().manual_seed(1)
    source, reference, target = torch.randn(3, 4, 10, 6, generator=random, dtype=torch.float64)
    rows = torch.tensor([0, 3])
    return source, reference, torch.tensor([2, 0, 1, 5]), PairedWindows(rows, target[rows])


def test_paired_terms_are_those_of_a_slow_loop(networks):
    generator, encoder, discriminator = networks
    source, reference, label, pairs = paired_batch()
    style = encoder(reference)
    terms = generator_terms(generator, encoder, discriminator, source, style, label, pairs=pairs)
    plain = generator_terms(generator, encoder, discriminator, source, style, label)
    styles, cycles = [], []
    for row, target in zip(pairs.rows.tolist(), pairs.target, strict=True):
        own = encoder(target[None])
        edited = generator(source[row, None], style[row, None])
        styles.append((encoder(edited) - own).abs() + (style[row, None] - own).abs())
        cycles.append((generator(target[None], own) - target).abs())
    for paired, alone, parts, share in (
        (terms.style, plain.style, styles, 0.5),
        (terms.cycle, plain.cycle, cycles, 1.0),
    ):
        torch.testing.assert_close(paired, (alone + share * torch.cat(parts).mean()) / 2)
    for name in ("adversarial", "mouth", "edited"):
        torch.testing.assert_close(getattr(terms, name), getattr(plain, name))


def test_discriminator_counts_retrieved_windows_as_much_as_all_others(networks):
    discriminator = networks[2]
    source, _, label, pairs = paired_batch()
    fake = torch.randn(6, 10, 6, dtype=torch.float64, requires_grad=True)
    wanted = torch.cat((label, label[pairs.rows]))
    real_loss, fake_loss = discriminator_loss(
        discriminator,
        source,
        label,
        fake,
        wanted,
        retrieved=pairs.target,
        retrieved_label=label[pairs.rows],
    )

    def error(window, emotion, aim):
        return (discriminator(window[None], emotion[None]) - aim).square().item()

    of_source = np.mean([error(source[row], label[row], 1) for row in range(4)])
    of_retrieved = np.mean(
        [error(pairs.target[place], label[row], 1) for place, row in enumerate(pairs.rows)]
    )
    of_fake = np.mean([error(fake[row], wanted[row], 0) for row in range(6)])
    assert real_loss.item() == pytest.approx((of_source + of_retrieved) / 2)
    assert fake_loss.item() == pytest.approx(of_fake)
    (real_loss + fake_loss).backward()
    assert fake.grad is None
