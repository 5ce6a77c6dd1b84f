"""An ablation table for readers: saved, drawn, and said in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from spfem.ablations.run import TABLES, caption_of
from spfem.ablations.statistics import in_words, wide_table
from spfem.ablations.supervision_variants import CALIBRATION
from spfem.evaluation.tables import markdown_table
from spfem.workspace import Workspace


def show_ablation(workspace: Workspace, tables: Mapping[str, pd.DataFrame], name: str) -> list[Any]:
    """Save `ablation_<name>` as table and figure, and give what a notebook displays of it.

    Args:
        workspace: whose results they are.
        tables: of `ablation_tables`.
        name: one of `TABLES`.

    Returns:
        Sentences, the figure and the table as a paper prints it; without any variant to compare,
        a sentence that says how to make them.
    """
    from IPython.display import Markdown

    from spfem.interval_plots import draw_ablation

    rows, table = tables.get(name), TABLES[name]
    if rows is None or rows.difference.isna().all():
        return [Markdown(f"*Not made in this workspace: {how_to_make(workspace)}*")]
    caption, labels = caption_of(name, rows), {n: q.label for n, q in table.quantities.items()}
    shown = wide_table(rows, table)
    workspace.save_table(rows, f"ablation_{name}", shown=shown, caption=caption)
    drawn = rows[rows.component != CALIBRATION]  # so far off that it would flatten the rest
    figure = draw_ablation(drawn, labels)
    workspace.save_figure(figure, f"ablation_{name}", drawn, caption=caption)
    words = "\n".join(f"* {sentence}" for sentence in in_words(rows, table))
    return [Markdown(f"{caption}\n\n{words}"), figure, Markdown(markdown_table(shown))]


def how_to_make(workspace: Workspace) -> str:
    """The command that makes what is missing."""
    return (
        f"`bash run_all.sh --scale {workspace.scale.name} --corpus {workspace.corpus} --only 14 "
        "--ablations` learns every variant (killed, it goes on where it was)."
    )
