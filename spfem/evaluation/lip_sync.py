"""What a lip-sync network sees: small grey squares around the mouth, cut from tracked landmarks.

LSE-D and LSE-C of one clip: distances of lips and sound, shifted against each other.

Windows of lips and of sound as SyncNet takes them: 5 frames at 25 fps, 20 rows of cepstra.

The small lip-sync network that is learned here: two encoders into one space.

Files of the learned lip-sync network.
"""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, settings_from_facts
from spfem.errors import ShapeError
from spfem.evaluation.identity import similarity_transform
from spfem.evaluation.mouth import MOUTH, STABLE
from spfem.face.align import index_convention, template_landmarks
from spfem.face.landmarks import interocular_distance
from spfem.head.model import load_head_model
from spfem.settings import LipSyncSettings

SPAN = 1.4  # side of the square in distances of the eyes: nose to chin of an open mouth


@cache
def _template() -> np.ndarray:
    """Landmarks (478, 2) of the mean head; the mouth square is the unit square."""
    places = template_landmarks(load_head_model(), 1)
    centre = places[list(MOUTH)].mean(0)
    return (places - centre) / (SPAN * interocular_distance(places)) + 0.5


def lip_crops(frames: np.ndarray, landmarks: np.ndarray, size: int) -> np.ndarray:
    """Cut the mouths out, upright and of one size, wherever the head is.

    The similarity of each frame comes from landmarks that speech hardly moves, so that an opening
    jaw moves in the crop and does not move the crop.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        landmarks: (T, 478, 2 or 3) frame pixels.
        size: S, side in pixels.

    Returns:
        (T, S, S) uint8 grey.

    Raises:
        ShapeError: if the shapes do not fit.
    """
    import cv2

    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ShapeError(f"frames must be (T, H, W, 3) uint8; got {frames.shape} {frames.dtype}")
    if landmarks.ndim != 3 or landmarks.shape[:2] != (len(frames), 478):
        raise ShapeError(f"landmarks must be ({len(frames)}, 478, 2 or 3); got {landmarks.shape}")
    wanted = size * _template()[list(STABLE)]
    matrices = similarity_transform(landmarks[:, STABLE, :2], wanted)
    crops = np.empty((len(frames), size, size), np.uint8)
    for index, (frame, matrix) in enumerate(zip(frames, matrices, strict=True)):
        scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        if scale < 0.5:  # bilinear sampling alone would alias
            frame = cv2.GaussianBlur(frame, (0, 0), 0.4 / scale)
        cut = cv2.warpAffine(
            frame,
            index_convention(matrix),
            (size, size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        crops[index] = cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY)
    return crops


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
    if zeros_beyond:
        padded = np.pad(sound, ((search, search), (0, 0)))
        return np.asarray(
            [
                np.linalg.norm(lips - padded[k : k + len(lips)], axis=1).mean()
                for k in range(2 * search + 1)
            ]
        )
    means = []
    for shift in range(-search, search + 1):
        first, last = max(0, -shift), min(len(lips), len(lips) - shift)
        gap = lips[first:last] - sound[first + shift : last + shift]
        means.append(np.linalg.norm(gap, axis=1).mean())
    return np.asarray(means)


def search_of(windows: int, search_frames: int, shared_windows: int) -> int:
    """Largest shift that still shares enough windows; 0 if the clip is too short to search."""
    return int(np.clip(windows - shared_windows, 0, search_frames))


def score_distances(distances: np.ndarray) -> LipSyncScore:
    """LSE-D, LSE-C and offset from `distances_by_shift` (2 S + 1,).

    Example:
        >>> score_distances(np.array([1.0, 1.5, 0.0]))
        LipSyncScore(lse_d=0.0, lse_c=1.0, offset=1, search=1)
    """
    best, search = int(distances.argmin()), len(distances) // 2
    least = float(distances[best])
    return LipSyncScore(least, float(np.median(distances)) - least, best - search, search)


FPS = 25
SAMPLE_RATE = 16000  # hertz
FRAMES = 5  # of a window
ROWS = 20  # of cepstra of a window; 100 a second, so 4 a frame
CEPSTRA = 13
ROWS_PER_FRAME = 4
_INT16 = 32768.0  # SyncNet reads samples as 16-bit integers


def frames_at_25(count: int, fps: Fraction | float) -> np.ndarray:
    """Which frames stand for a video resampled to 25 fps: the nearest in time.

    Args:
        count: frames of the video.
        fps: its frames per second.

    Returns:
        (T,) indices; all frames in their order at 25 fps.

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
    from spfem.pairing.dtw import mfcc  # the network alone needs no SciPy

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


class LipSyncNetwork(nn.Module):
    """Embeds windows of lips and of sound; what belongs together lies together.

    After SyncNet (Chung and Zisserman 2016), with these departures: grey crops of the mouth, a
    tenth of the channels, a clip's mean crop and mean cepstra taken off (so that neither the look
    of a person nor a voice or microphone counts), embeddings of length 1 (distances are at most
    2).
    """

    def __init__(self, settings: LipSyncSettings):
        super().__init__()
        self.settings = settings
        width, side = settings.width, settings.crop_size // 8
        self.lips = nn.Sequential(
            nn.Conv2d(FRAMES, width, 3, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * width * side * side, settings.embedding),
        )
        self.sound = nn.Sequential(
            nn.Conv1d(CEPSTRA, 2 * width, 3, padding=1),
            nn.BatchNorm1d(2 * width),
            nn.ReLU(),
            nn.Conv1d(2 * width, 2 * width, 3, stride=2, padding=1),
            nn.BatchNorm1d(2 * width),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * width * 10, settings.embedding),
        )
        self.register_buffer("cepstra_deviation", torch.ones(CEPSTRA))

    def embed_lips(self, windows: Tensor) -> Tensor:
        """Embeddings (N, C) of length 1 of windows (N, 5, S, S) of `centred_crops`."""
        return functional.normalize(self.lips(windows), dim=1)

    def embed_sound(self, windows: Tensor) -> Tensor:
        """Embeddings (N, C) of length 1 of windows (N, 13, 20) of `centred_rows`."""
        scale: Any = self.cepstra_deviation
        return functional.normalize(self.sound(windows / scale[:, None]), dim=1)


def centred_crops(crops: Tensor) -> Tensor:
    """Crops (T, S, S) uint8 as shares of the clip's brightness, less the clip's mean crop.

    Brightness is divided out because the same mouth moves fewer grey levels on a dark picture.
    """
    light = crops.float()
    return (light - light.mean(0)) / light.mean().clamp_min(1.0)


def centred_rows(rows: Tensor) -> Tensor:
    """Cepstra (R, 13) less their mean over the clip."""
    return rows - rows.mean(0)


CHECKPOINT_KIND = "lip sync"


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
