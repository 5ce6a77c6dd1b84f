"""How metrics of pictures supervise the manipulator: its codes move the person's own pixels.

Source: ASCCL and STCCL, whose papers compare the input picture with the output picture of the same
moment; their released code never computes this for the manipulator. Here the output picture is the
source picture moved by `spfem.renderer.moved`, along the chain that edits a clip, with three things
left out: the change of light, what stays before the face, and donors. Inside an opened mouth the
frame's own inside is seen, hanging at the upper lip where it would have to be stretched much; where
it shows none, the colours that the editor paints where no frame of a clip shows any.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.stccl import TemporalCoherence
from spfem.edit.donors import SKIN_BRIGHTNESS, UNSEEN, Openings, stretches
from spfem.edit.move import hold_at_edges, keep_blinks, opening_box
from spfem.edit.surface import EDGES, MARKS, AnchoredMesh
from spfem.errors import SettingsError, ShapeError
from spfem.face.align import CROP_SPAN
from spfem.face.descriptor import CHIP_LANDMARKS, CHIP_POINTS, CHIP_SIZE, similarity_transform
from spfem.face.track import FaceTrack
from spfem.head.model import HeadModel
from spfem.head.raster import rasterise
from spfem.manipulator.learn import SupervisedEdit
from spfem.renderer.moved import MovedRenderer
from spfem.renderer.openings import DonorChoice, Donors
from spfem.renderer.warp import look_up
from spfem.settings import MOUTH, MovedSettings
from spfem.training import step_generator

PLACES = 1  # which random numbers
KEPT_BYTES = 2**29  # of faces and codes of clips, at most


def middle_frames(window_frames: int, count: int) -> range:
    """`count` consecutive frames around the middle of a window, which counts most in the blend."""
    if count > window_frames:
        raise SettingsError(
            f"a metric looks at {count} frames in a row, the manipulator's window has "
            f"{window_frames}; use a metric of shorter windows"
        )
    first = min(window_frames // 2 - count // 2, window_frames - count)
    return range(first, first + count)


@dataclass(frozen=True)
class Compared:
    """Pictures before and after an edit.

    Attributes:
        moved: (B, 3, S, S) RGB in [-1, 1], with gradient to the codes.
        source: (B, 3, S, S) likewise, without.
        chips: (B, 2, 3) from places on a face descriptor's chip to places on the picture, pixels.
    """

    moved: Tensor
    source: Tensor
    chips: Tensor

    def take(self, rows: Tensor) -> Compared:
        """Some of the pictures (N,)."""
        return Compared(*(value[rows] for value in vars(self).values()))


class FaceMover:
    """Moves aligned faces of clips by codes, differentiably.

    A clip is read when it is first asked for; the latest are kept, up to `KEPT_BYTES`.

    Args:
        faces: tracks of the clips by key, all of one size S.
        keys: of the clips in training order.
        head: the model.
        device: to move on.
    """

    def __init__(
        self,
        faces: Mapping[str, FaceTrack],
        keys: Sequence[str],
        head: HeadModel,
        device: torch.device | str = "cpu",
    ) -> None:
        self.faces, self.keys, self.device = faces, keys, torch.device(device)
        self.mesh = AnchoredMesh(head, MovedSettings())
        mesh = self.mesh.mesh
        self.names = head.expression_names
        self.renderer = MovedRenderer(
            torch.from_numpy(mesh.triangles),
            torch.from_numpy(self.mesh.layers),
            torch.from_numpy(mesh.region),
            torch.from_numpy(self.mesh.upper),
            rasterise,
            self.mesh.settings,
        ).to(self.device)
        self._kept: OrderedDict[int, FaceTrack] = OrderedDict()

    def move(self, places: Sequence[tuple[int, int]], source: Tensor, edited: Tensor) -> Compared:
        """Pictures of moments, and the same moved from their codes to others.

        Args:
            places: (clip, frame) of B moments; clips count in training order.
            source: (B, E) codes of the moments.
            edited: (B, E) codes to show; differentiable.

        Raises:
            ShapeError: if the codes are not those of the moments, or a clip has no such frame.
        """
        if not len(places) == len(source) == len(edited) or source.shape != edited.shape:
            raise ShapeError(
                f"{len(places)} moments, source codes {tuple(source.shape)} and edited codes "
                f"{tuple(edited.shape)}; give one row of each for every moment"
            )
        edited = keep_blinks(edited, source, self.names)
        pictures, before, after, chips, slack = [], [], [], [], []
        row = 0
        for clip, run in groupby(places, itemgetter(0)):
            frames = np.array([frame for _, frame in run])
            track = self._track(clip)
            if frames.max() >= len(track.found):
                raise ShapeError(
                    f"clip {self.keys[clip]} has {len(track.found)} frames, frame {frames.max()} "
                    "is asked for; give the clips that the windows were cut from"
                )
            codes = [each[row : row + len(frames)].float().cpu() for each in (source, edited)]
            own, shift = self._points(track, frames, codes[1] - codes[0])
            before.append(own)
            after.append(own + shift)
            pictures.append(track.faces[frames])
            slack.append(self._slack(track, *codes))
            chips.append(_chip_matrices(track, frames))
            row += len(frames)
        shown = torch.from_numpy(np.concatenate(pictures)).permute(0, 3, 1, 2).float()
        return Compared(
            self._draw(shown, torch.cat(before), torch.cat(after), np.concatenate(slack)),
            shown.to(self.device) / 127.5 - 1,
            torch.from_numpy(np.concatenate(chips)).float().to(self.device),
        )

    def _track(self, clip: int) -> FaceTrack:
        if clip in self._kept:
            self._kept.move_to_end(clip)
            return self._kept[clip]
        track = self._kept[clip] = self.faces[self.keys[clip]]
        size = track.faces.nbytes + track.masks.nbytes + track.landmarks.nbytes
        while len(self._kept) * size > KEPT_BYTES and len(self._kept) > 1:
            self._kept.popitem(last=False)
        return track

    def _points(
        self, track: FaceTrack, frames: np.ndarray, change: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Vertices (N, U, 3) in pixels of the aligned faces, and what changed codes (N, E) add."""
        part, align = track.take_frames(frames), torch.from_numpy(track.align[frames]).float()
        points = self.mesh.vertices(part, part.expression, self.mesh.corrections(part))
        linear = align[:, :, :2]
        depth = torch.linalg.det(linear).abs().sqrt()[:, None, None]
        own, shift = (
            torch.cat([each[..., :2] @ linear.mT, each[..., 2:] * depth], -1)
            for each in (points, self.mesh.shifts(part, change))
        )
        own[..., :2] += align[:, None, :, 2]
        return own, shift

    def _slack(self, track: FaceTrack, source: Tensor, edited: Tensor) -> np.ndarray:
        """How far (N, 1) what the mouth shows is stretched, see `stretches`."""
        own, wanted = (
            self.mesh.marks(track.identity, codes.detach().numpy())[:, list(MARKS[MOUTH]), :2]
            for codes in (source, edited)
        )
        nobody = np.zeros(0, int)
        openings = Openings(own, wanted, np.zeros((len(own), 3)), nobody, len(EDGES[MOUTH]))
        index, settings = np.zeros((len(own), 0), int), self.mesh.settings
        return stretches(openings, index, settings.largest_stretch, settings.least_height)

    def _draw(self, pictures: Tensor, source: Tensor, edited: Tensor, slack: np.ndarray) -> Tensor:
        side = pictures.shape[-1]
        unit = side / CROP_SPAN
        source = source.detach()
        edited = hold_at_edges(source, edited, side, side)
        boxes = [
            box
            for layer, rim in self.mesh.rims.items()
            if (box := opening_box(layer, edited.detach()[:, rim, :2], unit, side, side))
        ]
        donors = {box.layer: self._paint(pictures, slack) for box in boxes}
        moved = self.renderer(
            pictures.to(self.device),
            source.to(self.device),
            edited.to(self.device),
            unit,
            boxes,
            donors,
        )
        return (moved / 127.5 - 1).clamp(-1, 1)

    def _paint(self, pictures: Tensor, slack: np.ndarray) -> tuple[Donors, DonorChoice]:
        """No donor, but the colours where no frame shows any."""
        bright = float(pictures.mean()) / SKIN_BRIGHTNESS
        palette = torch.zeros(1 + max(UNSEEN), 3)
        for region, colour in UNSEEN.items():
            palette[region] = torch.tensor(colour, dtype=torch.float32) * bright
        nothing = torch.zeros(1, 3, 1, 1)
        donors = Donors(nothing, torch.zeros(1, 1, 3), nothing[:, :1], palette)
        count = len(slack)
        itself = np.tile(np.array([1, 0, 0], np.float32), (count, 1))
        choice = DonorChoice.of(np.zeros((count, 2), np.int64), itself, np.tile(slack, 3))
        return donors.to(self.device), choice.to(self.device)


