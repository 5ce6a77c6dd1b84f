"""The reader: a small network from what the tracker saw of a face to its face units."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, settings_from_facts
from spfem.errors import CheckpointError
from spfem.face.tracker import BLENDSHAPE_NAMES
from spfem.face_units import FACE_UNIT_NAMES
from spfem.reading.evidence import INNER_LANDMARKS, Evidence, RestingFace
from spfem.settings import ReaderSettings

KIND = "face reader"
WEIGHTS_PATH = Path(__file__).parents[1] / "weights" / "reader.safetensors"
PIECE_FRAMES = 2048  # read at once
REACH_FRAMES = 4  # how many frames before and after one the network looks at
OFFSET_COUNT, SCORE_COUNT = 2 * len(INNER_LANDMARKS), len(BLENDSHAPE_NAMES)


class FaceReader(nn.Module):
    """Face units of a clip from landmarks and scores relative to the resting face.

    Offsets of the landmarks are told by their principal components. Per frame the network sees
    components and scores less those of the resting face, and the head's turn; per clip those of
    the resting face, and whether that is known to be neutral. Two hidden layers, the second over
    nine frames. Not in the papers.

    Args:
        settings: of the network.
    """

    components: Tensor
    spread: Tensor
    reach: Tensor
    gain: Tensor

    def __init__(self, settings: ReaderSettings):
        super().__init__()
        self.settings = settings
        inputs = settings.components + SCORE_COUNT
        self.register_buffer("components", torch.zeros(settings.components, OFFSET_COUNT))
        self.register_buffer("spread", torch.ones(2 * inputs + 3))
        self.register_buffer("reach", torch.ones(2 * inputs + 3))
        self.register_buffer("gain", torch.ones(len(FACE_UNIT_NAMES)))
        self.frame_layer = nn.Linear(inputs + 3, settings.width)
        self.clip_layer = nn.Linear(inputs + 1, settings.width, bias=False)
        self.time_layer = nn.Conv1d(settings.width, settings.width, 2 * REACH_FRAMES + 1)
        self.unit_layer = nn.Linear(settings.width, len(FACE_UNIT_NAMES))

    def features(
        self, offsets: Tensor, scores: Tensor, rotation: Tensor, resting: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """What the layers see, of about unit size and never beyond what was learned from.

        Args:
            offsets: (..., T, 2 L).
            scores: (..., T, 51).
            rotation: (..., T, 3).
            resting: offsets (..., 2 L) and scores (..., 51) of the resting face.

        Returns:
            Of the frames (..., T, F), and of the clip (..., C).
        """
        base = torch.cat([resting[0] @ self.components.mT, resting[1]], -1)
        seen = torch.cat([offsets @ self.components.mT, scores], -1) - base[..., None, :]
        frames = torch.cat([seen, rotation], -1)
        count = frames.shape[-1]
        bounded = torch.minimum(frames, self.reach[:count]).maximum(-self.reach[:count])
        below = torch.minimum(base, self.reach[count:]).maximum(-self.reach[count:])
        return bounded / self.spread[:count], below / self.spread[count:]

    def forward(self, frames: Tensor, clip: Tensor, neutral: Tensor) -> Tensor:
        """Face units (B, T, E), not bounded, of what `features` gave.

        Args:
            frames: (B, T + 8, F), four frames more at both ends.
            clip: (B, C).
            neutral: (B,) 1 where the resting face is known to be neutral, else 0.
        """
        known = self.clip_layer(torch.cat([clip, neutral[:, None]], -1))
        hidden = nn.functional.gelu(self.frame_layer(frames) + known[:, None])
        mixed = hidden[:, REACH_FRAMES:-REACH_FRAMES] + self.time_layer(hidden.mT).mT
        return self.unit_layer(nn.functional.gelu(mixed)) * self.gain

    @torch.no_grad()
    def read(
        self, evidence: Evidence, resting: RestingFace, *, piece_frames: int = PIECE_FRAMES
    ) -> np.ndarray:
        """Face units (T, E) float32 in [0, 1], in the order of `FACE_UNIT_NAMES`.

        Args:
            evidence: of a clip.
            resting: face of its person.
            piece_frames: read at once; the result does not depend on it.
        """
        frames = len(evidence)
        held = np.clip(np.arange(-REACH_FRAMES, frames + REACH_FRAMES), 0, frames - 1)
        rest = (torch.from_numpy(resting.offsets), torch.from_numpy(resting.scores))
        neutral = torch.full((1,), float(resting.neutral))
        units = np.empty((frames, len(FACE_UNIT_NAMES)), np.float32)
        for start in range(0, frames, piece_frames):
            stop = min(start + piece_frames, frames)
            part = evidence.part(held[start : stop + 2 * REACH_FRAMES])
            offsets, scores = torch.from_numpy(part.offsets), torch.from_numpy(part.scores)
            seen, clip = self.features(offsets, scores, torch.from_numpy(part.rotation), rest)
            units[start:stop] = self(seen[None], clip[None], neutral)[0].clamp(0, 1).numpy()
        return units

    def save(self, path: Path, facts: dict[str, object]) -> None:
        """Write the reader in half precision, with what is known of its learning."""
        tensors = {name: value.half() for name, value in self.state_dict().items()}
        settings = asdict(self.settings)
        save_checkpoint(path, tensors, kind=KIND, facts={"settings": settings, **facts})

    @classmethod
    def load(cls, path: Path | str) -> FaceReader:
        """Read a file of `save`.

        Raises:
            CheckpointError: if the file is missing, damaged or of another kind.
        """
        tensors, facts = load_checkpoint(path, kind=KIND)
        if "settings" not in facts:
            raise CheckpointError(f"checkpoint {path} lost its settings; make it again")
        reader = cls(settings_from_facts(ReaderSettings, facts["settings"], path))
        load_weights(reader, {name: value.float() for name, value in tensors.items()}, path)
        return reader.eval().requires_grad_(False)

    @classmethod
    def pretrained(cls) -> FaceReader:
        """The reader that the package ships.

        Raises:
            CheckpointError: if its file is missing or damaged.
        """
        return cls.load(WEIGHTS_PATH)
