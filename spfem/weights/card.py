"""The card of a shipped model, its half precision, and whether files, hashes and cards agree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from spfem.checkpoints import load_checkpoint
from spfem.errors import CheckpointError
from spfem.pretrained import PRETRAINED, WEIGHTS_FOLDER, check_hash, hash_file, shipped_path

KEYS = (
    "name", "title", "load", "kind", "variant", "sha256", "bytes", "parameters", "learned_from",
    "seed", "stage", "stage_digest", "made_with", "settings", "measured_on", "confidence",
    "baseline", "figures", "explained", "rounding", "limits",
)  # fmt: skip
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
    def shown(value: float | None) -> str:
        return "-" if value is None else f"{value:.4f}"

    lines = [
        f"| quantity | value | interval | {card['baseline']} | before rounding |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in card["figures"]:
        low, high = shown(row["ci_low"]), shown(row["ci_high"])
        interval = "-" if low == "-" else f"{low} to {high}"
        others = shown(row["baseline"]), shown(row["unrounded"])
        cells = (row["quantity"], shown(row["value"]), interval, *others)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


LARGEST_BYTES = 12_000_000  # of all models together
ALLOWED = {".safetensors", ".sha256", ".json", ".md"}


def check_weights(folder: Path | None = None) -> dict[str, str]:
    """What is wrong with each model of `PRETRAINED`, by its name; empty where all is well.

    Surplus files are listed under their own names. Default is the package's folder.
    """
    folder = folder or WEIGHTS_FOLDER
    found: dict[str, str] = {}
    expected: set[Path] = set()
    for kind, variants in PRETRAINED.items():
        for variant, name in variants.items():
            path = shipped_path(name, folder)
            expected |= {path, hash_file(path), card_file(path), page_file(path)}
            try:
                _check_model(path, kind, variant)
                found[name] = ""
            except CheckpointError as error:
                found[name] = str(error)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix in ALLOWED and path not in expected:
            found[path.name] = f"{path} belongs to no model that spfem ships"
    total = sum(path.stat().st_size for path in expected if path.is_file())
    if total > LARGEST_BYTES:
        found["all models"] = f"{total:,} bytes together are more than {LARGEST_BYTES:,}"
    return found


def _check_model(path: Path, kind: str, variant: str) -> None:
    found = check_hash(path)
    card = read_card(path)
    tensors, facts = load_checkpoint(path, kind=kind)
    wanted = {
        "name": path.stem,
        "kind": kind,
        "variant": variant,
        "sha256": found,
        "bytes": path.stat().st_size,
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "settings": facts["settings"],
    }
    other = [key for key, value in wanted.items() if card[key] != value]
    if other:
        raise CheckpointError(f"{card_file(path)} is not the card of this file: {', '.join(other)}")
    reals = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    whole = [name for name, tensor in reals.items() if tensor.dtype != torch.float16]
    if whole:
        raise CheckpointError(f"{path} is not in half precision: {', '.join(sorted(whole))}")
    page = page_file(path)
    if not page.is_file() or page.read_text(encoding="utf-8") != render_card(card):
        raise CheckpointError(f"{page} is not what {card_file(path).name} says; make it anew")
