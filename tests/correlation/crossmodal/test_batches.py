from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.correlation.sound import BatchDraw, collect_samples, tabulate_frames
from tests.correlation.crossmodal.planted import SMALL, planted_clips


@pytest.fixture(scope="module")
def material():
    clips, pairs, _ = planted_clips()
    table = tabulate_frames(clips, SMALL)
    return table, collect_samples(table, pairs.pairs, {"A": "train", "B": "train"}, "train")


def owners(table, rows):
    return {(table.keys[n].split("/")[0], table.keys[n].split("/")[1]) for n in table.clip_of[rows]}


def test_a_batch_is_of_one_actor_and_emotion_and_all_groups_are_drawn(material):
    table, samples = material
    draw = BatchDraw(table, samples, SMALL)
    seen = set()
    for step in range(40):
        batch = draw(np.random.default_rng(step))
        (actor, emotion), *others = owners(table, batch.target)
        assert not others
        assert owners(table, batch.source) == {(actor, "neutral")}
        seen.add((actor, emotion))
        assert len(batch.source) == SMALL.batch_size
    assert seen == {(actor, emotion) for actor in "AB" for emotion in ("happy", "sad")}


def test_the_mask_is_what_a_plain_loop_finds(material):
    table, samples = material
    settings = replace(SMALL, false_negative_frames=2)
    batch = BatchDraw(table, samples, settings)(np.random.default_rng(3))
    clip = table.clip_of
    masked = 0
    for i in range(len(batch.source)):
        for j in range(len(batch.source)):
            near = False
            for rows in (batch.source, batch.target):
                same = clip[rows[i]] == clip[rows[j]]
                near = near or (same and abs(rows[i] - rows[j]) <= 2)
            assert bool(batch.mask[i, j]) == near
            masked += near
    assert len(batch.source) < masked < len(batch.source) ** 2


def test_the_released_draw_repeats_others_but_never_the_anchor_and_masks_nothing(material):
    table, samples = material
    settings = replace(SMALL, compat="false_negatives", batch_size=200)
    batch = BatchDraw(table, samples, settings)(np.random.default_rng(0))
    drawn = list(zip(batch.source, batch.target, strict=True))
    assert batch.mask is None
    assert len(drawn) == 200
    assert len(set(drawn)) < 200
    assert drawn[0] not in drawn[1:]
