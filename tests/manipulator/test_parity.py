"""The recorded numbers of the reference networks and losses, by kind of case."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.manipulator.losses import discriminator_loss, generator_terms
from spfem.manipulator.manipulate import manipulate
from spfem.manipulator.model import ExpressionSpace, Manipulator
from spfem.manipulator.style import geometric_median, reference_style
from spfem.manipulator.windows import gaussian_weights
from spfem.settings import ManipulatorSettings

PAPER = ManipulatorSettings(standardise=False)


@pytest.fixture(scope="module")
def check(parity_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(parity_folder))
        for name in ("weights", "check"):
            patch.delitem(sys.modules, name, raising=False)
        specification = importlib.util.spec_from_file_location("check", parity_folder / "check.py")
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        yield module


class Case:
    """One fixture: filled networks, inputs, comparison."""

    def __init__(self, check, folder, case):
        self.check, self.folder, self.case = check, folder, case
        stored = {} if "file" not in case else check.stored(folder, case)
        arrays = {name[3:]: value for name, value in stored.items() if name.startswith("in.")}
        self.inputs = {
            name: torch.from_numpy(np.asarray(value))
            for name, value in (check.inputs(case) | arrays).items()
        }
        self.compared = set()

    def manipulator(self, dtype):
        arguments = self.case["args"]
        keys = next(value for name, value in self.inputs.items() if value.ndim >= 2)
        settings = replace(
            PAPER,
            style_size=arguments.get("style_dim", 16),
            latent_size=arguments.get("latent_dim", 4),
            mapping_width=arguments.get("hidden_dim", 64),
            window_frames=arguments.get("seq_len", 10),
        )
        names = tuple(map(str, range(arguments.get("num_exp_coeffs", keys.shape[-1]))))
        manipulator = Manipulator(
            settings, ExpressionSpace(names), emotions=arguments.get("n_emotions", 7)
        )
        for name, net in self.case["nets"].items():
            self.check.weights.fill_module(getattr(manipulator, name), net["salt"])
        return manipulator.to(dtype)

    def tensor(self, name, dtype):
        value = self.inputs[name]
        return value.to(dtype) if value.is_floating_point() else value

    def verify(self, name, value, dtype=torch.float32):
        self.compared.add(name)
        value = value.detach().numpy()
        self.check.verify(self.folder, self.case, name, value, tight=dtype == torch.float64)

    def finish(self):
        missing = set(self.case["outputs"]) - self.compared
        assert not missing, f"outputs that nothing was compared with: {sorted(missing)}"


@pytest.fixture
def cases(check, parity_folder):
    def of_kind(kind):
        manifest = check.load(parity_folder)["cases"].values()
        found = [Case(check, parity_folder, case) for case in manifest if case["kind"] == kind]
        if not found:
            pytest.skip(f"no parity case of kind {kind}")
        return found

    return of_kind


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_manip_nets(cases, dtype):
    for case in cases("manip_nets"):
        networks = case.manipulator(dtype)
        x, style, z, y = (case.tensor(name, dtype) for name in ("x", "style", "z", "y"))
        case.verify("generator", networks.generator(x, style), dtype)
        case.verify("style_encoder", networks.style_encoder(x), dtype)
        case.verify("mapping_network", networks.mapping_network(z, y), dtype)
        case.verify("discriminator", networks.discriminator(x, y), dtype)
        if "x_short" in case.inputs:
            short = case.tensor("x_short", dtype)
            case.verify("generator_short", networks.generator(short, style[:1]), dtype)
            case.verify("style_encoder_short", networks.style_encoder(short), dtype)
        case.finish()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["manip_losses_latent", "manip_losses_reference"])
def test_manip_losses(cases, kind, dtype):
    for case in cases(kind):
        networks = case.manipulator(dtype)
        x, y, label = (case.tensor(name, dtype) for name in ("x", "y_org", "y_trg"))
        if kind == "manip_losses_latent":
            style = networks.mapping_network(case.tensor("z", dtype), label)
        else:
            style = networks.style_encoder(case.tensor("x_ref", dtype))
        fake = networks.generator(x, style)
        real_loss, fake_loss = discriminator_loss(networks.discriminator, x, y, fake, label)
        (real_loss + fake_loss).backward()
        case.verify("d_real", real_loss, dtype)
        case.verify("d_fake", fake_loss, dtype)
        case.verify("d_loss", real_loss + fake_loss, dtype)
        _verify_gradients(case, networks, "d_grad.", dtype)
        networks.zero_grad()
        terms = generator_terms(
            networks.generator,
            networks.style_encoder,
            networks.discriminator,
            x,
            style,
            label,
            epsilon=0.0,
        )
        total = terms.total(
            style_weight=case.case["args"]["lambda_sty"],
            cycle_weight=case.case["args"]["lambda_cyc"],
            mouth_weight=case.case["args"]["lambda_mouth"],
        )
        total.backward()
        for name, value in (
            ("g_adv", terms.adversarial),
            ("g_sty", terms.style),
            ("g_cyc", terms.cycle),
            ("g_mouth", terms.mouth),
            ("g_loss", total),
        ):
            case.verify(name, value, dtype)
        _verify_gradients(case, networks, "g_grad.", dtype)
        case.finish()


def _verify_gradients(case, networks, prefix, dtype):
    for name in case.case["outputs"]:
        if name.startswith(prefix):
            parameter = networks.get_parameter(name.removeprefix(prefix))
            case.verify(name, parameter.grad, dtype)


def test_geometric_median(cases):
    for case in cases("geometric_median"):
        for name in case.inputs:
            output = "median" if name == "x" else f"median_{name}"
            median = geometric_median(case.inputs[name], tolerance=case.case["args"]["eps"])
            case.verify(output, median)
        case.finish()


def test_overlap_add(cases):
    for case in cases("overlap_add"):
        manipulator = case.manipulator(torch.float32)
        names = sorted((n for n in case.inputs if n != "source"), key=lambda n: int(n[1:]))
        styles = [reference_style(manipulator, case.inputs[name]) for name in names]
        source = case.inputs["source"]
        outputs = [manipulate(source, manipulator=manipulator, style=style) for style in styles]
        case.verify("styles", torch.stack(styles))
        case.verify("output", torch.stack(outputs))
        case.verify("window", gaussian_weights(case.case["args"]["seq_len"]))
        for name in case.case["outputs"]:
            if name.startswith("window") and name != "window":
                case.verify(name, gaussian_weights(int(name.removeprefix("window"))))
        case.finish()
