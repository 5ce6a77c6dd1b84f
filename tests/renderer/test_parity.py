"""The recorded numbers of the reference renderer, losses and blend, by kind of case."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.renderer.blend import cone_kernel, erode_for_blending, pyramid_blend, soft_erosion
from spfem.renderer.data import crop_around, to_pictures
from spfem.renderer.losses import PerceptualLoss, adversarial_loss, discriminator_loss, feature_loss
from spfem.renderer.networks import FaceDiscriminator, FaceGenerator
from spfem.renderer.render import generate_chunk
from spfem.settings import RendererSettings
from tests.parity import compare_cases, in_precisions


def _conditions(case):
    inputs = case.inputs
    images = inputs["cond"]
    masks = torch.stack([inputs[f"cond_mask{frame}"] for frame in range(images.shape[1])])
    masks = masks[None, :, None].expand(len(images), -1, -1, -1, -1)
    return torch.cat([images, masks.to(images.dtype)], dim=2)


def _generator(case):
    arguments = case.arguments
    settings = RendererSettings(
        width=arguments.get("ngf", 64),
        blocks=arguments.get("n_blocks", 9),
        downsamplings=arguments.get("n_downsampling", 3),
        window_frames=arguments.get("n_frames_G", 3),
    )
    return case.fill(FaceGenerator(settings), "G")


def _renderer_g(case):
    generator, windows = _generator(case), _conditions(case)
    previous = case.inputs["previous"].unflatten(1, (-1, 3))
    with torch.inference_mode():
        case.verify("image", generator(windows, previous))
        without = generator(windows)
        case.verify("image_without_previous", without)
        assert torch.equal(without, generator(windows, torch.zeros_like(previous)))


def _renderer_recurrent(case):
    generator, lead = _generator(case), case.arguments["n_frames_G"] - 1
    first = case.inputs["first"][:, :lead]
    with torch.inference_mode():
        pictures, carry = generate_chunk(generator, _conditions(case), first)
    for frame in range(pictures.shape[1]):
        case.verify(f"frame{frame}", pictures[:, frame])
        case.verify(f"frame{frame}_uint8", to_pictures(pictures[0, frame]))
    case.verify("chunk_fake", pictures)
    case.verify("chunk_carry", carry)


def _renderer_d(case):
    settings = RendererSettings(discriminator_width=case.arguments["ndf"])
    network, images = case.fill(FaceDiscriminator(settings), "D"), case.inputs["x"]
    for scale, maps in enumerate(network(images[:, :-3], images[:, -3:])):
        for layer, values in enumerate(maps):
            case.verify(f"scale{scale}_{layer}", values)


def _renderer_losses(case):
    mode, size = case.arguments["gan_mode"], case.arguments["ROI_size"]
    conditions, real = case.inputs["cond"], case.inputs["real"]
    fake = case.inputs["fake"].requires_grad_()
    perceptual = case.fill(PerceptualLoss(), "VGG")
    ours = [10 * perceptual(fake, real)]
    theirs = []
    case.verify("G_VGG", ours[0])
    networks = {}
    for short, centres in (("", None), ("m", "mouth_centers"), ("e", "eyes_centers")):
        name = f"D{short}"
        networks[name] = network = case.fill(FaceDiscriminator(RendererSettings()), name)
        images = [conditions, fake, real]
        if centres is not None:
            where = case.inputs[centres]
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
    for name in case.facts["outputs"]:
        if name.startswith("grad_D."):
            _, network, key = name.split(".", 2)
            case.verify(name, networks[network].get_parameter(key).grad)


def _roi_crop(case):
    crop = crop_around(case.inputs["image"], case.inputs["centers"], case.arguments["ROI_size"])
    case.verify("crop", crop)


def _soft_erosion(case):
    for size, threshold, iterations in case.arguments["configs"]:
        soft, hard = soft_erosion(case.arrays["mask"], size, threshold, iterations)
        name = f"k{size}_t{threshold}_n{iterations}"
        case.verify(f"soft_{name}", soft)
        case.verify(f"hard_{name}", hard.astype(np.uint8))
    for name in case.facts["outputs"]:
        if name.startswith("kernel"):
            case.verify(name, cone_kernel(int(name[len("kernel") :])))


def _pyramid_blend(case):
    import cv2

    source, generated, big = (
        case.arrays[name].astype(np.float32) / 255 for name in ("a", "b", "a_big")
    )
    mask = case.arrays["mask"].astype(np.float32)
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


COVERED = {
    "renderer_G": _renderer_g,
    "renderer_recurrent": _renderer_recurrent,
    "renderer_D": _renderer_d,
    "renderer_losses_ls": _renderer_losses,
    "renderer_losses_hinge": _renderer_losses,
    "roi_crop": _roi_crop,
    "soft_erosion": _soft_erosion,
    "pyramid_blend": _pyramid_blend,
}


@pytest.mark.parametrize(("kind", "dtype"), in_precisions(COVERED, single_only=COVERED))
def test_recorded_outputs(check, parity_folder, kind, dtype):
    compare_cases(COVERED, check, parity_folder, kind, dtype)
