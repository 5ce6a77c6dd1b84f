"""LSE-D and LSE-C: distances of lips and sound, shifted against each other, by a small network.

Windows are SyncNet's: 5 frames at 25 fps and 20 rows of cepstra. The network is learned in
`lip_sync_meter`. Published values rest on the released SyncNet (`syncnet_v2.model`): its layout
and entry names are public knowledge and checked entry by entry on loading; the file itself is not
shipped, and no published value was reproduced with it here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from scipy.ndimage import median_filter
from torch import Tensor, nn

from spfem.checkpoints import (
    load_checkpoint,
    load_weights,
    read_released,
    save_checkpoint,
    settings_from_facts,
)
from spfem.errors import ShapeError
from spfem.evaluation.lip_sync_network import CEPSTRA, FRAMES, ROWS, LipSyncNetwork, block
from spfem.evaluation.mouth import MOUTH, STABLE
from spfem.face.align import index_convention, template_landmarks
from spfem.face.descriptor import cut_aligned
from spfem.face.landmarks import interocular_distance
from spfem.head.model import load_head_model
from spfem.pairing.dtw import mfcc
from spfem.settings import LipSyncSettings

SPAN = 1.4  # side of the square in distances of the eyes: nose to chin of an open mouth
FPS = 25
SAMPLE_RATE = 16000  # hertz
ROWS_PER_FRAME = 4
_INT16 = 32768.0  # SyncNet reads samples as 16-bit integers
CHECKPOINT_KIND = "lip sync"
SIDE = 224  # pixels of the crops
ROOM = 0.4  # by which the face box is padded, as in SyncNet's own pipeline
SEARCH_FRAMES = 15
SHORTEST = 2 * SEARCH_FRAMES  # windows; below it most shifts compare with zeros
EMBEDDING = 1024
BATCH = 8  # windows; one needs about 60 MB


@cache
def _template() -> np.ndarray:
    """Landmarks (478, 2) of the mean head; the mouth square is the unit square."""
    places = template_landmarks(load_head_model(), 1)
    centre = places[list(MOUTH)].mean(0)
    return (places - centre) / (SPAN * interocular_distance(places)) + 0.5


def lip_crops(frames: np.ndarray, landmarks: np.ndarray, size: int) -> np.ndarray:
    """Mouths (T, S, S) uint8 grey, upright and of one size, wherever the head is.

    The similarity of each frame comes from landmarks that speech hardly moves, so that an opening
    jaw moves in the crop and does not move the crop.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        landmarks: (T, 478, 2 or 3) frame pixels.
        size: S, side in pixels.
    """
    wanted = size * _template()[list(STABLE)]
    squares = cut_aligned(frames, landmarks, STABLE, wanted, size, between_pixels=True)
    grey = [cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY) for cut in squares]
    return np.array(grey, np.uint8).reshape(-1, size, size)


def frames_at_25(count: int, fps: Fraction | float) -> np.ndarray:
    """Frames (T,) that stand for a video of `count` frames at 25 fps: the nearest in time.

    Raises:
        ShapeError: without frames or with a rate that is not above 0.
    """
    rate = float(fps)
    if count < 1 or not rate > 0:
        raise ShapeError(f"a video needs frames and a rate; got {count} frames at {rate} fps")
    kept = max(1, round(count * FPS / rate))
    return np.minimum(np.round(np.arange(kept) * rate / FPS).astype(int), count - 1)


def sound_rows(audio: np.ndarray) -> np.ndarray:
    """Cepstra (N, 13) float32, 100 rows a second, of sound (A,) in [-1, 1] at 16 kHz."""
    scaled = np.asarray(audio, np.float64) * _INT16
    return mfcc(scaled, SAMPLE_RATE, 100, cepstra=CEPSTRA).astype(np.float32)


def window_count(frames: int, rows: int) -> int:
    """Windows of a clip that both lips and sound fill; 0 if it is too short."""
    return max(0, min(frames - FRAMES, (rows - ROWS) // ROWS_PER_FRAME) + 1)


def lip_windows(crops: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Windows (N, 5, ...) that start at frames (N,) of crops (T, ...)."""
    return crops[index[:, None] + np.arange(FRAMES)]


