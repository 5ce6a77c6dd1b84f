"""How far a path is from the exact alignment, which the embedded corpus knows."""

from __future__ import annotations

import numpy as np

from spfem.corpus.clips import Corpus
from spfem.errors import CorpusError, ShapeError
from spfem.pairing.index import Pair


def _spoken(clock: np.ndarray, last: float) -> np.ndarray:
    """Whether each frame lies within a phoneme: not in a silence, where the clock stands still."""
    moves = np.gradient(clock) > 0 if len(clock) > 1 else np.ones(len(clock), bool)
    return (clock >= 0) & (clock < last) & moves


def alignment_error(
    path: np.ndarray, clock_source: np.ndarray, clock_target: np.ndarray
) -> np.ndarray:
    """Distance in frames between chosen and exact target frame, for the spoken path entries.

    The exact target of a source frame is the (fractional) target frame at which the phoneme clock
    has the same value. Entries whose source frame lies in a silence are left out.

    Args:
        path: frame indices (L, 2), source and target.
        clock_source: phoneme clock of the source clip (T,): below 0 before the sentence, k to
            k + 1 in phoneme k, K or more after its K phonemes.
        clock_target: phoneme clock of the target clip (U,), both with silence after the sentence.

    Returns:
        float64 (S,), S <= L.

    Raises:
        ShapeError: if the clocks are of different sentences, or the path leaves the clips.
    """
    last = np.floor(clock_source[-1])
    if last != np.floor(clock_target[-1]):
        raise ShapeError(
            f"the clocks end in phoneme {last:.0f} and {np.floor(clock_target[-1]):.0f}: "
            "these are different sentences"
        )
    source, target = np.asarray(path).T
    if source.max() >= len(clock_source) or target.max() >= len(clock_target):
        raise ShapeError(
            f"the path ends at {source.max(), target.max()}, the clips have "
            f"{len(clock_source), len(clock_target)} frames"
        )
    exact = np.interp(clock_source[source], clock_target, np.arange(len(clock_target)))
    return np.abs(target - exact)[_spoken(clock_source, last)[source]]


def pair_error(corpus: Corpus, pair: Pair) -> np.ndarray:
    """Alignment error in frames (S,) of one pair, read from the corpus's truth.

    Raises:
        CorpusError: if the corpus has no truth for the pair.
    """
    clocks = []
    for key in (pair.source, pair.target):
        file = corpus.root / "truth" / f"{key}.npz"
        try:
            with np.load(file) as arrays:
                clocks.append(arrays["frame_of_reference"].astype(np.float64))
        except (OSError, KeyError, ValueError) as error:
            raise CorpusError(f"{file} holds no exact truth ({error})") from None
    return alignment_error(pair.path, *clocks)
