"""Published tables and the claims made of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from studies import paper_claims as published
from studies.paper_claims import list_claims

from spfem.errors import InputError
from spfem.settings import EMOTIONS
from tests.studies.paper_tables import published_pairs


@pytest.mark.parametrize("name", published.PUBLISHED_COLUMNS)
def test_every_table_can_be_read(name):
    assert len(published.read_published(name)) > 2


def test_printed_averages_are_means_except_the_known_misprints():
    methods, known = published.published_methods(), published.published_misprints()
    found = published.find_misprints(methods)
    key = list(published.KEY)
    assert len(methods) == 36 + 36 + 32
    assert not methods.duplicated(key).any()
    merged = found.merge(known, on=key, how="outer", suffixes=("", "_known"), indicator=True)
    assert (merged._merge == "both").all()
    assert (merged.printed_average == merged.printed_average_known).all()
    assert np.allclose(merged.mean_of_cells, merged.mean_of_cells_known, atol=1e-3)


def test_a_planted_misprint_is_found():
    methods = published.published_methods()
    row = methods.index[5]
    methods.loc[row, EMOTIONS[2]] += 0.1
    before = len(published.published_misprints())
    assert len(published.find_misprints(methods)) == before + 1


def test_baselines_disagree_between_the_sources():
    table = published.baseline_disagreement(published.published_methods())
    assert len(table) == 12
    ned = table[(table.base == "NED") & (table.metric == "FAD")].set_index("setting")
    assert ned.relative_difference["intra"] == pytest.approx(1.170 / 2.108 - 1)
    same = table[(table.base == "ICface") & (table.metric == "CSIM")]
    assert (same.relative_difference == 0).all()


def test_a_missing_or_changed_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="is missing"):
        published.read_published("similarity", tmp_path)
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "similarity.csv", index=False)
    with pytest.raises(InputError, match="has the columns a"):
        published.read_published("similarity", tmp_path)


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
