"""The recorded numbers of the reference renderer, losses and blend, by kind of case."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
import torch

from spfem.renderer.blend import cone_kernel, erode_for_blending, pyramid_blend, soft_erosion
from spfem.renderer.conditions import to_pictures
from spfem.renderer.discriminators import Discriminator
from spfem.renderer.generator import Generator
from spfem.renderer.losses import adversarial_loss, discriminator_loss, feature_loss
from spfem.renderer.perceptual import PerceptualLoss
from spfem.renderer.recurrence import generate_chunk
from spfem.renderer.roi import crop_around
from spfem.settings import RendererSettings


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
    def __init__(self, check, folder, case):
        self.check, self.folder, self.case, self.arguments = check, folder, case, case["args"]
        stored = check.stored(folder, case)
        self.inputs = check.inputs(case)
        self.inputs |= {key[3:]: value for key, value in stored.items() if key.startswith("in.")}
        self.compared = set()

    def tensor(self, name):
        return torch.from_numpy(np.asarray(self.inputs[name]))

    def conditions(self):
        images = self.tensor("cond")
        frames = images.shape[1]
        masks = torch.stack([self.tensor(f"cond_mask{frame}") for frame in range(frames)])
        masks = masks[None, :, None].expand(len(images), -1, -1, -1, -1)
        return torch.cat([images, masks.to(images.dtype)], dim=2)

    def fill(self, network, name):
        return self.check.weights.fill_module(network, self.case["nets"][name]["salt"])

    def generator(self):
        arguments = self.arguments
        settings = RendererSettings(
            width=arguments.get("ngf", 64),
            blocks=arguments.get("n_blocks", 9),
            downsamplings=arguments.get("n_downsampling", 3),
            window_frames=arguments.get("n_frames_G", 3),
        )
        return self.fill(Generator(settings), "G")

    def verify(self, name, value):
        self.compared.add(name)
        value = value.detach().numpy() if isinstance(value, torch.Tensor) else value
        self.check.verify(self.folder, self.case, name, value)

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


def test_renderer_g(cases):
    for case in cases("renderer_G"):
        generator, windows = case.generator(), case.conditions()
        previous = case.tensor("previous").unflatten(1, (-1, 3))
        with torch.inference_mode():
            case.verify("image", generator(windows, previous))
            without = generator(windows)
            case.verify("image_without_previous", without)
            assert torch.equal(without, generator(windows, torch.zeros_like(previous)))
        case.finish()


def test_renderer_recurrent(cases):
    for case in cases("renderer_recurrent"):
        generator, lead = case.generator(), case.arguments["n_frames_G"] - 1
        first = case.tensor("first")[:, :lead]
        with torch.inference_mode():
            pictures, carry = generate_chunk(generator, case.conditions(), first)
        for frame in range(pictures.shape[1]):
            case.verify(f"frame{frame}", pictures[:, frame])
            case.verify(f"frame{frame}_uint8", to_pictures(pictures[0, frame]))
        case.verify("chunk_fake", pictures)
        case.verify("chunk_carry", carry)
        case.finish()


def test_renderer_d(cases):
    for case in cases("renderer_D"):
        settings = RendererSettings(discriminator_width=case.arguments["ndf"])
        network, images = case.fill(Discriminator(settings), "D"), case.tensor("x")
        for scale, maps in enumerate(network(images[:, :-3], images[:, -3:])):
            for layer, values in enumerate(maps):
                case.verify(f"scale{scale}_{layer}", values)
        case.finish()


@pytest.mark.parametrize("kind", ["renderer_losses_ls", "renderer_losses_hinge"])
def test_renderer_losses(cases, kind):
    for case in cases(kind):
        mode, size = case.arguments["gan_mode"], case.arguments["ROI_size"]
        conditions, real = case.tensor("cond"), case.tensor("real")
        fake = case.tensor("fake").requires_grad_()
        perceptual = case.fill(PerceptualLoss(), "VGG")
        ours = [10 * perceptual(fake, real)]
        theirs = []
        case.verify("G_VGG", ours[0])
        networks = {}
        for short, centres in (("", None), ("m", "mouth_centers"), ("e", "eyes_centers")):
            name = f"D{short}"
            networks[name] = network = case.fill(Discriminator(RendererSettings()), name)
            images = [conditions, fake, real]
            if centres is not None:
                where = case.tensor(centres)
                images = [crop_around(image, where, size) for image in images]
            own, other = network(images[0], images[1]), network(images[0], images[2])
            detached = network(images[0], images[1].detach())
            values = {
                f"G{short}_GAN": adversarial_loss(own, mode=mode),
                f"G{short}_GAN_Feat": case.arguments["lambda_feat"] * feature_loss(own, other),
                f"D{short}_real": discriminator_loss(other, real=True, mode=mode),
                f"D{short}_fake": discriminator_loss(detached, real=False, mode=mode),
            }
            for key, value in values.items():
                case.verify(key, value)
                (ours if key.startswith("G") else theirs).append(value)
        total, other_total = torch.stack(ours).sum(), 0.5 * torch.stack(theirs).sum()
        case.verify("loss_G", total)
        case.verify("loss_D", other_total)
        case.verify("grad_G.fake", torch.autograd.grad(total, fake)[0])
        other_total.backward()
        for name in case.case["outputs"]:
            if name.startswith("grad_D."):
                _, network, key = name.split(".", 2)
                case.verify(name, networks[network].get_parameter(key).grad)
        case.finish()


def test_roi_crop(cases):
    for case in cases("roi_crop"):
        crop = crop_around(case.tensor("image"), case.tensor("centers"), case.arguments["ROI_size"])
        case.verify("crop", crop)
        case.finish()


def test_soft_erosion(cases):
    for case in cases("soft_erosion"):
        for size, threshold, iterations in case.arguments["configs"]:
            soft, hard = soft_erosion(case.inputs["mask"], size, threshold, iterations)
            name = f"k{size}_t{threshold}_n{iterations}"
            case.verify(f"soft_{name}", soft)
            case.verify(f"hard_{name}", hard.astype(np.uint8))
        for name in case.case["outputs"]:
            if name.startswith("kernel"):
                case.verify(name, cone_kernel(int(name[len("kernel") :])))
        case.finish()


def test_pyramid_blend(cases):
    import cv2

    for case in cases("pyramid_blend"):
        source, generated, big = (
            case.inputs[name].astype(np.float32) / 255 for name in ("a", "b", "a_big")
        )
        mask = case.inputs["mask"].astype(np.float32)
        eroded = erode_for_blending(mask)
        levels = case.arguments["n_levels"]
        copied = case.arguments["n_levels_copy"]
        case.verify(
            "pyramid",
            pyramid_blend(source, generated, eroded, levels=levels, copied_levels=copied),
        )
        case.verify(
            "pyramid_copy2",
            pyramid_blend(source, generated, eroded, levels=levels, copied_levels=2),
        )
        case.verify("pyramid_levels2", pyramid_blend(source, generated, eroded, levels=2))
        case.verify("copy_paste", pyramid_blend(source, generated, mask, levels=0))
        height, width = big.shape[:2]
        resized = cv2.resize(generated, (width, height), interpolation=cv2.INTER_LANCZOS4)
        nearest = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
        case.verify("resized", pyramid_blend(big, resized, erode_for_blending(nearest)))
        case.finish()
