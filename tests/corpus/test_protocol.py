from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spfem.corpus.clips import Clip, Corpus
from spfem.corpus.protocol import edit_protocol, held_back_clips, learning_clips, load_protocol
from spfem.errors import CorpusError
from spfem.settings import EMOTIONS
from tests.evaluation.made_up import make_corpus


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
