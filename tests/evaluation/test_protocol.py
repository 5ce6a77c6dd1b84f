from __future__ import annotations

from dataclasses import replace

import pytest

from spfem.errors import CorpusError
from spfem.evaluation.protocol import (
    cross_references,
    edit_protocol,
    held_back_clips,
    learning_clips,
)
from spfem.settings import EMOTIONS
from tests.evaluation.made_up import make_corpus


def test_own_sentences_are_held_back_from_learning():
    corpus = make_corpus(shared=2, own=2)
    held_back = held_back_clips(corpus, "A1")
    assert {clip.number for clip in held_back} == {"003", "004"}
    assert len(held_back) == 14
    assert {clip.number for clip in learning_clips(corpus, "A1")} == {"001", "002"}


def test_without_own_sentences_the_last_one_is_held_back():
    corpus = make_corpus(shared=2, own=0)
    assert {clip.sentence for clip in held_back_clips(corpus, "A1")} == {"s2"}


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


def test_single_target_has_no_cross_setting():
    edits = edit_protocol(make_corpus(targets=1))
    assert {edit.setting for edit in edits} == {"intra"}


def test_one_own_sentence_takes_a_shared_neutral_reference():
    edits = edit_protocol(make_corpus(shared=1, own=1))
    neutral = next(e for e in edits if e.emotion == "neutral" and e.setting == "intra")
    assert neutral.reference.endswith("001")


def test_ring():
    assert cross_references(("a", "b")) == {"a": "b", "b": "a"}


def test_too_small_corpora_are_refused():
    with pytest.raises(CorpusError, match="role target"):
        edit_protocol(make_corpus(targets=0))
    with pytest.raises(CorpusError, match="too few clips"):
        held_back_clips(make_corpus(shared=0, own=1), "A1")
    corpus = make_corpus()
    happy_less = tuple(clip for clip in corpus.clips if clip.emotion != "happy")
    with pytest.raises(CorpusError, match="no happy clip"):
        edit_protocol(replace(corpus, clips=happy_less))
