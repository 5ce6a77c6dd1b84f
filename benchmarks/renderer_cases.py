"""Cases of the NED renderer: generator, recurrence, discriminators, losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.agreement import Case
from benchmarks.correlation_cases import normal
from benchmarks.made_up import made_up_face_clip
from benchmarks.networks import sequence_tensors
from benchmarks.sizes import Sizes
from spfem.renderer.data import cover_outside, crop_around, jitter_conditions
from spfem.renderer.losses import renderer_losses
from spfem.renderer.networks import FaceGenerator, TrainedRenderer, new_renderer
from spfem.renderer.render import generate_chunk
from spfem.settings import RendererSettings

FRAMES = 3


class _Networks(nn.Module):
    """All networks of a renderer as one module."""

    def __init__(self, settings: RendererSettings) -> None:
        super().__init__()
        self.settings = settings
        self.networks = nn.ModuleDict(new_renderer(settings, 0).networks())

    @property
    def renderer(self) -> TrainedRenderer:
        """As the losses take them."""
        return TrainedRenderer(settings=self.settings, curve=[], **self.networks)  # type: ignore[arg-type]


def renderer_cases(sizes: Sizes) -> Iterator[Case]:
    """All cases of the NED renderer in `spfem.renderer`."""
    plain = sizes.checked_renderer
    dressed = replace(plain, fold=2, skips=True, adversarial="hinge", eye_discriminator=True)
    for name, settings in (("published", plain), ("dressed", dressed)):
        networks = _Networks(settings).train()
        clip = made_up_face_clip(FRAMES, settings)
        conditions, faces, centres = sequence_tensors(clip, "cpu")
        inputs = {
            "conditions": conditions.double(),
            # Other than the generated pictures outside the face as well: where both are black,
            # features are equal or differ by rounding, and |x| has every gradient there.
            "faces": cover_outside(faces, conditions[2:, -1:]).double()
            + 0.1 * normal(*faces.shape, seed=1),
            "centres": centres,
            "previous": (0.3 * normal(2, 3, *faces.shape[-2:])).clamp(-1, 1),
        }
        constants = ("faces", "centres", "previous")
        yield Case(f"NED renderer, {name}, chunk", networks, inputs, _chunk, constants)
        yield Case(f"NED renderer, {name}, losses", networks, inputs, _losses, constants)
        turned = {"conditions": inputs["conditions"][2:], "pictures": inputs["faces"]}
        discriminator = networks.networks["image_discriminator"]
        yield Case(f"NED renderer, {name}, discriminator", discriminator, turned, _discriminator)
        yield Case(f"NED renderer, {name}, crops", nn.Identity(), inputs, _crops, constants)
        yield Case(
            f"NED renderer, {name}, jitter",
            nn.Identity(),
            inputs,
            _jitter,
            constants,
            precisions=("float64",),
        )


def _chunk(module: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    """From the start of a clip, and from pictures that were made before."""
    generator = module.networks["generator"]  # type: ignore[index]
    assert isinstance(generator, FaceGenerator)
    conditions = given["conditions"][None]
    first, following = generate_chunk(generator, conditions, None)
    later, _ = generate_chunk(generator, conditions, given["previous"][None])
    mixed = torch.stack([torch.zeros_like(given["previous"]), given["previous"]])
    both, _ = generate_chunk(generator, conditions.expand(2, -1, -1, -1, -1), mixed)
    return [first, following, later, both]


def _losses(module: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    assert isinstance(module, _Networks)
    newest = given["conditions"][2:]
    windows = given["conditions"].unfold(0, 3, 1).movedim(-1, 1)
    generated = module.renderer.generator(windows, given["previous"].expand(FRAMES, -1, -1, -1, -1))
    eyes = given["centres"] - 5 if module.settings.eye_discriminator else None
    terms = renderer_losses(
        module.renderer, newest, generated, given["faces"], given["centres"], eye_centres=eyes
    )
    return [value for part in terms for value in part.values()]


def _discriminator(module: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    """Features of images whose channels lie together in memory, as when it learns in bfloat16."""
    together = (value.contiguous(memory_format=torch.channels_last) for value in given.values())
    return [features for scale in module(*together) for features in scale]


def _crops(module: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    size = 2 * (given["faces"].shape[-1] // 8)
    return [crop_around(given["conditions"][2:], given["centres"], size)]


def _jitter(module: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    return [jitter_conditions(given["conditions"][None], 0.02, random)]
