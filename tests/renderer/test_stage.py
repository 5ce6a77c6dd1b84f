from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from spfem.errors import CheckpointError
from spfem.renderer.learn import FaceTerm, RendererSupervision
from spfem.renderer.losses import PerceptualLoss
from spfem.run.edit_models import make_renderer
from tests.renderer.planted import SETTINGS

SHORT = replace(SETTINGS, base_steps=2, adapt_steps=1)


def refuse():
    pytest.fail("clips were loaded although the renderer exists")


def test_base_and_adapted_renderers_are_made_once(clips, tmp_path):
    base = make_renderer(tmp_path / "base", lambda: clips, SHORT, inputs={"faces": "a"}, seed=0)
    again = make_renderer(tmp_path / "base", refuse, SHORT, inputs={"faces": "a"}, seed=0)
    assert again.digest == base.digest
    for one, two in zip(
        base.renderer.generator.parameters(), again.renderer.generator.parameters(), strict=True
    ):
        assert torch.equal(one, two)
    folder = tmp_path / "ned" / "T01"
    own = make_renderer(folder, lambda: clips[:1], SHORT, inputs={"faces": "a"}, seed=0, base=base)
    assert own.digest != base.digest
    assert len(own.renderer.curve) == 1
    changed = make_renderer(tmp_path / "base", lambda: clips, SHORT, inputs={"faces": "b"}, seed=0)
    assert changed.digest != base.digest


def test_supervision_is_loaded_only_to_train(clips, tmp_path):
    def make(load):
        return make_renderer(
            tmp_path / "own", lambda: clips, SHORT, inputs={}, seed=0, load_supervision=load
        )

    loss = FaceTerm("planted", 1.0, 2, lambda generated, source, random: generated.mean())
    made = make(lambda: RendererSupervision((loss,)))
    assert "planted" in made.renderer.curve[0]
    assert make(refuse).digest == made.digest


def test_the_users_own_vgg19_is_used_where_it_is_named(clips, tmp_path):
    def make(file):
        settings = replace(SHORT, base_steps=1, perceptual_file=str(file))
        return make_renderer(tmp_path / "base", lambda: clips, settings, inputs={}, seed=0)

    layers = {
        re.sub(r"vgg.slice\d", "features", n): v for n, v in PerceptualLoss().state_dict().items()
    }
    torch.save(layers, tmp_path / "one.pth")
    (tmp_path / "two.pth").hardlink_to(tmp_path / "one.pth")
    made = make(tmp_path / "one.pth")
    assert made.renderer.curve[0]["perceptual"] > 0
    assert made.renderer.settings.perceptual_file == ""
    assert make(tmp_path / "two.pth").digest == made.digest  # the same file at another place
    without = make("")
    assert "perceptual" not in without.renderer.curve[0]
    assert without.digest != made.digest
    with pytest.raises(CheckpointError, match=r"perceptual_file .*gone.pth"):
        make(tmp_path / "gone.pth")
