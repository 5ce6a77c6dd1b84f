"""The released renderer, literally: for comparison of values and of speed only.

Networks, training step and inference as in `manipulator_and_renderer.md` D3, D4, D5 and D7, without
VGG and without the eye discriminator. Instance norms keep running statistics that nobody reads.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn


def norm(channels):
    return nn.InstanceNorm2d(channels, affine=False, track_running_stats=True)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), norm(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), norm(width),
        )  # fmt: skip

    def forward(self, features):
        return features + self.conv_block(features)


def branch(channels, width, halvings, blocks):
    layers = [nn.ReflectionPad2d(3), nn.Conv2d(channels, width, 7), norm(width), nn.ReLU()]
    for _ in range(halvings):
        layers += [nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), norm(2 * width), nn.ReLU()]
        width *= 2
    return nn.Sequential(*layers, *[Block(width) for _ in range(blocks)])


class Generator(nn.Module):
    def __init__(self, width=64, blocks=9, halvings=3, frames=3, channels=10):
        super().__init__()
        late, deep = blocks // 2, width << halvings
        self.model_down_seg = branch((channels - 1) * frames, width, halvings, blocks - late)
        self.model_down_img = branch(3 * (frames - 1), width, halvings, blocks - late)
        self.model_res_img = nn.Sequential(*[Block(deep) for _ in range(late)])
        up = []
        for _ in range(halvings):
            up += [
                nn.ConvTranspose2d(deep, deep // 2, 3, stride=2, padding=1, output_padding=1),
                norm(deep // 2),
                nn.ReLU(),
            ]
            deep //= 2
        self.model_up_img = nn.Sequential(*up)
        self.model_final_img = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()
        )

    def forward(self, window, previous):
        """One frame: window (1, 3, 10, S, S), previous (1, 2, 3, S, S), zeros at the start."""
        mask = window[:, -1, -1:]
        seen = torch.cat([window[:, frame, :-1] for frame in range(window.shape[1])], dim=1)
        before = torch.cat([previous[:, frame] for frame in range(previous.shape[1])], dim=1)
        features = self.model_down_seg(seen) + self.model_down_img(before)
        picture = self.model_final_img(self.model_up_img(self.model_res_img(features)))
        return picture * mask - (1 - mask)


class Discriminator(nn.Module):
    def __init__(self, width=64, channels=12):
        super().__init__()
        for scale in range(2):
            sizes = [channels, width, 2 * width, 4 * width, 8 * width, 1]
            for layer in range(5):
                stride = 2 if layer < 3 else 1
                parts = [nn.Conv2d(sizes[layer], sizes[layer + 1], 4, stride, padding=2)]
                if 0 < layer < 4:
                    parts.append(norm(sizes[layer + 1]))
                if layer < 4:
                    parts.append(nn.LeakyReLU(0.2))
                setattr(self, f"scale{scale}_layer{layer}", nn.Sequential(*parts))

    def forward(self, images):
        maps = []
        for scale in (1, 0):
            maps.append([])
            features = images
            for layer in range(5):
                features = getattr(self, f"scale{scale}_layer{layer}")(features)
                maps[-1].append(features)
            images = functional.avg_pool2d(images, 3, 2, 1, count_include_pad=False)
        return maps


def plain_copy(network, settings):
    """The literal network with the weights of one of ours."""
    if hasattr(network, "model_final_img"):
        plain = Generator(
            settings.width, settings.blocks, settings.downsamplings, settings.window_frames
        )
    else:
        plain = Discriminator(settings.discriminator_width)
    plain.load_state_dict(network.state_dict(), strict=False)  # ours keep no running statistics
    return plain.to(next(network.parameters()).device).train()


def lsgan(maps, target):
    return sum(((scale[-1] - target) ** 2).mean() for scale in maps)


def feature_matching(fake, real):
    total = 0
    for scale in range(2):
        for layer in range(4):
            gap = functional.l1_loss(fake[scale][layer], real[scale][layer].detach())
            total = total + gap * 4 / (3 + 1) / 2
    return total


def crop(images, centres, size):
    side, half = images.shape[-1], size // 2
    cut = []
    for image, (x, y) in zip(images, centres.tolist(), strict=True):
        x = min(max(int(x), half), side - half)
        y = min(max(int(y), half), side - half)
        cut.append(image[:, y - half : y + half, x - half : x + half])
    return torch.stack(cut)


def discriminator_losses(network, seen, fake, real):
    """Three forward passes: real, detached fake, fake."""
    real_maps = network(torch.cat([seen, real], dim=1))
    fake_maps = network(torch.cat([seen, fake.detach()], dim=1))
    theirs = 0.5 * (lsgan(real_maps, 1.0) + lsgan(fake_maps, 0.0))
    maps = network(torch.cat([seen, fake], dim=1))
    return lsgan(maps, 1.0), feature_matching(maps, real_maps), theirs


class Trainer:
    """Networks with their two optimisers; a call is one chunk: a G step, then a D step."""

    def __init__(self, generator, image, mouth, settings):
        self.generator, self.image, self.mouth, self.settings = generator, image, mouth, settings
        betas = (0.5, 0.999)
        self.optimiser = torch.optim.Adam(generator.parameters(), settings.learning_rate, betas)
        others = [*image.parameters(), *mouth.parameters()]
        self.other_optimiser = torch.optim.Adam(others, settings.learning_rate, betas)

    def __call__(self, conditions, faces, centres, previous=None):
        """Conditions (2 + T, 10, S, S), faces (T, 3, S, S), centres (T, 2): loss terms, state."""
        frames = len(faces)
        if previous is None:
            previous = torch.zeros_like(faces[:2])[None]
        pictures = []
        for frame in range(frames):
            picture = self.generator(conditions[None, frame : frame + 3], previous)
            pictures.append(picture)
            previous = torch.cat([previous[:, 1:], picture.detach()[None]], dim=1)
        fake, seen, mask = torch.cat(pictures), conditions[2:, :-1], conditions[2:, -1:]
        real = faces * mask - (1 - mask)
        size = self.settings.mouth_size
        terms = {}
        for name, network, images in (
            ("image", self.image, (seen, fake, real)),
            ("mouth", self.mouth, [crop(part, centres, size) for part in (seen, fake, real)]),
        ):
            own, matching, other = discriminator_losses(network, *images)
            terms[f"{name}_adversarial"] = own
            terms[f"{name}_feature"] = 10 * matching
            terms[f"{name}_discriminator"] = other
        self.optimiser.zero_grad()
        sum(value for name, value in terms.items() if "discriminator" not in name).backward()
        self.optimiser.step()
        self.other_optimiser.zero_grad()
        (terms["image_discriminator"] + terms["mouth_discriminator"]).backward()
        self.other_optimiser.step()
        return terms, previous


@torch.no_grad()
def render(generator, conditions):
    """Frame by frame from the third, (T, S, S, 10) uint8 to (T - 2, S, S, 3) uint8.

    Every window is read again in full, and the net stays in training mode.
    """
    device, pictures, previous = next(generator.parameters()).device, [], None
    for frame in range(2, len(conditions)):
        window = []
        for image in conditions[frame - 2 : frame + 1]:
            window.append(torch.from_numpy(image).permute(2, 0, 1).float().div(255))
        window = torch.stack(window)[None].to(device)
        if previous is None:
            previous = torch.zeros_like(window[:, :2, :3])
        picture = generator(window, previous)
        previous = torch.cat([previous[:, 1:], picture[None]], dim=1)
        grey = ((picture[0] + 1) / 2 * 255).clamp(0, 255)
        pictures.append(grey.cpu().numpy().astype(np.uint8).transpose(1, 2, 0))
    return np.stack(pictures)
