"""How strongly the correlation metrics supervise manipulator and renderer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SupervisionSettings:
    """Weights of the supervising losses; the defaults are those of the papers or their code.

    Which of them a method uses is said by `spfem.methods.Method`.
    """

    manipulator_spatial: float = 0.1  # ASCCL on drawn heads
    manipulator_temporal: float = 0.1  # STCCL on drawn heads; unpublished, as for ASCCL
    manipulator_paired: float = 10.0  # SCMCL, lambda_paired: expressions of retrieved windows
    manipulator_paired_form: str = "cosine"  # or "absolute": amounts count too (LSCMC)
    manipulator_consistency: float = 1.0  # SCMCL, lambda_sim: distances as those of the sound
    manipulator_frames: int = 4  # heads that are drawn a step for ASCCL
    manipulator_windows: int = 1  # windows of heads that are drawn a step for STCCL
    renderer_spatial: float = 1.0  # ASCCL on emotion-changed pictures
    renderer_temporal: float = 1.0  # STCCL on emotion-changed pictures
    renderer_paired: float = 1.0  # SCMCL, lambda_paired: pictures of retrieved frames
    renderer_consistency: float = 1.0  # SCMCL, lambda_sim
    renderer_every: int = 1  # steps between uses of the supervision
    renderer_pairs: int = 64  # retrieved pairs of an actor that are drawn in advance
