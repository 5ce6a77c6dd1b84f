"""The row of random pairs: a real clip that has nothing to do with the edit stands for its result.

Its sound stays that of the source, so it shows what each metric gives to lips that belong to other
words, a face that may be another person's, and an emotion by chance.
"""

from __future__ import annotations

import hashlib

import numpy as np

from spfem.corpus.clips import Clip, Corpus
from spfem.corpus.protocol import Edit
from spfem.errors import CorpusError


def random_clip(corpus: Corpus, edit: Edit) -> Clip:
    """A clip of a target actor with other words than the source's; the same for the same edit.

    Raises:
        CorpusError: if all clips say the same.
    """
    sentences = {clip.key: clip.sentence for clip in corpus.clips}
    said = sentences[edit.source]
    others = [clip for clip in corpus.select(role="target") if clip.sentence != said]
    if not others:
        raise CorpusError(f"{corpus.root}: all target clips say the same; none is a random pair")
    seed = int.from_bytes(hashlib.sha256(edit.name.encode()).digest()[:8], "big")
    return others[int(np.random.default_rng(seed).integers(len(others)))]


def frames_to_length(count: int, wanted: int) -> np.ndarray:
    """Indices (wanted,) that cut `count` frames, or play them to and fro until they suffice."""
    if count == 1:
        return np.zeros(wanted, int)
    there_and_back = np.concatenate([np.arange(count), np.arange(count - 2, 0, -1)])
    return np.resize(there_and_back, wanted)
