"""Made-up videos for a study, and answers of made-up participants."""

from __future__ import annotations

import json
import random

import numpy as np
from studies.user_study_answers import FORMAT

from spfem.media.video import write_video

CLIPS = ("intra-M1-neutral-001-as-happy", "intra-M1-neutral-002-as-fear")
METHODS = {"ned": 60, "ned+asccl": 120, "copy": 200}


def write_clips(root, methods=METHODS, clips=CLIPS, source=True):
    """Folders of videos by method; each method has a grey of its own."""
    sound = 0.1 * np.sin(np.arange(8000) / 5)
    for method, grey in {**methods, **({"source": 20} if source else {})}.items():
        frames = [np.full((32, 48, 3), grey + 4 * step, np.uint8) for step in range(12)]
        for clip in clips:
            write_video(
                root / method / f"{clip}.mp4",
                frames,
                25,
                audio=sound,
                sample_rate=16000,
                comment=f"made by {method}",
            )
    return root


def answers_of(number, key, choose, *, skip_checks=False):
    """What the page saves when a participant answers every comparison with `choose(trial)`.

    `choose` gets the trial of the key and the question and returns the winning method.
    """
    random_side = random.Random(number)
    rows = []
    for name, trial in key["trials"].items():
        if skip_checks and "expected" in trial:
            continue
        sides = list(trial["videos"])
        random_side.shuffle(sides)
        winner = {question: choose(trial, question) for question in key["questions"]}
        left = trial["videos"][sides[0]]
        choices = {q: "left" if method == left else "right" for q, method in winner.items()}
        rows.append(
            {
                "trial": name,
                "repeat": False,
                "left": sides[0],
                "right": sides[1],
                "choices": choices,
                "seconds": 5.0,
            }
        )
    return {
        "format": FORMAT,
        "study": key["study"],
        "participant": f"{number:012x}",
        "consent": "2030-01-01T00:00:00Z",
        "finished": "2030-01-01T00:10:00Z",
        "answers": rows,
    }


def best_of(order):
    """A chooser that always takes what comes first in `order`, and never a spoilt video."""
    return lambda trial, question: min(
        trial["videos"].values(), key=lambda m: order.index(m) if m in order else len(order)
    )


def write_answers(path, record):
    path.write_text(json.dumps(record))
    return path
