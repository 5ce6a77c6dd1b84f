"""Tables of results as HTML: rounded, with published numbers marked as such."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

DIGITS = 3
SHOWN_ROWS = 24
PUBLISHED = "published"


def round_number(value: object) -> str:
    """A number with three significant digits, thousands whole; other values as they are."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if not isinstance(value, float | np.floating):
        return str(value)
    number = float(value)
    if np.isnan(number):
        return "n/a"
    if np.isinf(number) or number.is_integer() or abs(number) >= 10**DIGITS:
        return f"{number:.0f}"
    return f"{number:#.{DIGITS}g}".rstrip(".") if abs(number) >= 1e-4 else f"{number:.1e}"


def read_shown(csv: Path, markdown: Path | None) -> tuple[list[str], list[list[str]]]:
    """Columns and cells that readers see.

    Where the Markdown twin has other columns than the CSV it is a layout of its own (that of a
    paper) and is taken as it stands; else the CSV is rounded.
    """
    table = pd.read_csv(csv, keep_default_na=False, na_values=["", "nan", "NaN"])
    columns = [str(name) for name in table.columns]
    if markdown is not None and markdown.is_file():
        lines = [_cells(line) for line in markdown.read_text("utf-8").splitlines()]
        if len(lines) > 2 and lines[0] != columns:
            shown = [name for name in lines[0] if name in columns]
            if len(shown) < len(lines[0]) or len(lines) - 2 != len(table):
                return lines[0], lines[2:]
            table, columns = table[shown], shown
    table = table.astype(object).where(table.notna(), float("nan"))
    return columns, [[round_number(cell) for cell in row] for row in table.itertuples(index=False)]


def table_html(columns: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> str:
    """A table that scrolls sideways on a phone; long ones are folded up.

    Columns whose name says `published`, and rows with a cell that begins or ends with the word,
    are shaded.
    """
    published = [PUBLISHED in name.lower() for name in columns]
    head = "".join(
        f'<th scope="col"{_mark(marked)}>{escape(name.replace("_", " "))}</th>'
        for name, marked in zip(columns, published, strict=True)
    )
    whose = [any(_says_published(cell.lower()) for cell in row) for row in rows]
    body = "".join(
        f"<tr{_mark(of_papers)}>"
        + "".join(
            f"<td{_mark(marked)}>{_bold(escape(cell))}</td>"
            for cell, marked in zip(row, published, strict=False)
        )
        + "</tr>"
        for row, of_papers in zip(rows, whose, strict=True)
    )
    text = (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    if len(rows) > SHOWN_ROWS:
        text = f"<details><summary>Show all {len(rows)} rows</summary>{text}</details>"
    if any(published) or any(whose):
        text += (
            '<p class="note">What is shaded are <strong>published</strong> numbers, of the '
            "papers' data and networks. Compare directions, not absolute values.</p>"
        )
    return text


def _says_published(cell: str) -> bool:
    """Whether a cell names whose numbers a row holds; prose holds the word elsewhere."""
    return bool(re.match(rf"{PUBLISHED}\b", cell) or re.search(rf"\b{PUBLISHED}$", cell))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _bold(cell: str) -> str:
    if cell.startswith("**") and cell.endswith("**") and len(cell) > 4:
        return f"<strong>{cell[2:-2]}</strong>"
    return cell


def _mark(published: bool) -> str:
    return ' class="published"' if published else ""
