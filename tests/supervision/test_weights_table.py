from __future__ import annotations

from dataclasses import fields, replace

import pytest

from spfem.methods import METHODS
from spfem.scales import load_scale
from spfem.settings import SupervisionSettings
from spfem.supervision.renderer import loss_weights

PLAIN = {
    "manipulator": ["adversarial", "style", "cycle", "mouth"],
    "renderer": ["adversarial", "feature", "perceptual", "pixel"],
}


@pytest.mark.parametrize("name", METHODS)
def test_every_supervision_of_a_method_has_its_weight_in_both_networks(name):
    method = METHODS[name]
    given = {  # all different, so that none can stand for another
        field.name: 0.25 + number
        for number, field in enumerate(fields(SupervisionSettings))
        if field.type == "float"
    }
    scale = replace(load_scale("full"), supervision=SupervisionSettings(**given))
    table = loss_weights(scale)
    for network in ("manipulator", "renderer"):
        rows = table[table.network == network].set_index("loss")[method.title]
        wanted = {"spatial": f"{network}_spatial"} if method.spatial else {}
        wanted |= dict.fromkeys(method.temporal, f"{network}_temporal")
        if method.paired:
            wanted |= {loss: f"{network}_{loss}" for loss in ("paired", "consistency")}
        assert {loss: given[setting] for loss, setting in wanted.items()} == {
            loss: weight for loss, weight in rows.items() if weight and loss not in PLAIN[network]
        }


def test_defaults_are_those_of_the_papers():
    table = loss_weights(load_scale("paper")).set_index(["network", "loss"])["NED + all"]
    wanted = {"spatial": 0.1, "paired": 10.0, "consistency": 1.0, "mouth": 1.0}
    assert {loss: table["manipulator", loss] for loss in wanted} == wanted
    wanted = {"spatial": 1.0, "paired": 1.0, "consistency": 1.0, "feature": 10.0}
    assert {loss: table["renderer", loss] for loss in wanted} == wanted
