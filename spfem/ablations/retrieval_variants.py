"""Variants of retrieval: threshold and number of pairs."""

from __future__ import annotations

from dataclasses import dataclass

from spfem.ablations.variants import DEFAULT, Variant


@dataclass(frozen=True)
class RetrievalVariant(Variant):
    """Another threshold or number of pairs; `blind` draws as many windows without listening."""

    blind: bool = False


def _threshold(value: float, words: str) -> RetrievalVariant:
    return RetrievalVariant(f"threshold {value:g}", "threshold", words, {"threshold": value})


def _pairs(count: int) -> RetrievalVariant:
    what = f"the nearest {count} windows" if count > 1 else "the nearest window only"
    return RetrievalVariant(f"top {count}", "number of pairs", what, {"top_k": count})


VARIANTS = (
    RetrievalVariant(DEFAULT, "", "audio distance up to 2, the nearest 10 windows"),
    _threshold(0.5, "only what sounds nearly equal"),
    _threshold(1.0, "half the distance"),
    _threshold(4.0, "twice the distance"),
    RetrievalVariant("no threshold", "threshold", "whatever sounds nearest", {"threshold": 1000.0}),
    _pairs(1),
    _pairs(3),
    _pairs(30),
    RetrievalVariant("blind", "sound", "10 windows drawn without listening", blind=True),
)
