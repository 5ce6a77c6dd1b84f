"""Defaults of the reader: whom it is learned from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReaderFilmSettings:
    """The films that the reader learns from (`spfem.reading.films`)."""

    seed: int = 20_000_013  # far from that of any corpus, so that nobody is in both
    people: int = 71
    mixed_clips: int = 5  # a person
    mixed_frames: int = 40
    neutral_frames: int = 40  # of one more clip without a feeling
    frame_sizes: tuple[int, ...] = (128, 128, 160, 192, 256)  # pixels, one of them a person
    turn_radians: float = 0.14  # deviation of the held pose
    processes: int = 1


@dataclass(frozen=True)
class ReaderSettings:
    """The network that reads face units (`spfem.reading`), and how it learns."""

    components: int = 64  # principal components of the landmarks' offsets
    width: int = 256  # of the hidden layers
    steps: int = 2600
    batch_size: int = 48  # windows
    window_frames: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    mesh_weight: float = 1.0  # of the error on the mesh, beside that of the units
    resting_noise: float = 1.4  # times the spread of people at rest: real ones differ more
    frame_noise: float = 0.05  # of a feature's own spread
    held_out_people: int = 8  # the last ones, who tell how much the outputs shrink
    largest_gain: float = 1.4  # by which a unit that shrinks may be stretched


@dataclass(frozen=True)
class ReadSettings:
    """How far a fit follows the read units (`spfem.reading.refit`)."""

    weight: float = 100.0  # of the read units as observations, beside the landmarks
    smoothness: float = 60.0  # temporal, on face units
    fit_iterations: int = 6
