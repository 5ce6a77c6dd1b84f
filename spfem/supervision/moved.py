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
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.images import images_from_frames
from spfem.edit.donors import SKIN_BRIGHTNESS, UNSEEN, Openings, stretches
from spfem.edit.move import hold_at_edges, keep_blinks, opening_box
from spfem.edit.surface import EDGES, MARKS, AnchoredMesh
from spfem.errors import ShapeError
from spfem.face.align import CROP_SPAN
from spfem.face.descriptor import CHIP_LANDMARKS, CHIP_POINTS, similarity_transform
from spfem.face.track import FaceTrack
from spfem.head.model import HeadModel
from spfem.renderer.openings import DonorChoice, Donors
from spfem.settings import MOUTH, MovedSettings
from spfem.supervision.pictures import Compared

KEPT_BYTES = 2**29  # of faces and codes of clips, at most


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
        self.names = head.expression_names
        self.renderer = self.mesh.renderer().to(self.device)
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

    def show(self, places: Sequence[tuple[int, int]]) -> Tensor:
        """Pictures (B, 3, S, S) of moments, RGB in [-1, 1]; see `move`."""
        pictures = np.stack([self._track(clip).faces[frame] for clip, frame in places])
        return images_from_frames(pictures, self.device)

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
