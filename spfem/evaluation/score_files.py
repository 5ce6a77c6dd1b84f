"""Files of scores and samples, written whole or not at all."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from spfem.artifacts import writing
from spfem.corpus.protocol import Edit
from spfem.errors import InputError
from spfem.evaluation.scores import ClipScore, FaceSample


def save_sample(path: Path, sample: FaceSample) -> None:
    """Write a sample as npz, whole or not at all."""
    with writing(path) as aside:
        np.savez(
            aside,
            actor=np.asarray(sample.actor),
            emotion=np.asarray(sample.emotion),
            frames=sample.frames,
            embeddings=sample.embeddings,
            blendshapes=sample.blendshapes,
            backbone=np.asarray(sample.backbone),
        )


def load_sample(path: Path) -> FaceSample:
    """Read what `save_sample` wrote.

    Raises:
        InputError: if the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return FaceSample(
                str(stored["actor"]),
                str(stored["emotion"]),
                stored["frames"],
                stored["embeddings"],
                stored["blendshapes"],
                str(stored["backbone"]),
            )
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(
            f"{path} is no sample file ({type(error).__name__}: {error}); delete it and run again"
        ) from None


def save_score(path: Path, score: ClipScore) -> None:
    """Write a score as npz, whole or not at all."""
    facts = {
        "edit": asdict(score.edit),
        "method": score.method,
        "seed": score.seed,
        "scores": dict(score.scores),
        "named_emotion": score.named_emotion,
        "actor": score.sample.actor,
        "emotion": score.sample.emotion,
        "backbone": score.sample.backbone,
        "backbones": dict(score.backbones),
    }
    with writing(path) as aside:
        np.savez(
            aside,
            facts=np.asarray(json.dumps(facts)),
            frames=score.sample.frames,
            embeddings=score.sample.embeddings,
            blendshapes=score.sample.blendshapes,
        )


def load_score(path: Path) -> ClipScore:
    """Read what `save_score` wrote.

    Raises:
        InputError: if the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            sample = FaceSample(
                facts["actor"],
                facts["emotion"],
                stored["frames"],
                stored["embeddings"],
                stored["blendshapes"],
                facts["backbone"],
            )
        return ClipScore(
            Edit(**facts["edit"]),
            facts["method"],
            facts["seed"],
            facts["scores"],
            facts["named_emotion"],
            sample,
            facts["backbones"],
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise InputError(
            f"{path} is not a score file ({type(error).__name__}: {error}); delete it and run again"
        ) from None
