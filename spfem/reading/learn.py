"""Learns the reader from films: `learn_reader(films, settings, seed)`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from spfem.errors import SettingsError
from spfem.face.fit import FittedHead
from spfem.face.tracker import TrackedFace
from spfem.head.model import HeadModel, load_head_model
from spfem.head.names import FACE_UNIT_NAMES
from spfem.reading.films import PersonFilm
from spfem.reading.reader import (
    REACH_FRAMES,
    Evidence,
    FaceReader,
    RestingFace,
    gather_evidence,
    resting_face,
)
from spfem.settings import ReaderSettings
from spfem.training import Progress, descend, one_cycle, torch_generator, train

REACH_SHARE = 1.2  # of the largest feature of the films, beyond which features are cut off
SHORT_FRAMES = 12
NEUTRAL_WEIGHT = 4.0  # of clips of unknown mood that show none: most clips of real people do not
SPOKEN = (
    "jawOpen", "mouthClose", "mouthFunnel", "mouthLowerDown", "mouthPress", "mouthPucker",
    "mouthRoll", "tongueOut",
)  # fmt: skip
"""Units that speech moves fast. The lips' landmarks show them; a stretch would add noise only."""
LIVELY = 0.02  # standard deviation of a unit in the films, below which its gain says nothing


class Lesson(NamedTuple):
    """One clip of T frames as the reader sees it, exact units (T, E), and how much it counts."""

    evidence: Evidence
    resting: RestingFace
    units: np.ndarray
    weight: float = 1.0


