from __future__ import annotations

import numpy as np
import pytest
import torch
from studies.costs import (
    COLUMNS,
    CostItem,
    cost_table,
    count_gflop,
    count_parameters,
    list_cost_items,
    peak_bytes,
    published_share,
)
from studies.paper_claims import read_published
from torch import nn

from spfem.scales import load_scale

SMALL_GFLOP = 0.3  # of published units that a fast test can run


def test_a_multiply_add_counts_twice():
    item = CostItem("linear", "row", nn.Linear(30, 20), (torch.zeros(1, 30),))
    assert count_gflop(item) * 1e9 == 2 * 30 * 20
    assert count_parameters(item.module) == 30 * 20 + 20


def test_peak_memory_is_that_of_what_lives_at_once():
    module, inputs = nn.Identity(), (torch.zeros(2**18),)  # 1 MiB

    def work():
        first, second = inputs[0] + 1, inputs[0] + 2
        return (first + second).sum()

    assert peak_bytes(work, module, inputs, "cpu") == pytest.approx(3 * 2**20, abs=64)


def test_sizes_of_the_papers_are_the_published_ones():
    facts = read_published("network_costs").set_index("network")
    items = {item.network: item for item in list_cost_items(load_scale("paper"), 51)}
    assert set(facts.index) <= set(items)
    for name, fact in facts.iterrows():
        unused = {"spatial metric": 1024, "spatial metric step": 1024, "cross-attention": 768}
        if not np.isnan(fact.parameters):
            assert count_parameters(items[name].module) == fact.parameters - unused.get(name, 0)
        assert items[name].per == fact.per
        if fact.gflop < SMALL_GFLOP:
            assert count_gflop(items[name]) == pytest.approx(fact.gflop, rel=0.02), name


@pytest.mark.slow
def test_the_table_is_whole():
    scale = load_scale("smoke")
    table = cost_table(scale, 52, device="cpu", repeats=1)
    assert list(table.columns) == list(COLUMNS)
    assert not table.duplicated(["size", "network"]).any()
    ours, papers = (table[table["size"] == size] for size in ("smoke", "papers"))
    assert (ours[["parameters", "gflop", "seconds", "peak_mib"]] > 0).all(axis=None)
    assert ours[["published_parameters", "published_gflop"]].isna().all(axis=None)
    assert papers[["seconds", "peak_mib"]].isna().all(axis=None)
    share = published_share(table)
    assert len(share) == 12
    assert (share[["parameters", "gflop"]].dropna() - 1).abs().max(axis=None) < 0.02
