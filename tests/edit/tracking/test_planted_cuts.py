"""Cuts from every speaker of the embedded corpus to every other and back, in the same place."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import permutations
from pathlib import Path

import pytest

from spfem.face import person as likeness
from spfem.face.person import PersonFollower, open_face_finder
from spfem.media.video import read_video
from spfem.scales import load_scale
from spfem.studio.build import film_take, plan_takes

BEFORE, CUT, AFTER = 20, 15, 20
WRONG, LEFT_OUT = 0.01, 0.02  # shares of frames


def _seen(path, count):
    """Frames and their faces."""
    frames = read_video(path).frames[:count]
    with open_face_finder(25) as find_faces:
        return [(frame, find_faces(frame)) for frame in frames]


@pytest.fixture(scope="module")
def speakers(tmp_path_factory):
    """Two neutral clips of each speaker."""
    settings = load_scale("demo").corpus
    takes = plan_takes(Path(tmp_path_factory.mktemp("corpus")), settings)
    clips = {}
    for name in dict.fromkeys(take.clip.actor for take in takes):
        own = [t for t in takes if t.clip.actor == name and t.clip.emotion == "neutral"][:2]
        for take in own:
            film_take(replace(take, counterparts=()), settings)
        clips[name] = (
            _seen(own[0].clip.video, BEFORE + AFTER),
            _seen(own[1].clip.video, CUT),
        )
    return clips


def _followed(first, between):
    follower = PersonFollower(None, "planted")
    together = [*first[:BEFORE], *between, *first[BEFORE:]]
    chosen = [follower.choose(frame, faces) is not None for frame, faces in together]
    return chosen[BEFORE : BEFORE + len(between)], [
        *chosen[:BEFORE],
        *chosen[BEFORE + len(between) :],
    ]


@pytest.mark.slow
def test_the_person_is_followed_over_cuts_to_all_others(speakers, monkeypatch):
    monkeypatch.setattr(likeness, "_describe", lru_cache(None)(likeness._describe.__wrapped__))
    others, own = [], []
    for first, second in permutations(speakers, 2):
        during, around = _followed(speakers[first][0], speakers[second][1])
        others += during
        own += around
    pairs = len(speakers) * (len(speakers) - 1)
    assert pairs == 132
    assert len(others) == pairs * CUT
    wrong, left_out = sum(others) / len(others), 1 - sum(own) / len(own)
    print(f"wrong {wrong:.2%} of {len(others)}, left out {left_out:.2%} of {len(own)}")
    assert wrong <= WRONG
    assert left_out <= LEFT_OUT
    within = [found for clip in speakers.values() for part in _followed(*clip) for found in part]
    assert 1 - sum(within) / len(within) <= LEFT_OUT  # a jump cut within one person goes on
