"""Who is compared with whom, under which blinded names."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from spfem.settings.study import StudySettings
from spfem.user_study.clips import StudyClip

NAME_DIGITS = 12
SPOILT = "spoilt"
REALISM = "realism"
ADJECTIVES = {"fear": "afraid"}  # "looks more fear" is no English


@dataclass
class Design:
    """A study: what the page may know, the key that it must not know, and the files to copy.

    Attributes:
        page: data of the page, all names blinded.
        key: what the blinded names stand for.
        copies: where each blinded video comes from.
        spoilt: blinded videos that are made by spoiling another.
    """

    page: dict[str, Any]
    key: dict[str, Any]
    copies: dict[str, Path] = field(default_factory=dict)
    spoilt: dict[str, Path] = field(default_factory=dict)


def make_design(clips: Sequence[StudyClip], settings: StudySettings, seed: int) -> Design:
    """Every pair of methods on every clip, and checks that pair a video with a spoilt copy.

    The same clips and seed give the same study. Which comparisons a participant sees, in which
    order and on which side, is drawn in the page for each participant.
    """
    # Not Python's own hash, which differs between runs.
    names = random.Random(seed)
    digest = hashlib.sha256(f"{seed} {[(c.name, sorted(c.videos)) for c in clips]}".encode())
    study = digest.hexdigest()[:NAME_DIGITS]
    design = Design({"study": study}, {"study": study, "seed": seed})
    methods = sorted({method for clip in clips for method in clip.videos})
    groups = list(combinations(methods, 2))
    trials: list[dict[str, Any]] = []
    hidden: dict[str, dict[str, Any]] = {}

    def blind(path: Path, copies: dict[str, Path]) -> str:
        name = f"{names.getrandbits(4 * NAME_DIGITS):0{NAME_DIGITS}x}"
        copies[name] = path
        return name

    def add(clip: StudyClip, shown: dict[str, Any], videos: dict[str, str], **facts: Any) -> None:
        trial = f"{names.getrandbits(4 * NAME_DIGITS):0{NAME_DIGITS}x}"
        pair = sorted(videos)  # by blinded name, so that the order says nothing
        trials.append({"id": trial, **shown, "videos": pair, "fixed": "expected" in facts})
        hidden[trial] = {"clip": clip.name, "videos": videos, **facts}

    given: dict[str, dict[str, Any]] = {}
    for clip in clips:
        shown = given[clip.name] = {"emotion": ADJECTIVES.get(clip.emotion, clip.emotion)}
        for role in ("source", "reference"):
            path = getattr(clip, role)
            shown[role] = blind(path, design.copies) if path else ""
        blinded = {method: blind(path, design.copies) for method, path in clip.videos.items()}
        for group, (first, second) in enumerate(groups):
            pair = {blinded[first]: first, blinded[second]: second}
            add(clip, {**shown, "group": group}, pair)
    for clip in names.sample(list(clips), min(settings.checks, len(clips))):
        method = names.choice(sorted(clip.videos))
        good = blind(clip.videos[method], design.copies)
        bad = blind(clip.videos[method], design.spoilt)
        add(clip, {**given[clip.name], "group": -1}, {good: method, bad: SPOILT}, expected=good)
    trials.sort(key=lambda trial: trial["id"])
    design.page |= {
        "questions": _questions(clips),
        "trials": trials,
        "perParticipant": settings.trials,
        "repeats": settings.repeats,
    }
    design.key |= {"methods": methods, "trials": dict(sorted(hidden.items()))}
    design.key["questions"] = [question["id"] for question in design.page["questions"]]
    return design


def _questions(clips: Sequence[StudyClip]) -> list[dict[str, str]]:
    """Realism, emotion similarity, mouth shape: presumably the questions of the papers' studies."""
    questions = [{"id": REALISM, "text": "Which video looks more like a real recording?"}]
    if all(clip.reference for clip in clips):
        text = "In which video is the emotion more like that of the reference?"
        questions.append({"id": "emotion", "text": text})
    elif all(clip.emotion for clip in clips):
        text = "In which video does the person look more {emotion}?"
        questions.append({"id": "emotion", "text": text})
    end = "the mouth of the original" if all(clip.source for clip in clips) else "what is said"
    text = f"In which video does the mouth fit {end} better, moment by moment?"
    return [*questions, {"id": "mouth", "text": text}]