def _chip_matrices(track: FaceTrack, frames: np.ndarray) -> np.ndarray:
    """(N, 2, 3) from places on chips to places on the aligned faces, pixels."""
    align = track.align[frames]
    marks = track.landmarks[frames][:, list(CHIP_LANDMARKS), :2]
    on_face = np.einsum("tab,tnb->tna", align[:, :, :2], marks) + align[:, None, :, 2]
    return similarity_transform(np.broadcast_to(CHIP_POINTS, on_face.shape), on_face)


def cut_chips(pictures: Tensor, matrices: Tensor) -> Tensor:
    """Chips (B, 3, 150, 150) of pictures (B, 3, S, S), see `Compared.chips`; differentiable."""
    index = torch.arange(CHIP_SIZE, device=pictures.device, dtype=pictures.dtype)
    y, x = torch.meshgrid(index, index, indexing="ij")
    here = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    places = (matrices.to(pictures.dtype) @ here).unflatten(-1, (CHIP_SIZE, CHIP_SIZE))
    return look_up(pictures, places)


PictureLoss = Callable[[Compared, torch.Generator], Tensor]
"""A scalar of B pictures (of windows one after the other), random where it likes."""


@dataclass(frozen=True)
class PictureTerm:
    """One loss of pictures.

    Attributes:
        loss: of the pictures.
        windows: of a batch that are looked at.
        frames: in a row around the middle of each window.
    """

    loss: PictureLoss
    windows: int
    frames: int = 1


