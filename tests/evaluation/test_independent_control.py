"""The control tells an operator that looks from one that labels its places."""

import math

import torch
from studies.probes import PlaceTransformer, control_operators


def test_transformer_with_random_weights_solves_a_task_without_information():
    torch.manual_seed(0)
    operators = {
        "transformer": PlaceTransformer(32, 64),
        "identity": lambda features: features.flatten(0, 1),
        "neighbours in time": lambda features: features.diff(dim=1).flatten(0, 1),
    }
    table = control_operators(operators, channels=32, places=64).set_index("operator")
    assert (table.chance == math.log(64)).all()
    assert table.cross_entropy["transformer"] < 0.5 * math.log(64)
    # Descriptors of independent noise are not quite at chance: the temperature of 0.07 turns
    # their random cosines of deviation C ** -0.5 into confident mistakes.
    for name in ("identity", "neighbours in time"):
        assert table.cross_entropy[name] > math.log(64)


def test_transformer_keeps_samples_apart_and_shapes():
    operator = PlaceTransformer(4, 6, width=16, heads=2).eval()
    features = torch.randn(3, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = operator(features).unflatten(0, (3, 5))
        changed = features.clone()
        changed[1] += 1
        after = operator(changed).unflatten(0, (3, 5))
    assert before.shape == (3, 5, 4, 6)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.equal(before[1], after[1])
