from __future__ import annotations

from studies.paper_claims import list_claims

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
