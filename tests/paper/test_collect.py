from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from studies import paper_check as collect

from spfem.scales import load_scale


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """A workspace without content, and the comparisons that are asked for."""
    calls = []
    record = tmp_path / "curve.json"
    record.write_text(json.dumps([{"step": 1, "split": "train", "loss": 2.0}]))

    def differences(scores, real, settings, *, baseline):
        calls.append(({score.method for score in scores}, baseline))
        return pd.DataFrame({"method": []})

    replaced = {
        "calibrating_methods": lambda workspace: ("copy",),
        "score_method": lambda workspace, method, seed: [SimpleNamespace(method=method, seed=seed)],
        "real_samples": lambda workspace: [],
        "main_results": lambda scores, real, settings: pd.DataFrame(
            {"method": sorted({s.method for s in scores})}
        ),
        "method_differences": differences,
        "make_similarity": lambda workspace, name: (pd.DataFrame({"metric": [name]}), {}),
        "make_temporal_metric": lambda workspace, name, seed: tmp_path / "metric.safetensors",
        "control_operators": lambda operators, **size: None,
    }
    for name, value in replaced.items():
        monkeypatch.setattr(collect, name, value)

    def run(methods, seeds=(0, 1)):
        scale = replace(load_scale("smoke"), methods=methods, seeds=seeds)
        return collect.collect_measured(SimpleNamespace(scale=scale, corpus="synthetic")), calls

    return run


def test_all_methods_are_compared(asked):
    methods = ("ned", "ned+stccl_vd", "ned+stccl_cm", "ned+scmcl")
    measured, calls = asked(methods)
    assert calls == [
        (set(methods), "ned"),
        ({"ned+stccl_vd", "ned+stccl_cm"}, "ned+stccl_cm"),
    ]
    assert set(measured.results.method) == {*methods, "copy"}
    assert set(measured.curves) == {0, 1}
    assert measured.similarity.metric.tolist() == list(collect.SIMILARITIES)
