"""Random pairs say other words, are the same each time, and fill the length."""

from spfem.corpus.protocol import edit_protocol
from spfem.evaluation.scores import random_clip
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