def sound_windows(rows: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Windows (N, 13, 20) of cepstra (R, 13) that sound with the windows at frames (N,)."""
    return rows[ROWS_PER_FRAME * index[:, None] + np.arange(ROWS)].swapaxes(1, 2)


class LipSyncScore(NamedTuple):
    """What the search found.

    Attributes:
        lse_d: mean distance at the best shift; lower is better.
        lse_c: median over shifts less `lse_d`; higher is better.
        offset: frames by which the sound comes later than the lips.
        search: largest shift that was tried, frames.
    """

    lse_d: float
    lse_c: float
    offset: int
    search: int


NOT_MEASURED = LipSyncScore(float("nan"), float("nan"), 0, 0)


def distances_by_shift(
    lips: np.ndarray, sound: np.ndarray, search: int, *, zeros_beyond: bool = False
) -> np.ndarray:
    """Mean distance of lips (W, C) to sound (W, C) at each shift of the sound.

    Args:
        lips: embeddings of windows, one a frame.
        sound: likewise.
        search: S, the largest shift in frames.
        zeros_beyond: compare lips that have no sound at a shift with zeros, as SyncNet does; else
            they do not count, which suits short clips.

    Returns:
        (2 S + 1,) for shifts -S to S: at shift k the lips of window i meet the sound of window
        i + k.

    Raises:
        ShapeError: if the shapes differ or the largest shift leaves no window.

    Example:
        >>> lips = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> distances_by_shift(lips, np.roll(lips, 1, axis=0), 1).tolist()
        [2.0, 1.5, 0.0]
    """
    if lips.shape != sound.shape or lips.ndim != 2:
        raise ShapeError(f"lips and sound must be (W, C); got {lips.shape} and {sound.shape}")
    if search >= len(lips):
        raise ShapeError(f"{len(lips)} windows cannot be searched over {search} frames")
    padded, means = np.pad(sound, ((search, search), (0, 0))), []
    for shift in range(-search, search + 1):
        first, last = max(0, -shift), min(len(lips), len(lips) - shift)
        compared = slice(None) if zeros_beyond else slice(first, last)
        gap = lips - padded[search + shift : search + shift + len(lips)]
        means.append(np.linalg.norm(gap[compared], axis=1).mean())
    return np.asarray(means)


def score_distances(distances: np.ndarray) -> LipSyncScore:
    """LSE-D, LSE-C and offset from `distances_by_shift` (2 S + 1,).

    Example:
        >>> score_distances(np.array([1.0, 1.5, 0.0]))
        LipSyncScore(lse_d=0.0, lse_c=1.0, offset=1, search=1)
    """
    best, search = int(distances.argmin()), len(distances) // 2
    least = float(distances[best])
    return LipSyncScore(least, float(np.median(distances)) - least, best - search, search)


def save_lip_sync(path: Path, network: LipSyncNetwork) -> None:
    """Write the network and its settings."""
    facts = {"settings": asdict(network.settings)}
    save_checkpoint(path, network.state_dict(), kind=CHECKPOINT_KIND, facts=facts)


def load_lip_sync(path: Path, *, device: str = "cpu") -> LipSyncNetwork:
    """Read the network of `save_lip_sync`, ready to measure.

    Raises:
        CheckpointError: if the file is missing, damaged or of another kind.
    """
    tensors, facts = load_checkpoint(path, kind=CHECKPOINT_KIND)
    network = LipSyncNetwork(settings_from_facts(LipSyncSettings, facts.get("settings"), path))
    load_weights(network, tensors, path)
    return network.to(device).eval().requires_grad_(False)


class SyncNet(nn.Module):
    """SyncNet as released: lips (N, 3, 5, 224, 224) and cepstra (N, 1, 13, 20) to (N, 1024)."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *block(nn.Conv2d, nn.BatchNorm2d, 1, 64, 3, padding=1),
            nn.MaxPool2d(1, 1),
            *block(nn.Conv2d, nn.BatchNorm2d, 64, 192, 3, padding=1),
            nn.MaxPool2d(3, (1, 2)),
            *block(nn.Conv2d, nn.BatchNorm2d, 192, 384, 3, padding=1),
            *block(nn.Conv2d, nn.BatchNorm2d, 384, 256, 3, padding=1),
            *block(nn.Conv2d, nn.BatchNorm2d, 256, 256, 3, padding=1),
            nn.MaxPool2d(3, 2),
            *block(nn.Conv2d, nn.BatchNorm2d, 256, 512, (5, 4)),
        )
        self.netfcaud, self.netfclip = (
            nn.Sequential(*block(nn.Linear, nn.BatchNorm1d, 512, 512), nn.Linear(512, EMBEDDING))
            for _ in range(2)
        )
        flat: dict[str, tuple[int, ...]] = {"padding": (0, 1, 1)}
        half: dict[str, tuple[int, ...]] = {"stride": (1, 2, 2)}
        self.netcnnlip = nn.Sequential(
            *block(nn.Conv3d, nn.BatchNorm3d, 3, 96, (5, 7, 7), **half),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *block(nn.Conv3d, nn.BatchNorm3d, 96, 256, (1, 5, 5), **half, **flat),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *block(nn.Conv3d, nn.BatchNorm3d, 256, 256, (1, 3, 3), **flat),
            *block(nn.Conv3d, nn.BatchNorm3d, 256, 256, (1, 3, 3), **flat),
            *block(nn.Conv3d, nn.BatchNorm3d, 256, 256, (1, 3, 3), **flat),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *block(nn.Conv3d, nn.BatchNorm3d, 256, 512, (1, 6, 6)),
        )

    def embed_lips(self, windows: Tensor) -> Tensor:
        """Embeddings (N, 1024) of windows (N, 3, 5, 224, 224), BGR, 0 to 255."""
        return self.netfclip(self.netcnnlip(windows).flatten(1))

    def embed_sound(self, windows: Tensor) -> Tensor:
        """Embeddings (N, 1024) of cepstra (N, 1, 13, 20) of 16-bit samples."""
        return self.netfcaud(self.netcnnaud(windows).flatten(1))


