"""Random pairs say other words, are the same each time, and fill the length."""

import numpy as np
import pytest

from spfem.corpus.protocol import edit_protocol
from spfem.errors import CorpusError
from spfem.evaluation.random_clips import frames_to_length, random_clip
from tests.evaluation.made_up import make_corpus


def test_a_random_clip_is_a_targets_with_other_words():
    corpus = make_corpus()
    sentences = {clip.key: clip.sentence for clip in corpus.clips}
    chosen = [random_clip(corpus, edit) for edit in edit_protocol(corpus, sources_per_actor=2)]
    again = [random_clip(corpus, edit) for edit in edit_protocol(corpus, sources_per_actor=2)]
    assert chosen == again
    assert len(set(chosen)) > len(chosen) / 4
    for edit, clip in zip(edit_protocol(corpus, sources_per_actor=2), chosen, strict=True):
        assert corpus.roles[clip.actor] == "target"
        assert sentences[clip.key] != sentences[edit.source]


def test_one_sentence_has_no_random_pair():
    corpus = make_corpus(shared=1, own=0)
    edit = edit_protocol(make_corpus())[0]
    edit = type(edit)("intra", corpus.clips[-1].key, corpus.clips[-1].key, "sad", "A3")
    with pytest.raises(CorpusError, match="say the same"):
        random_clip(corpus, edit)


def test_short_clips_are_played_to_and_fro():
    assert frames_to_length(4, 9).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert frames_to_length(5, 3).tolist() == [0, 1, 2]
    assert np.array_equal(frames_to_length(1, 3), [0, 0, 0])
