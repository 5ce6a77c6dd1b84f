"""A clip redrawn with edited face units, a few frames at a time, from its own pixels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import numpy as np
import torch

from spfem.edit.donors import (
    OpeningGatherer,
    Openings,
    choose_candidates,
    cross_fade,
    cut_window,
    donor_path,
    stretches,
)
from spfem.edit.surface import EDGES, MARKS, AnchoredMesh, SkinGatherer
from spfem.errors import FaceNotFoundError, ShapeError
from spfem.face.fit import HeadTrack
from spfem.head.model import load_head_model
from spfem.renderer.moved import Surface
from spfem.renderer.openings import DonorChoice, Donors
from spfem.renderer.warp import OpeningBox
from spfem.settings import MovedSettings

BATCH_FRAMES = 8  # drawn at once
BOX_PADDING = 0.02  # head units around the rim of an opening
SIDE_STEP = 8  # pixels; sides of windows and boxes are multiples


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let torch use one thread a call for a while."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def laid_back(frame: np.ndarray, window: np.ndarray, x: int, y: int) -> np.ndarray:
    """The frame (H, W, 3) with a window (h, w, 3) at x, y, which may lie partly outside."""
    high, wide = frame.shape[:2]
    height, width = window.shape[:2]
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + height, high), min(x + width, wide)
    if bottom <= top or right <= left:
        return frame
    made = frame.copy()
    made[top:bottom, left:right] = window[top - y : bottom - y, left - x : right - x]
    return made


def hold_at_edges(
    source: torch.Tensor, edited: torch.Tensor, height: int, width: int
) -> torch.Tensor:
    """Edited vertices (B, U, 3) that bring nothing into the frame that lies beyond its edges.

    A shift away from an edge begins with nothing on it and grows to the whole within twice the
    largest one, so that nothing folds and no border pixel is drawn out.

    Vertices (B, U, 3), sizes in frame pixels; `source` are those as fitted.
    """
    shift = (edited - source)[..., :2]
    size = source.new_tensor([width, height])
    inward = torch.where(shift > 0, source[..., :2], size - source[..., :2])
    largest = shift.abs().amax(1, keepdim=True)
    share = (inward / (2 * largest).clamp(min=1e-6)).clamp(0, 1)
    held = torch.where(share < 1, source[..., :2] + shift * share, edited[..., :2])
    return torch.cat([held, edited[..., 2:]], -1)


Codes = TypeVar("Codes", np.ndarray, torch.Tensor)


def keep_blinks(expression: Codes, source: Codes, names: Sequence[str]) -> Codes:
    """Edited face units (T, E) in which lids that the source closes are not torn open.

    A wider eye is added to a blink by the codes, but no frame shows what would lie under the lid.
    """
    kept = expression + 0
    for side in ("Left", "Right"):
        wide, blink = names.index(f"eyeWide{side}"), names.index(f"eyeBlink{side}")
        wider = (expression[:, wide] - source[:, wide]).clip(min=0)
        kept[:, wide] -= wider * source[:, blink].clip(0, 1)
    return kept


class ClipMover:
    """Redraws one clip.

    Args:
        track: codes and landmarks of T frames; where `shown` (or else `found`) is not set, frames
            stay as they are.
        expression: (T, E) face units to show.
        fps: frames per second.
        settings: of the renderer.
        device: to draw on.

    Raises:
        ShapeError: if `expression` is not that of the track's frames.
        FaceNotFoundError: if no frame shows the face.
    """

    def __init__(
        self,
        track: HeadTrack,
        expression: np.ndarray,
        *,
        fps: float,
        settings: MovedSettings | None = None,
        device: str = "cpu",
    ):
        if expression.shape != track.expression.shape:
            raise ShapeError(
                f"expression is {expression.shape}; the track has {track.expression.shape}: give "
                "codes of the same clip"
            )
        if not track.found.any():
            raise FaceNotFoundError(f"no face in any of {len(track.found)} frames of the track")
        head = load_head_model()
        self.track, self.device = track, device
        self.expression = keep_blinks(expression, track.expression, head.expression_names)
        self.settings = settings or MovedSettings()
        self.mesh = AnchoredMesh(head, self.settings)
        self.shown = getattr(track, "shown", track.found)
        self.renderer = self.mesh.renderer().to(device)
        self.gatherers: dict[int, OpeningGatherer] = {}
        self.choices: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self.donors: dict[int, Donors] = {}
        self.skin = SkinGatherer(self.mesh, track, np.flatnonzero(track.found))
        self._choose(max(1, round(self.settings.cross_fade_seconds * fps)))

    def _choose(self, fade_frames: int) -> None:
        usable = np.flatnonzero(self.track.found)
        own, wanted = (
            self.mesh.marks(self.track.identity, codes)[..., :2]
            for codes in (self.track.expression, self.expression)
        )
        settings = self.settings
        for layer, marks in MARKS.items():
            shapes = own[:, list(marks)]
            openings = Openings(
                shapes,
                wanted[:, list(marks)],
                self.track.rotation,
                choose_candidates(shapes, usable, settings.donors),
                len(EDGES[layer]),
            )
            path = donor_path(openings, settings.donor_switch, settings.largest_stretch)
            index, weight = cross_fade(path, len(openings.candidates), fade_frames)
            slack = stretches(openings, index, settings.largest_stretch, settings.least_height)
            frames = openings.candidates
            self.gatherers[layer] = OpeningGatherer(self.mesh, self.track, layer, frames)
            self.choices[layer] = index, weight, slack

    def gather(self, frames: Iterable[np.ndarray]) -> None:
        """Read the frames (H, W, 3) of the clip from its start, as far as donors lie."""
        wanted = [gatherer.frames[-1] for gatherer in self.gatherers.values()]
        last = int(max(*wanted, self.skin.frames[-1]))
        for index, frame in enumerate(islice(frames, last + 1)):
            self.skin.offer(index, frame)
            for gatherer in self.gatherers.values():
                gatherer.offer(index, frame)
        self.skin.finish()
        for layer, gatherer in self.gatherers.items():
            self.donors[layer] = gatherer.finish().to(self.device)

    def move(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The frames (H, W, 3) of the clip with the wished face; `gather` comes first.

        On a CPU, batches are drawn beside each other, each by one of torch's threads: steps this
        small gain nothing from several threads each.

        Raises:
            ShapeError: if there are fewer frames than the track has, or more.
        """
        passing = iter(frames)
        threads = torch.get_num_threads() if self.device == "cpu" else 1
        waiting: deque[Future[list[np.ndarray]]] = deque()
        # Torch counts its threads in each thread anew.
        pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        with pool, one_thread_each():
            for start in range(0, len(self.expression), BATCH_FRAMES):
                count = min(BATCH_FRAMES, len(self.expression) - start)
                batch = list(islice(passing, count))
                if len(batch) < count:
                    raise ShapeError(
                        f"the clip has {start + len(batch)} frames; the track has "
                        f"{len(self.expression)}: give the clip that was tracked"
                    )
                waiting.append(pool.submit(self._draw_batch, start, batch))
                if len(waiting) > threads:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        if next(passing, None) is not None:
            raise ShapeError(
                f"the clip has more than the {len(self.expression)} frames of the track: give the "
                "clip that was tracked"
            )

    def _draw_batch(self, start: int, batch: list[np.ndarray]) -> list[np.ndarray]:
        index = start + np.flatnonzero(self.shown[start : start + len(batch)])
        drawn = list(batch)
        if len(index):
            moved = self._draw(index, [batch[i - start] for i in index])
            for i, frame in zip(index, moved, strict=True):
                drawn[i - start] = frame
        return drawn

    def _draw(self, index: np.ndarray, frames: list[np.ndarray]) -> list[np.ndarray]:
        part = self.track.take_frames(index)
        corrections = self.mesh.corrections(part)
        source = self.mesh.vertices(part, part.expression, corrections)
        change = torch.from_numpy(self.expression[index] - part.expression)
        edited = source + self.mesh.shifts(part, change)
        edited = hold_at_edges(source, edited, *frames[0].shape[:2])
        surface = self.skin.surface(frames, source.numpy(), edited.numpy())
        unit = float(part.scale.mean())
        low, width, height = self._window(source, edited, unit)
        shift = torch.from_numpy(np.pad(low, ((0, 0), (0, 1))).astype(np.float32))[:, None]
        source, edited = source - shift, edited - shift
        windows = np.stack(
            [
                cut_window(frame, x, y, width, height)
                for frame, (x, y) in zip(frames, low, strict=True)
            ]
        )
        boxes = [
            box
            for layer, rim in self.mesh.rims.items()
            if (box := opening_box(layer, edited[:, rim, :2], unit, width, height))
        ]
        donors = {
            layer: (kept, DonorChoice.of(*(a[index] for a in self.choices[layer])).to(self.device))
            for layer, kept in self.donors.items()
        }
        with torch.inference_mode():
            pictures = torch.from_numpy(windows).to(self.device).permute(0, 3, 1, 2).float()
            made = self.renderer(
                pictures,
                source.to(self.device),
                edited.to(self.device),
                unit,
                boxes,
                donors,
                Surface(*(torch.from_numpy(value).to(self.device) for value in surface)),
            )
            bytes_ = made.round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
        return [
            laid_back(frame, window, x, y)
            for frame, window, (x, y) in zip(frames, bytes_, low, strict=True)
        ]

    def _window(
        self, source: torch.Tensor, edited: torch.Tensor, unit: float
    ) -> tuple[np.ndarray, int, int]:
        """Corners (B, 2) and common size of the windows in which anything moves."""
        both = torch.cat([source, edited], 1)[..., :2].numpy()
        shift = float((source - edited)[..., :2].norm(dim=-1).max())
        reach = self.settings.reach_per_shift * shift + 2 * self.settings.least_reach * unit
        reach = min(reach, self.settings.reach * unit) + 2
        low = np.floor(both.min(1) - reach).astype(int)
        size = np.ceil((both.max(1) + reach - low).max(0)).astype(int)
        width, height = (int(-(-side // SIDE_STEP) * SIDE_STEP) for side in size)
        return low, width, height


def opening_box(
    layer: int, rim: torch.Tensor, unit: float, width: int, height: int
) -> OpeningBox | None:
    """The box around the rims (B, N, 2) of an opening in windows; None where it is larger.

    Rim and sizes in pixels of the windows, `unit` their pixels per head unit.
    """
    pad = BOX_PADDING * unit
    low = np.floor(rim.numpy().min(1) - pad).astype(int)
    size = np.ceil((rim.numpy().max(1) + pad - low).max(0)).astype(int)
    wide, high = (int(-(-side // SIDE_STEP) * SIDE_STEP) for side in size)
    if wide > width or high > height:
        return None
    corners = np.clip(low, 0, [width - wide, height - high])
    return OpeningBox(layer, tuple((int(x), int(y)) for x, y in corners), high, wide)


def move_clip(
    frames: np.ndarray, track: HeadTrack, expression: np.ndarray, *, fps: float = 25.0
) -> np.ndarray:
    """A clip (T, H, W, 3) uint8 in memory, redrawn with face units (T, E); see `ClipMover`."""
    mover = ClipMover(track, expression, fps=fps)
    mover.gather(frames)
    return np.stack(list(mover.move(frames)))
