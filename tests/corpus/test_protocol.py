"""Roles, held-back clips and edits: the papers' where they are published, else by our rules."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spfem.corpus.clips import Clip, Corpus
from spfem.corpus.protocol import (
    FOLDER,
    PUBLISHED,
    Edit,
    edit_protocol,
    held_back_clips,
    learning_clips,
    load_protocol,
    protocol_roles,
    share_edits,
    share_out,
    spread_actors,
)
from spfem.errors import CorpusError, InputError
from spfem.files import project_folder
from spfem.settings import EMOTIONS
from tests.evaluation.made_up import make_corpus

EVIDENCE = {
    "read from the released code",
    "verified numerically",
    "inferred",
    "public knowledge",
    "ours",
}
STATISTICS = project_folder().parent / "shared/published/aligned_path36_stats.csv"


def test_protocol_is_complete_and_follows_the_rules():
    corpus = make_corpus(targets=3)
    edits = edit_protocol(corpus, sources_per_actor=2)
    clips = {clip.key: clip for clip in corpus.clips}
    assert len(edits) == 2 * 3 * 2 * 7
    assert len({edit.name for edit in edits}) == len(edits)
    assert edits == edit_protocol(corpus, sources_per_actor=2)
    ring = {"A1": "A2", "A2": "A3", "A3": "A1"}
    for edit in edits:
        source, reference = clips[edit.source], clips[edit.reference]
        assert source.emotion == "neutral"
        assert source in held_back_clips(corpus, edit.actor)
        assert reference.emotion == edit.emotion
        assert reference != source
        assert reference.sentence != source.sentence or edit.setting == "cross"
        assert source.actor == edit.actor
        wanted = edit.actor if edit.setting == "intra" else ring[edit.actor]
        assert reference.actor == wanted
    assert {edit.emotion for edit in edits} == set(EMOTIONS)


def test_too_small_corpora_are_refused():
    with pytest.raises(CorpusError, match="role target"):
        edit_protocol(make_corpus(targets=0))
    with pytest.raises(CorpusError, match="too few clips"):
        held_back_clips(make_corpus(shared=0, own=1), "A1")


def test_missing_emotions_leave_out_their_edits_only():
    corpus = make_corpus()
    whole = edit_protocol(corpus)
    clips = tuple(clip for clip in corpus.clips if (clip.actor, clip.emotion) != ("A1", "happy"))
    with pytest.warns(UserWarning, match=r"2 edits are left out.*: A1 happy"):
        edits = edit_protocol(replace(corpus, clips=clips))
    lost = set(whole) - set(edits)
    assert set(edits) < set(whole)
    assert {(edit.setting, edit.reference.split("/")[0], edit.emotion) for edit in lost} == {
        ("intra", "A1", "happy"),
        ("cross", "A1", "happy"),
    }


def _make_mead(actors=("M003", "M009", "W015"), numbers=("001", "002", "017", "033")):
    clips = tuple(
        Clip(Path("mead"), actor, emotion, 1 if emotion == "neutral" else 3, number, sentence)
        for actor in actors
        for emotion in EMOTIONS
        for number in numbers
        for sentence in [number if number < "004" else f"{emotion}-{number}"]
    )
    return Corpus(Path("mead"), "mead", 30, clips, dict.fromkeys(actors, "target"), "0")


def test_mead_holds_back_the_numbers_that_the_papers_test_with():
    mead = _make_mead(numbers=("001", "002", "017", "018", "033"))
    assert {clip.number for clip in held_back_clips(mead, "M003")} == {"017", "033"}
    # The same clips under another name, where no list is published: by sentences.
    other = replace(mead, name="other")
    assert {clip.number for clip in held_back_clips(other, "M003")} == {"017", "018", "033"}
    # Without any of the numbers: by sentences, too.
    mead = _make_mead(numbers=("001", "002", "004"))
    assert {clip.number for clip in held_back_clips(mead, "M003")} == {"004"}


def test_mead_takes_cross_references_from_the_published_map():
    mead = _make_mead(load_protocol("mead").target_actors)
    pairs = {(e.actor, e.reference.split("/")[0]) for e in edit_protocol(mead) if _is_cross(e)}
    assert pairs == set(load_protocol("mead").cross_references.items())


def test_missing_reference_of_the_published_map_is_said():
    with pytest.warns(UserWarning, match=r"reference for W015 is M030, of whom mead has no clips"):
        edits = edit_protocol(_make_mead())
    crossed = {(e.actor, e.reference.split("/")[0]) for e in edits if _is_cross(e)}
    assert crossed == {("M003", "W015"), ("M009", "M003")}
    assert {e.actor for e in edits if not _is_cross(e)} == {"M003", "M009", "W015"}
    with pytest.warns(UserWarning, match="M005 gets no cross-ID edits"):
        edit_protocol(_make_mead(("M005",)))


def _is_cross(edit):
    return edit.setting == "cross"


def test_own_sentences_are_held_back_from_learning():
    corpus = make_corpus(shared=2, own=2)
    held_back = held_back_clips(corpus, "A1")
    assert {clip.number for clip in held_back} == {"003", "004"}
    assert len(held_back) == 14
    assert {clip.number for clip in learning_clips(corpus, "A1")} == {"001", "002"}


def test_roles_of_mead_are_those_of_the_papers():
    mead = load_protocol("mead")
    assert len(mead.metric_actors) == 36
    assert sum(actor.startswith("M") for actor in mead.metric_actors) == 21
    assert [mead.role(a) for a in ("W021", "M005", "M003", "M012", "W009")] == [
        "held_out",
        "train",
        "target",
        "target",
        None,
    ]
    assert set(mead.cross_references) == set(mead.target_actors)
    assert set(mead.cross_references.values()) == set(mead.target_actors)
    assert mead.cross_references["M003"] == "W015"
    assert mead.levels["neutral"] == 1
    assert {mead.levels[e] for e in EMOTIONS[1:]} == {3}


@pytest.mark.skipif(not STATISTICS.is_file(), reason="needs the statistics of the released paths")
def test_metric_actors_and_shared_sentences_of_mead_are_those_of_the_released_paths():
    mead = load_protocol("mead")
    with STATISTICS.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["actor"] for row in rows} == set(mead.metric_actors)
    for row in rows:
        has = {r["emotion_clip"] for r in rows if (r["actor"], r["emotion"]) == _cell(row)}
        neutral = mead.sentence("neutral", row["neutral_clip"])
        assert neutral == mead.sentence(row["emotion"], row["emotion_clip"], has)
        assert neutral.startswith("shared-")


def _cell(row: dict[str, str]) -> tuple[str, str]:
    return row["actor"], row["emotion"]


def test_ravdess_has_three_roles_and_no_map():
    ravdess = load_protocol("ravdess")
    actors = [f"Actor_{n:02d}" for n in range(1, 25)]
    roles = [ravdess.role(actor) for actor in actors]
    assert roles == ["target"] * 6 + ["train"] * 17 + ["held_out"]
    assert not ravdess.cross_references
    assert "02" not in ravdess.emotions  # calm


@pytest.mark.parametrize("corpus", PUBLISHED)
def test_the_files_contradict_nothing_and_name_their_evidence(corpus):
    protocol = load_protocol(corpus)
    metric, targets = set(protocol.metric_actors), set(protocol.target_actors)
    assert len(metric) == len(protocol.metric_actors)
    assert len(targets) == len(protocol.target_actors)
    assert not metric & targets
    assert metric > set(protocol.held_out_actors)
    pairs = protocol.cross_references.items()
    assert {actor for pair in pairs for actor in pair} <= targets
    assert all(actor != reference for actor, reference in pairs)
    assert set(protocol.emotions.values()) == set(EMOTIONS) == set(protocol.levels)
    assert set(protocol.levels.values()) <= {1, 2, 3}
    lists = [protocol.shared_sentences, *protocol.shared_sentences_elsewhere.values()]
    assert len({len(numbers) for numbers in lists}) == 1
    numbers = {*protocol.test_numbers, *(number for each in lists for number in each)}
    assert all(number.isdecimal() for number in numbers)
    facts = json.loads((project_folder() / FOLDER / f"{corpus}.json").read_text())["facts"]
    assert {fact["evidence"] for fact in facts.values()} <= EVIDENCE
    assert all(fact["source"] for fact in facts.values())


def test_missing_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_protocol("mead", tmp_path)
    for text in ("", "[]", "{}", '{"facts": {}}', '{"facts": {"levels": 3}}'):
        (tmp_path / "mead.json").write_text(text)
        with pytest.raises(InputError, match="damaged"):
            load_protocol("mead", tmp_path)


@pytest.mark.parametrize("count", range(1, 60))
def test_shared_out(count):
    roles = share_out(f"{k:02d}" for k in range(count))
    values = list(roles.values())
    assert len(roles) == count
    assert 1 <= values.count("target") <= 6
    assert values.count("held_out") == (count > 2)
    assert count == 1 or "train" in values
    targets = [actor for actor, role in roles.items() if role == "target"]
    assert targets == sorted(roles)[-len(targets) :]


def test_papers_roles():
    roles = protocol_roles("mead", ["M003", "M005", "W021", "M013", "W015"])
    assert roles == {"M003": "target", "M005": "train", "W015": "target", "W021": "held_out"}
    assert protocol_roles("mead", ["M003", "M005", "M007"])["M007"] == "held_out"
    assert protocol_roles("mead", ["M003", "W015"]) == {}
    assert protocol_roles("own", ["M003", "M005", "W021"]) == {}
    assert protocol_roles("ravdess", ["Actor_01", "Actor_23", "Actor_24"])["Actor_24"] == "held_out"


EVERY = tuple(
    Edit(setting, f"{actor}/neutral/level_1/{number}", "reference", emotion, actor)
    for setting in ("intra", "cross")
    for actor in "ABCDEFGH"
    for number in ("004", "005")
    for emotion in EMOTIONS
)


@given(st.integers(1, 7), st.integers(0, 20), st.integers(1, 8))
def test_shares_give_each_edit_once_in_as_many_turns_and_come_round_evenly(share, first, actors):
    edits = tuple(edit for edit in EVERY if edit.actor in "ABCDEFGH"[:actors])
    turns = [share_edits(edits, share, first + turn) for turn in range(share)]
    assert sorted(edit.name for part in turns for edit in part) == sorted(e.name for e in edits)
    assert share_edits(edits, share, first + share) == turns[0]
    for part in turns:
        for kind in ("setting", "emotion", "source"):
            wanted = Counter(getattr(edit, kind) for edit in edits)
            found = Counter(getattr(edit, kind) for edit in part)
            for value, count in wanted.items():  # of a source two settings of seven emotions
                rows = count // len(EMOTIONS) if kind != "emotion" else 1
                assert abs(found[value] - count / share) <= max(rows, 1), (kind, value)


def test_a_share_of_none_is_refused():
    with pytest.raises(InputError, match="share"):
        share_edits(EVERY, 0, 0)


@given(st.integers(1, 12), st.integers(1, 12))
def test_spread_actors_are_different_and_begin_with_the_first(count, wanted):
    names = [f"M{n:02}" for n in range(count)]
    chosen = spread_actors([*names, *names], wanted)
    assert len(set(chosen)) == len(chosen) == min(count, wanted)
    assert chosen[0] == names[0]
    assert wanted == 1 or chosen[-1] == names[-1]