def make_lessons(head: HeadModel, film: PersonFilm) -> list[Lesson]:
    """Every clip of a person with the neutral face known, all by itself, and a short part of it.

    The short part shows hardly more than one expression, which its typical frame then holds.
    """
    bounds = [*film.starts.tolist(), len(film.units)]
    clips = [slice(first, last) for first, last in itertools.pairwise(bounds)]
    known = [_evidence(head, film, part, film.own_identity[0], film.known_pose) for part in clips]
    neutral = resting_face(known[:1], neutral=True)
    lessons = [Lesson(seen, neutral, film.units[p]) for seen, p in zip(known, clips, strict=True)]
    for number, part in enumerate(clips):
        seen = _evidence(head, film, part, film.own_identity[number], film.own_pose)
        weight = NEUTRAL_WEIGHT if number == 0 else 1.0
        for some in (slice(None), slice(len(seen) // 2, len(seen) // 2 + SHORT_FRAMES)):
            piece, units = seen.part(some), film.units[part][some]
            lessons.append(Lesson(piece, resting_face([piece], neutral=False), units, weight))
    return lessons


def _evidence(
    head: HeadModel, film: PersonFilm, part: slice, identity: np.ndarray, poses: np.ndarray
) -> Evidence:
    pose = poses[part]
    fitted = FittedHead(
        identity, film.units[part], pose[:, :3], pose[:, 3], pose[:, 4:], np.zeros(len(pose))
    )
    count = np.ones(len(pose), bool)
    tracked = TrackedFace(film.landmarks[part], film.blendshapes[part], count, (1, 1))
    return gather_evidence(head, tracked, fitted)


def learn_reader(
    films: Sequence[PersonFilm],
    settings: ReaderSettings,
    *,
    seed: int,
    folder: Path | None = None,
    progress: Progress = iter,
) -> FaceReader:
    """Learn to read face units from films of exact truth.

    The loss is the squared error of the units, and that of the skin that they move. Least
    squares shrinks what it cannot see well, which would lose emotion once more: each unit is
    stretched by what people who were not learned from show to be missing, within bounds.

    Args:
        films: of many people; the last `held_out_people` give the stretch.
        settings: of network and learning.
        seed: of both.
        folder: of the state from which a killed run continues.
        progress: wraps the loop over steps.

    Raises:
        SettingsError: if there are not more people than held out.
    """
    if len(films) <= settings.held_out_people:
        raise SettingsError(
            f"{len(films)} filmed people, of whom {settings.held_out_people} are held out, leave "
            "none to learn from; film more"
        )
    head = load_head_model()
    lessons = [make_lessons(head, film) for film in films]
    learned = [one for person in lessons[: -settings.held_out_people] for one in person]
    held_out = [one for person in lessons[-settings.held_out_people :] for one in person]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reader = FaceReader(settings)
    _set_scales(reader, learned)
    _descend(reader, learned, head, seed, folder, progress)
    reader.gain.copy_(_missing(reader, [one for one in held_out if one.resting.neutral]))
    return reader.eval().requires_grad_(False)


def _set_scales(reader: FaceReader, lessons: Sequence[Lesson]) -> None:
    """Principal components of the offsets, and size and bound of every feature."""
    offsets = np.concatenate([one.evidence.offsets - one.resting.offsets for one in lessons])
    resting = np.stack([one.resting.offsets for one in lessons])
    resting = np.repeat(resting, max(len(offsets) // (4 * len(resting)), 1), axis=0)
    rows = torch.from_numpy(np.concatenate([offsets, resting]))
    _, vectors = torch.linalg.eigh(rows.mT.double() @ rows.double())
    main = vectors.flip(1)[:, : reader.settings.components].mT
    signs = main.gather(1, main.abs().argmax(1, keepdim=True)).sign()
    reader.components.copy_(main * signs)
    seen = [reader.features(one.evidence, one.resting) for one in lessons]
    tables = [torch.cat([frames for frames, _ in seen]), torch.stack([clip for _, clip in seen])]
    spread = torch.cat([table.std(0) for table in tables])
    reader.spread.copy_(spread.clamp(min=1e-3))
    reader.reach.copy_(torch.cat([t.abs().max(0).values for t in tables]) * REACH_SHARE + 1e-3)


def _descend(
    reader: FaceReader,
    lessons: Sequence[Lesson],
    head: HeadModel,
    seed: int,
    folder: Path | None,
    progress: Progress,
) -> None:
    settings = reader.settings
    moved = torch.from_numpy(head.landmarks(head.expression_basis)).float().flatten(1)
    gram = moved @ moved.mT
    gram = settings.mesh_weight * gram / gram.diagonal().mean()
    clips = [_Clip.of(reader, one) for one in lessons]
    weights = np.array(
        [len(clip.units) * one.weight for clip, one in zip(clips, lessons, strict=True)]
    )
    chance = weights / weights.sum()
    optimiser = torch.optim.AdamW(
        reader.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    width = settings.window_frames

    def step(index: int, random: np.random.Generator) -> dict[str, Tensor]:
        chosen = [clips[i] for i in random.choice(len(clips), settings.batch_size, p=chance)]
        starts = [int(random.integers(max(len(clip.units) - width, 0) + 1)) for clip in chosen]
        frames = torch.stack(
            [clip.window(s, width) for clip, s in zip(chosen, starts, strict=True)]
        )
        truth = torch.stack([clip.truth(s, width) for clip, s in zip(chosen, starts, strict=True)])
        clip = torch.stack([clip.clip for clip in chosen])
        neutral = torch.tensor([clip.neutral for clip in chosen])
        noise = torch_generator(random)
        frames = frames + settings.frame_noise * torch.randn(frames.shape, generator=noise)
        clip = clip + settings.resting_noise * torch.randn(clip.shape, generator=noise)
        gap = reader(frames, clip, neutral) - truth
        loss = (gap.square() + gap * (gap @ gram)).mean()
        rate, momentum = one_cycle(index, settings.steps, settings.learning_rate)
        optimiser.param_groups[0].update(lr=rate, betas=(momentum, 0.999))
        descend(loss, optimiser)
        return {"loss": loss}

    train(
        {"reader": reader},
        {"adam": optimiser},
        step,
        name="the reader",
        steps=settings.steps,
        seed=seed,
        settings=settings,
        folder=folder,
        progress=progress,
    )


class _Clip(NamedTuple):
    """Features of a clip, some held frames more at both ends, and its truth."""

    frames: Tensor
    clip: Tensor
    neutral: float
    units: Tensor

    @classmethod
    def of(cls, reader: FaceReader, lesson: Lesson) -> _Clip:
        frames, clip = reader.features(lesson.evidence, lesson.resting)
        ends = frames[:1].expand(REACH_FRAMES, -1), frames[-1:].expand(REACH_FRAMES, -1)
        held = torch.cat([ends[0], frames, ends[1]])
        return cls(held, clip, float(lesson.resting.neutral), torch.from_numpy(lesson.units))

    def window(self, start: int, width: int) -> Tensor:
        index = torch.arange(start, start + width + 2 * REACH_FRAMES)
        return self.frames[index.clamp(max=len(self.frames) - 1)]

    def truth(self, start: int, width: int) -> Tensor:
        return self.units[torch.arange(start, start + width).clamp(max=len(self.units) - 1)]


def _missing(reader: FaceReader, lessons: Sequence[Lesson]) -> Tensor:
    """What each unit (E,) must be multiplied by, so that read on true has slope 1."""
    truth = np.concatenate([one.units for one in lessons]).astype(np.float64)
    with torch.no_grad():
        read = np.concatenate([reader.read(one.evidence, one.resting) for one in lessons])
    centred = truth - truth.mean(0)
    slope = (read * centred).sum(0) / np.maximum((centred**2).sum(0), 1e-9)
    most = reader.settings.largest_gain
    held = np.array([name.startswith(SPOKEN) for name in FACE_UNIT_NAMES])
    stretched = ~held & (truth.std(0) > LIVELY)
    gain = np.where(stretched, 1 / np.maximum(slope, 1 / most), 1.0).clip(1, most)
    return torch.from_numpy(gain.astype(np.float32))