def metric_term(metric: SpatialCoherence | TemporalCoherence, windows: int) -> PictureTerm:
    """A frozen metric: the moved picture is the query, the source picture the key."""
    frames = getattr(metric.settings, "window_frames", 1)

    def loss(compared: Compared, random: torch.Generator) -> Tensor:
        pictures = compared.moved, compared.source
        if frames > 1:
            pictures = tuple(each.unflatten(0, (-1, frames)) for each in pictures)
        terms: Any = metric.compare(*pictures, generator=random)  # each metric has its own
        return metric.total(terms)

    return PictureTerm(loss, windows, frames)


def feature_term(features: Callable[[Tensor], Tensor], windows: int) -> PictureTerm:
    """A control: the mean distance of plain features (B, C) of a face descriptor's chips."""

    def loss(compared: Compared, random: torch.Generator) -> Tensor:
        with torch.no_grad():
            wanted = features(cut_chips(compared.source, compared.chips))
        # The square, since the distance itself has no gradient where nothing is edited.
        return (features(cut_chips(compared.moved, compared.chips)) - wanted).square().sum(1).mean()

    return PictureTerm(loss, windows)


class PictureLosses:
    """The losses of pictures of a method; a picture that several look at is moved once a step.

    Batches come in random order, so their first windows are taken; the places that a metric looks
    at are drawn by (seed, step).

    Args:
        terms: by name.
        mover: of the training clips.
        seed: of the training.
    """

    def __init__(self, terms: Mapping[str, PictureTerm], mover: FaceMover, *, seed: int) -> None:
        self.terms, self.mover, self.seed = terms, mover, seed

    def __call__(self, edit: SupervisedEdit) -> dict[str, Tensor]:
        """Scalars by the names of the terms."""
        batch, length = edit.edited.shape[:2]
        wanted = {  # (window of the batch, frame of the window) of each picture
            name: [
                (row, frame)
                for row in range(min(term.windows, batch))
                for frame in middle_frames(length, term.frames)
            ]
            for name, term in self.terms.items()
        }
        places = list(dict.fromkeys(place for those in wanted.values() for place in those))
        position = {place: number for number, place in enumerate(places)}
        rows, columns = torch.tensor(places, device=edit.edited.device).unbind(1)
        clips = edit.source.clip[rows].tolist()
        frames = (edit.source.start[rows] + columns).tolist()
        with torch.no_grad():
            own = edit.restore(edit.source.expression[rows, columns])
        compared = self.mover.move(
            list(zip(clips, frames, strict=True)), own, edit.restore(edit.edited[rows, columns])
        )
        random = step_generator(self.seed, PLACES, edit.step)
        losses = {}
        for name, term in self.terms.items():
            chosen = torch.tensor([position[place] for place in wanted[name]], device=rows.device)
            losses[name] = term.loss(compared.take(chosen), random)
        return losses
