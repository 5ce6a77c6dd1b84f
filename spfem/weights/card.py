"""The card of a shipped model: what it was learned from, with what, and how good it is.

`NAME.json` is for programs, `NAME.md` is the same rendered to be read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spfem.artifacts import writing
from spfem.errors import CheckpointError

KEYS = (
    "name",
    "title",
    "load",
    "kind",
    "variant",
    "sha256",
    "bytes",
    "parameters",
    "learned_from",
    "seed",
    "stage",
    "stage_digest",
    "made_with",
    "settings",
    "measured_on",
    "confidence",
    "baseline",
    "figures",
    "explained",
    "rounding",
    "limits",
)
"""What every card holds.

`figures` has rows of `FIGURE_KEYS`; `rounding` is the largest change of any of their values that
half precision makes; `explained` says what each quantity is.
"""
FIGURE_KEYS = ("quantity", "value", "ci_low", "ci_high", "baseline", "unrounded")


def card_file(path: Path) -> Path:
    """Where the card of a model is."""
    return path.with_suffix(".json")


def page_file(path: Path) -> Path:
    """Where the card of a model is to be read."""
    return path.with_suffix(".md")


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write both forms of the card beside the model `path`."""
    for file, text in (
        (card_file(path), json.dumps(card, indent=1) + "\n"),
        (page_file(path), render_card(card)),
    ):
        with writing(file) as aside:
            aside.write_text(text, encoding="utf-8")


def read_card(path: Path) -> dict[str, Any]:
    """The card beside the model `path`.

    Raises:
        CheckpointError: if it is missing, damaged or lacks an entry.
    """
    file = card_file(path)
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{file} is missing: {path.name} has no card") from error
    except ValueError as error:
        raise CheckpointError(f"{file} is no card of a model: {error}") from error
    lacking = [key for key in KEYS if not isinstance(card, dict) or key not in card]
    if lacking:
        raise CheckpointError(f"{file} is no whole card, it lacks {', '.join(lacking)}")
    return card


def render_card(card: Mapping[str, Any]) -> str:
    """A card as Markdown."""
    learned, made = card["learned_from"], card["made_with"]
    parts = [
        f"# {card['title']}",
        f"`{card['load']}`",
        "\n".join(
            (
                f"* **File**: `{card['name']}.safetensors`, {card['bytes']:,} bytes, "
                f"{card['parameters']:,} values in half precision, SHA-256 `{card['sha256']}`",
                f"* **Learned from**: {learned['text']}: {len(learned['actors'])} actors "
                f"({', '.join(learned['actors'])}), {learned['clips']} clips, corpus "
                f"`{learned['corpus']}`, scale `{learned['scale']}`, {learned['fps']:g} frames a "
                f"second, faces of {learned['face_size']} pixels",
                f"* **Made by**: `{card['stage']}`, seed {card['seed']}; stage "
                f"`{card['stage_digest']}`, spfem {made['spfem']}, torch {made['torch']}, "
                f"{made['device']}, {made['threads']} threads",
            )
        ),
        "## How good it is",
        f"Measured with the shipped file on {card['measured_on']}. Intervals are of "
        f"{card['confidence']:.0%}.",
        _figures_table(card),
        "\n".join(f"* `{name}`: {text}" for name, text in card["explained"].items()),
        f"Half precision changes none of these values by more than {card['rounding']:.6f}.",
        "## What it is not",
        card["limits"],
        "## Settings",
        "```json\n" + json.dumps(card["settings"], indent=1, sort_keys=True) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _figures_table(card: Mapping[str, Any]) -> str:
    lines = [
        f"| quantity | value | interval | {card['baseline']} | before rounding |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in card["figures"]:
        low, high = _or_dash(row["ci_low"]), _or_dash(row["ci_high"])
        interval = "-" if low == "-" else f"{low} to {high}"
        lines.append(
            f"| {row['quantity']} | {row['value']:.4f} | {interval} | {_or_dash(row['baseline'])} "
            f"| {row['unrounded']:.4f} |"
        )
    return "\n".join(lines)


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
