from __future__ import annotations

import pytest
import torch

from spfem.face.mesh import ShapeRenderer


@pytest.fixture(scope="module")
def renderer(head):
    return ShapeRenderer(head, 64).double()


def test_gradient_agrees_with_differences_inside_the_face(renderer):
    identity = torch.zeros(48, dtype=torch.float64)
    units = torch.full((1, 52), 0.1, dtype=torch.float64)
    units.requires_grad_()
    direction = torch.zeros(1, 52, dtype=torch.float64)
    direction[0, [0, 43, 44]] = 1  # jaw and smile
    step = 1e-5
    with torch.no_grad():
        ahead = renderer(identity, units + step * direction)[0, 0]
        behind = renderer(identity, units - step * direction)[0, 0]
    slope = (ahead - behind) / (2 * step)
    image = renderer(identity, units)[0, 0]
    checked = []
    for row in range(22, 54, 3):  # forehead to chin
        for column in range(18, 46, 3):
            (gradient,) = torch.autograd.grad(image[row, column], units, retain_graph=True)
            wanted = slope[row, column].item()
            checked.append(
                abs((gradient * direction).sum().item() - wanted) < 1e-3 + 1e-3 * abs(wanted)
            )
    assert sum(checked) >= 0.95 * len(checked)  # a pixel may cross a triangle's edge


def test_learning_moves_the_smile_towards_the_target(head):
    renderer = ShapeRenderer(head, 64)
    identity = torch.zeros(48)
    target = torch.zeros(1, 52)
    target[0, [43, 44]] = 0.6
    wanted = renderer(identity, target).detach()
    units = torch.zeros(1, 52, requires_grad=True)
    optimiser = torch.optim.Adam([units], lr=0.03)
    losses = []
    for _ in range(25):
        optimiser.zero_grad()
        loss = (renderer(identity, units) - wanted).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert units[0, [43, 44]].mean() > 0.1
