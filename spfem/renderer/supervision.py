"""What supervises a renderer beside its own losses: frozen metrics on emotion-changed pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spfem.errors import InputError, SettingsError
from spfem.renderer.checkpoint import TrainedRenderer
from spfem.renderer.clips import Sequences
from spfem.renderer.conditions import cover_outside, to_network
from spfem.renderer.objective import PairLoss
from spfem.renderer.pairs import PairSupervision, pair_terms
from spfem.renderer.recurrence import generate_chunk
from spfem.settings import RendererSettings
from spfem.training import torch_generator

FaceLoss = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""Scalar loss of generated and source windows (B, T, 3, S, S) in [-1, 1], black outside the mask.

The metric behind it is frozen, takes the gradient through the generated side and draws its
places from the generator, so that a resumed training sees the same ones.
"""


@dataclass(frozen=True)
class FaceTerm:
    """A metric that compares emotion-changed pictures with the source frames of their moments.

    Attributes:
        name: its column of the curve.
        weight: of the loss.
        frames: T, consecutive frames that are compared.
        loss: of the metric.
    """

    name: str
    weight: float
    frames: int
    loss: FaceLoss


@dataclass(frozen=True)
class RendererSupervision:
    """Everything that supervises one renderer.

    Attributes:
        faces: metrics on emotion-changed pictures (ASCCL, STCCL).
        pairs: retrieved pairs and their metric (SCMCL), or None.
        every: steps between uses.
    """

    faces: tuple[FaceTerm, ...] = ()
    pairs: PairSupervision | None = None
    every: int = 1

    @property
    def window_frames(self) -> int:
        """Frames of the widest window that a metric compares; 0 without such metrics."""
        return max((term.frames for term in self.faces), default=0)

    def check(self, settings: RendererSettings) -> None:
        """Refuse what a training with `settings` cannot offer.

        Raises:
            SettingsError: if `every` is no number of steps, a name stands twice, or sequences are
                shorter than a metric's window.
        """
        names = [term.name for term in self.faces]
        if self.every < 1 or len(set(names)) < len(names):
            raise SettingsError(
                f"renderer supervision needs renderer_every of 1 or more and terms of different "
                f"names, found {self.every} and {names}"
            )
        if self.window_frames > min(settings.sequence_frames):
            raise SettingsError(
                f"sequences of {min(settings.sequence_frames)} frames are shorter than the "
                f"{self.window_frames} frames that a metric compares; enlarge sequence_frames of "
                "the renderer or shorten the metric's window"
            )


def supervising_terms(
    renderer: TrainedRenderer,
    supervision: RendererSupervision,
    sequence: Sequences,
    position: int,
    *,
    random: np.random.Generator,
    device: torch.device | str,
    perceptual: PairLoss | None = None,
) -> dict[str, Tensor]:
    """Weighted terms of one supervised step, by name; only the generator should take a gradient.

    Args:
        renderer: that is trained.
        supervision: what to add.
        sequence: frames of this step's clips.
        position: of the step's first frame in the sequence. Windows start there, or earlier where
            the sequence would end too soon.
        random: the random numbers of the step.
        device: of the networks.
        perceptual: reconstructs retrieved frames, where the user's own VGG19 is given.

    Raises:
        InputError: if metrics compare faces and a clip has no edited conditions.
    """
    terms: dict[str, Tensor] = {}
    if supervision.faces:
        changed, source = emotion_changed(
            renderer, sequence, position, supervision.window_frames, device
        )
        # A metric computes in the precision that it was learned in.
        with torch.autocast(torch.device(device).type, enabled=False):
            for term in supervision.faces:
                places = torch_generator(random)
                value = term.loss(changed[:, -term.frames :], source[:, -term.frames :], places)
                terms[term.name] = term.weight * value
    if supervision.pairs is not None:
        rows = supervision.pairs.draw(random)
        terms |= pair_terms(renderer, supervision.pairs, rows, device, perceptual)
    return terms


def emotion_changed(
    renderer: TrainedRenderer,
    sequence: Sequences,
    position: int,
    frames: int,
    device: torch.device | str,
) -> tuple[Tensor, Tensor]:
    """Pictures of another emotion and the source frames of the same moments.

    The pictures are made as at the start of a clip, without own pictures before them.

    Returns:
        Both (B, T, 3, S, S) float32 in [-1, 1], black outside their masks; the first with the
        gradient of the generator, the second without any.

    Raises:
        InputError: if the clips have no `edited_conditions`.
    """
    if sequence.edited_conditions is None:
        raise InputError(
            "supervision by a metric needs edited_conditions in every renderer clip; render them "
            "with the manipulator's output or train without supervision"
        )
    lead = renderer.settings.window_frames - 1
    first = max(0, min(position, sequence.faces.shape[1] - frames))
    seen = slice(first, first + frames + lead)
    edited = to_network(sequence.edited_conditions[:, seen], device)
    changed, _ = generate_chunk(renderer.generator, edited, None)
    masks = to_network(sequence.conditions[:, seen, ..., -1:], device)[:, lead:]
    faces = to_network(sequence.faces[:, first : first + frames], device) * 2 - 1
    return changed.float(), cover_outside(faces, masks)
