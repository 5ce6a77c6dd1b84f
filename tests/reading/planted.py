"""People of whom a tracker sees half of every movement: films with planted truth."""

from __future__ import annotations

import numpy as np
import torch

from spfem.face.camera import Pose, project
from spfem.face.fit import FittedHead
from spfem.face.tracker import TrackedFace
from spfem.head import HeadModel
from spfem.reading.films import PersonFilm, fit_film
from spfem.settings import FaceSettings, ReaderSettings

SHRINKAGE = 0.5
MOVED = ("jawOpen", "browInnerUp", "mouthSmileLeft", "mouthSmileRight", "noseSneerLeft")
FACE = FaceSettings(fit_iterations=3, processes=1)
SETTINGS = ReaderSettings(
    components=24, width=48, steps=600, learning_rate=5e-3, batch_size=24, window_frames=4,
    held_out_people=2, resting_noise=0.3,
)  # fmt: skip


def planted_seen(
    head: HeadModel, units: np.ndarray, identity: np.ndarray, random: np.random.Generator
) -> tuple[TrackedFace, FittedHead]:
    """What a shrinking tracker sees of units (T, E), and the fit that knows pose and identity."""
    frames = len(units)
    rotation = (0.1 * random.normal(size=3) + np.zeros((frames, 3))).astype(np.float32)
    scale = np.full(frames, 90, np.float32)
    translation = np.full((frames, 2), 64, np.float32)
    pose = Pose.of(rotation, scale, translation)
    places = head.landmarks(head.vertices(identity, SHRINKAGE * units)).astype(np.float32)
    landmarks = project(torch.from_numpy(places), pose).numpy()
    tracked = TrackedFace(
        landmarks, np.zeros((frames, 51), np.float32), np.ones(frames, bool), (128, 128)
    )
    error = np.zeros(frames, np.float32)
    return tracked, FittedHead(identity, SHRINKAGE * units, rotation, scale, translation, error)


def planted_units(
    head: HeadModel, frames: int, random: np.random.Generator, *, neutral: bool = False
) -> np.ndarray:
    """Some units that move smoothly, (T, E) float32; of a neutral clip only the jaw."""
    units = np.zeros((frames, len(head.expression_names)), np.float32)
    time = np.linspace(0, 1, frames)
    for name in MOVED[:1] if neutral else MOVED:
        waves = np.sin(random.uniform(2, 6) * time + random.uniform(0, 6))
        wanted = 0.4 * (1 + waves) * (random.uniform() if name != "jawOpen" else 0.6)
        units[:, head.expression_names.index(name)] = wanted
    return units


def planted_film(head: HeadModel, seed: int, clips: int = 6, frames: int = 16) -> PersonFilm:
    """A film fitted as real ones are."""
    random = np.random.default_rng(seed)
    identity = random.normal(0, 0.5, len(head.identity_basis)).astype(np.float32)
    units = [planted_units(head, frames, random, neutral=n == 0) for n in range(clips)]
    seen = [planted_seen(head, one, identity, random)[0] for one in units]
    return fit_film(seen, units, FACE)
