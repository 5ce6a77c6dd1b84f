"""The four networks of the expression manipulator (NED), for any expression space and width.

Module names are those of the released state dicts (`seq1`, `LSTM`, `seq2`, `shared`, `unshared`),
so released weights load directly into the paper-size networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, settings_from_facts
from spfem.errors import CheckpointError, ShapeError
from spfem.pretrained import pretrained_file
from spfem.settings import EMOTIONS, ManipulatorSettings


def _perceptron(sizes: tuple[int, ...], *, activate_last: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*(layers if activate_last else layers[:-1]))


class Generator(nn.Module):
    """Expression window and style to the expression window in that style (NED's G).

    The output is direct, as published: no residual connection, no output activation.

    Args:
        expression_size: E, coefficients of a frame (Anny 52, FLAME/DECA 51).
        style_size: S.
        width: of the LSTM; 512 in the paper.
        residual: predict the change of the expression instead of the new one (departs from NED;
            the weights have the same names and shapes).
    """

    def __init__(
        self,
        expression_size: int,
        style_size: int = 16,
        width: int = 512,
        *,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.seq1 = _perceptron((expression_size + style_size, width, width), activate_last=True)
        self.LSTM = nn.LSTM(width, width, num_layers=2, batch_first=True, bidirectional=True)
        self.seq2 = _perceptron(
            (2 * width, 2 * width, 2 * width, expression_size), activate_last=False
        )

    def forward(self, expression: Tensor, style: Tensor) -> Tensor:
        """Return (B, T, E) from `expression` (B, T, E) and `style` (B, S)."""
        repeated = style[:, None].expand(-1, expression.shape[1], -1)
        hidden = self.seq1(torch.cat((expression, repeated), dim=2))
        output = self.seq2(self.LSTM(hidden)[0])
        return expression + output if self.residual else output


class AffineGenerator(nn.Module):
    """Expression window and style to the expression window in that style, by an affine map.

    The change is what the style adds, and what it makes of the window's movement m about its
    mean: shift(s) + gain(s) P m, with P: E -> R one map for all styles. Departs from NED, whose
    generator learns the offsets of the few people it sees: from the mean of a window, which
    this one does not see, and from the time around a frame.

    Args:
        expression_size: E.
        style_size: S.
        rank: R, movements that the change may depend on.
    """

    def __init__(self, expression_size: int, style_size: int = 16, rank: int = 8) -> None:
        super().__init__()
        self.movement = nn.Linear(expression_size, rank, bias=False)
        self.shift = nn.Linear(style_size, expression_size)
        self.gain = nn.Linear(style_size, expression_size * rank)

    def forward(self, expression: Tensor, style: Tensor) -> Tensor:
        """Return (B, T, E) from `expression` (B, T, E) and `style` (B, S)."""
        movement = self.movement(expression - expression.mean(dim=1, keepdim=True))
        gain = self.gain(style).unflatten(1, (movement.shape[2], -1))
        return expression + self.shift(style)[:, None] + movement @ gain


class _WindowCritic(nn.Module):
    """A vector per expression window: frame-wise layers around a BiLSTM, then the time mean."""

    def __init__(self, expression_size: int, output_size: int, width: int) -> None:
        super().__init__()
        half, quarter = width // 2, width // 4
        narrow = max(width // 8, 2 * output_size)  # a narrower bottleneck loses the style
        self.seq1 = _perceptron((expression_size, width, half), activate_last=True)
        self.LSTM = nn.LSTM(half, quarter, num_layers=2, batch_first=True, bidirectional=True)
        self.seq2 = _perceptron((half, quarter, narrow, output_size), activate_last=False)

    def forward(self, expression: Tensor) -> Tensor:
        return self.seq2(self.LSTM(self.seq1(expression))[0]).mean(dim=1)


class StyleEncoder(_WindowCritic):
    """Expression windows (B, T, E) to their styles (B, S), without a label (NED's E)."""

    def __init__(self, expression_size: int, style_size: int = 16, width: int = 512) -> None:
        super().__init__(expression_size, style_size, width)


class Discriminator(_WindowCritic):
    """Score of an expression window as a real window of one emotion, no sigmoid (NED's D)."""

    def __init__(self, expression_size: int, emotions: int = 7, width: int = 512) -> None:
        super().__init__(expression_size, emotions, width)

    def forward(self, expression: Tensor, label: Tensor) -> Tensor:  # type: ignore[override]
        """Return scores (B,) of `expression` (B, T, E) under the emotions `label` (B,) int64."""
        return super().forward(expression).gather(1, label[:, None])[:, 0]


class MappingNetwork(nn.Module):
    """Random latent and emotion label to a style vector (NED's F)."""

    def __init__(
        self, latent_size: int = 4, style_size: int = 16, width: int = 64, emotions: int = 7
    ) -> None:
        super().__init__()
        self.shared = _perceptron((latent_size, width, width, width), activate_last=True)
        self.unshared = nn.ModuleList(
            _perceptron((width, width, style_size), activate_last=False) for _ in range(emotions)
        )

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        """Return styles (B, S) of `latent` (B, Z) and the emotions `label` (B,) int64."""
        hidden = self.shared(latent)
        styles = torch.stack([head(hidden) for head in self.unshared], dim=1)
        return styles[torch.arange(len(label), device=label.device), label]


@dataclass(frozen=True)
class ExpressionSpace:
    """What the coefficients of an expression vector are.

    Attributes:
        names: of the E coefficients, the jaw opening first.
        value_range: lowest and highest meaningful value, or None for an unbounded space (FLAME).
    """

    names: tuple[str, ...]
    value_range: tuple[float, float] | None = None

    @property
    def size(self) -> int:
        """E, the number of coefficients."""
        return len(self.names)


class Manipulator(nn.Module):
    """Generator, style encoder, mapping network and discriminator on a standardised space.

    The networks see `(expression - mean) / deviation`, per coefficient, with the mean and
    deviation of the training sequences. Departs from NED, which feeds raw DECA coefficients:
    those have about unit variance, while face units live in [0, 1] with standard deviations from
    0.01 to 0.2, so that unscaled losses and gradients would ignore most of them. With
    `settings.standardise` off, mean 0 and deviation 1 reproduce NED.

    Args:
        settings: sizes of the networks.
        space: the expression space; E is its size.
        emotions: number of labels.
        seed: of the initial weights; the global random state is left alone.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        settings: ManipulatorSettings,
        space: ExpressionSpace,
        *,
        emotions: int = len(EMOTIONS),
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.settings, self.space, self.emotions = settings, space, emotions
        style, encoder = settings.style_size, settings.encoder_width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.generator: Generator | AffineGenerator = (
                AffineGenerator(space.size, style, settings.affine_rank)
                if settings.affine_rank
                else Generator(space.size, style, settings.width, residual=settings.residual)
            )
            self.style_encoder = StyleEncoder(space.size, style, encoder)
            self.mapping_network = MappingNetwork(
                settings.latent_size, style, settings.mapping_width, emotions
            )
            self.discriminator = Discriminator(space.size, emotions, encoder)
            for layer in self.modules():  # LSTM weights stay as drawn; source: NED
                if isinstance(layer, nn.Linear):
                    nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
                    if layer.bias is not None:
                        nn.init.zeros_(layer.bias)
        starting: tuple[str, ...] = ("shift.weight", "gain.weight") if settings.affine_rank else ()
        if settings.residual and not settings.affine_rank:
            starting = ("seq2.4.weight",)
        for name in starting:  # from the copy of the source
            self.generator.get_parameter(name).data.zero_()
        self.register_buffer("mean", torch.zeros(space.size))
        self.register_buffer("deviation", torch.ones(space.size))

    def measure_scale(self, frames: Tensor) -> None:
        """Set mean and deviation (E,) from training frames (N, E), if the settings standardise.

        Deviations are floored at `settings.deviation_floor`, so that the tracking noise of units
        that hardly move is not blown up to the size of speech.

        Raises:
            ShapeError: if the frames are of another expression space.
        """
        self._check(frames)
        if self.settings.standardise:
            self.mean.copy_(frames.double().mean(dim=0))
            deviation = frames.double().std(dim=0)
            self.deviation.copy_(deviation.clamp_min(self.settings.deviation_floor))

    def _check(self, expression: Tensor) -> None:
        if expression.shape[-1] != self.space.size:
            raise ShapeError(
                f"expression has {expression.shape[-1]} coefficients, this manipulator was made "
                f"for {self.space.size}; track the clip with the same head model"
            )

    def standardise(self, expression: Tensor) -> Tensor:
        """Map expression coefficients (..., E) to the space of the networks."""
        self._check(expression)
        return (expression - self.mean) / self.deviation

    def restore(self, standardised: Tensor) -> Tensor:
        """Map the networks' space (..., E) back to expression coefficients."""
        return standardised * self.deviation + self.mean

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mean.device


CHECKPOINT_KIND = "manipulator"


def save_manipulator(
    path: Path, manipulator: Manipulator, *, provenance: Mapping[str, Any] | None = None
) -> None:
    """Write the networks, the scale of the expression space and what made them to `path`."""
    space = manipulator.space
    facts = {
        "settings": asdict(manipulator.settings),
        "expression_names": space.names,
        "value_range": space.value_range,
        "emotions": manipulator.emotions,
        "provenance": dict(provenance or {}),
    }
    save_checkpoint(path, manipulator.state_dict(), kind=CHECKPOINT_KIND, facts=facts)


def load_manipulator(path: Path, *, device: str = "cpu") -> Manipulator:
    """Read the manipulator of `save_manipulator`, in evaluation mode, without gradients.

    Raises:
        CheckpointError: if the file is missing, damaged, of another kind, or its tensors do
            not fit its own settings.
    """
    tensors, facts = load_checkpoint(path, kind=CHECKPOINT_KIND)
    settings = settings_from_facts(ManipulatorSettings, facts.get("settings"), path)
    try:
        value_range = facts["value_range"]
        space = ExpressionSpace(
            tuple(facts["expression_names"]),
            None if value_range is None else (value_range[0], value_range[1]),
        )
        manipulator = Manipulator(settings, space, emotions=int(facts["emotions"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"{path} does not describe its expression space ({error}); train again"
        ) from error
    load_weights(manipulator, tensors, path)
    return manipulator.to(device).eval().requires_grad_(False)


def pretrained_manipulator(variant: str | None = None, *, device: str = "cpu") -> Manipulator:
    """The manipulator that comes with the package, as `load_manipulator` gives it.

    Its expression space are the 52 face units; `spfem/weights` says what it was learned from.
    `variant` names the method it was learned with, see `spfem.pretrained.PRETRAINED`; None takes
    the only one.

    Raises:
        SettingsError: if there is none of this variant.
        CheckpointError: if the file is missing or not the one that was shipped.
    """
    return load_manipulator(pretrained_file(CHECKPOINT_KIND, variant), device=device)


FLAME_EXPRESSIONS = 50

FLAME_SPACE = ExpressionSpace(
    ("jaw_opening", *(f"expression_{number:02}" for number in range(FLAME_EXPRESSIONS)))
)
"""51 unbounded coefficients: rotation of the jaw about x in radians, then DECA's expression.

Source: NED, which feeds `[pose[3], exp[0..49]]` to its manipulator.
"""
