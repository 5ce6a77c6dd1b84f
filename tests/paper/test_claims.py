from __future__ import annotations

from spfem.paper.claims import list_claims
from spfem.settings import EMOTIONS
from tests.paper.made_up import published_pairs


def test_every_comparison_of_the_tables_is_a_claim():
    claims = list_claims()
    methods = claims[claims.part == "method"]
    assert len(methods) == (4 + 4) * 6 + 16  # two methods a base, one in the other source
    assert not claims.claim[claims.part != "method"].duplicated().any()
    assert claims.claim.str.len().gt(10).all()
    assert claims.source.ne("").all()


def test_numbers_are_those_of_the_tables():
    claims = list_claims()
    ned = claims[(claims.part == "method") & (claims.base == "NED")]
    pairs = published_pairs()
    assert len(ned) == len(pairs)
    for row in ned.itertuples():
        source = row.source.split(",")[0].lower()
        printed = pairs.loc[(source, row.corpus, row.setting, row.metric, "NED", row.addition)]
        assert (row.published_base, row.published_value) == (printed.plain, printed.average)


def test_words_follow_the_numbers():
    claims = list_claims()
    told = claims[claims.part.isin(["method", "formulation"])]
    lower = told.published_value < told.published_base
    assert (told.claim.str.contains(" lower ") == lower).all()
    assert (told.claim.str.contains(" higher ") == ~lower).all()


def test_emotions_are_counted():
    claims = list_claims()
    counts = claims[claims.part == "emotions"].set_index(
        ["source", "corpus", "setting", "metric", "base", "addition"]
    )
    # Seen in the table: angry, disgusted, happy and sad are worse.
    row = counts.loc[("STCCL, table of MEAD", "mead", "intra", "LSE-D", "NED", "stccl_vd")]
    assert row.published_value == len(EMOTIONS) - 4
    assert "3 of 7" in row.claim


def test_equal_averages_order_nothing():
    claims = list_claims()
    ties = claims[
        (claims.part == "formulation")
        & (claims.corpus == "ravdess")
        & (claims.setting == "intra")
        & (claims.metric == "LSE-D")
    ]
    assert ties.empty