def face_squares(frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Square face crops (T, 224, 224, 3) uint8 RGB.

    SyncNet's own pipeline cuts a detector's box, padded by 0.4 and smoothed over 13 frames by a
    median; here the box of the tracked landmarks stands for the detector's, which is the largest
    difference to published values.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        landmarks: (T, 478, 2 or 3) frame pixels.
    """
    low, high = landmarks[..., :2].min(1), landmarks[..., :2].max(1)
    half = median_filter((high - low).max(1) / 2, 13, mode="nearest")
    centre = median_filter((low + high) / 2, (13, 1), mode="nearest")
    squares = np.empty((len(frames), SIDE, SIDE, 3), np.uint8)
    for index, frame in enumerate(frames):
        # From the box's top to 2 x 0.4 boxes below its foot, 0.4 to each side.
        left = centre[index, 0] - half[index] * (1 + ROOM)
        top = centre[index, 1] - half[index]
        scale = SIDE / (2 * half[index] * (1 + ROOM))
        matrix = np.array([[scale, 0, -scale * left], [0, scale, -scale * top]])
        squares[index] = cv2.warpAffine(
            frame, index_convention(matrix), (SIDE, SIDE), borderValue=(110, 110, 110)
        )
    return squares


@dataclass(frozen=True)
class ReleasedLipSync:
    """SyncNet's measure: windows of 5 frames at 25 fps, 15 frames of search, zeros beyond ends."""

    network: SyncNet
    backbone: str = "syncnet-v2"

    def measure(
        self, frames: np.ndarray, landmarks: np.ndarray, audio: np.ndarray, fps: Fraction | float
    ) -> LipSyncScore:
        """Score a clip; arguments as in `spoken_clip`; too short below 30 windows."""
        index = frames_at_25(len(frames), fps)
        rows = sound_rows(audio)
        windows = np.arange(window_count(len(index), len(rows)))
        if len(windows) < SHORTEST:
            return NOT_MEASURED
        squares = face_squares(frames[index], landmarks[index])[..., ::-1]
        lips, sound = [], []
        with torch.inference_mode():
            for start in range(0, len(windows), BATCH):
                part = windows[start : start + BATCH]
                faces = lip_windows(squares, part).transpose(0, 4, 1, 2, 3).astype(np.float32)
                lips.append(self.network.embed_lips(torch.from_numpy(faces)).numpy())
                cepstra = np.ascontiguousarray(sound_windows(rows, part)[:, None])
                sound.append(self.network.embed_sound(torch.from_numpy(cepstra)).numpy())
        distances = distances_by_shift(
            np.concatenate(lips), np.concatenate(sound), SEARCH_FRAMES, zeros_beyond=True
        )
        return score_distances(distances)


def load_released_lip_sync(path: Path | str) -> ReleasedLipSync:
    """Read `syncnet_v2.model`.

    Raises:
        CheckpointError: if the file is missing, damaged or not laid out like SyncNet.
    """
    network = SyncNet()
    tensors = read_released(Path(path)).tensors
    # Files written before PyTorch 0.4 lack the counters of batch normalisation.
    counters = {name: value for name, value in network.state_dict().items() if "tracked" in name}
    load_weights(network, {**counters, **tensors}, path, advice="it is no syncnet_v2.model")
    return ReleasedLipSync(network.eval().requires_grad_(False))
