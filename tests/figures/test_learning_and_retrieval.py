"""Records of learning, all similarities, retrieval: the drawn values are those of the tables."""

import json

import numpy as np
import pandas as pd

from spfem.drawing import draw_all_similarities, draw_learning, draw_retrieval
from spfem.plots import new_figure


def _record(folder):
    rows = [
        {"step": step, "split": split, "loss": step + (split == "held_out"), "positive": 2 * step,
         "negative": 3 * step}
        for step in (10, 20)
        for split in ("train", "held_out")
    ]  # fmt: skip
    path = folder / "curve.json"
    path.write_text(json.dumps(rows))
    return path


def test_splits_and_held_out_columns_of_a_record(tmp_path):
    _, axes = new_figure(1, 2)
    path = _record(tmp_path)
    lines = draw_learning(axes[0, 0], path).lines
    assert [list(line.get_ydata()) for line in lines] == [[10, 20], [11, 21]]
    lines = draw_learning(axes[0, 1], path, ["positive", "negative"]).lines
    assert [list(line.get_ydata()) for line in lines] == [[20, 40], [30, 60]]


def test_one_axis_a_quantity_with_all_metrics():
    quantities = ("matched", "mismatched_place", "mismatched_speech", "speech_auc")
    table = pd.DataFrame(
        [
            {"metric": metric, "state": state, "split": "held_out", "quantity": quantity,
             "value": 0.1 * number, "ci_low": 0.0, "ci_high": 0.5}
            for number, quantity in enumerate(quantities)
            for metric in ("spatial", "temporal_vd")
            for state in ("before", "after")
        ]
    )  # fmt: skip
    _, axes = new_figure(4, 1)
    draw_all_similarities(axes[:, 0], table, split="held_out")
    for number, ax in enumerate(axes[:, 0]):
        heights = [bar.get_height() for bar in ax.patches]
        np.testing.assert_allclose(heights, [0.1 * number] * 4)
    assert axes[0, 0].get_legend() is not None
    assert axes[1, 0].get_legend() is None


def test_recall_by_search_with_chance():
    table = pd.DataFrame(
        [
            {"query": "audio", "target": target, "state": state, "split": split,
             "recall_at_1": value, "chance_at_1": 0.05, "ci_low": 0.0, "ci_high": 1.0}
            for split, add in (("train", 0.5), ("held_out", 0.0))
            for target, state, value in (
                ("audio", "before", 0.1 + add), ("audio", "after", 0.4 + add),
                ("image", "before", 0.2 + add), ("image", "after", 0.3 + add),
            )
        ]
    )  # fmt: skip
    _, axes = new_figure()
    ax = draw_retrieval(axes[0, 0], table, split="held_out")
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], [0.1, 0.2, 0.4, 0.3])
    assert [text.get_text() for text in ax.get_xticklabels()] == [
        "audio\n→ audio",
        "audio\n→ image",
    ]
    assert any(np.allclose(line.get_ydata(), 0.05) for line in ax.lines)
