"""What stands below a picture or table: a sentence, then corpus, scale, seeds and n."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from spfem.errors import InputError, SettingsError
from spfem.report.contents import Item
from spfem.scales import load_scale

CAPTIONS_NAME = "captions.toml"
COUNTS = ("clips", "moments", "windows", "pairs", "frames", "n")
NAMES = {"synthetic": "embedded corpus", "mead": "MEAD", "ravdess": "RAVDESS"}


def read_captions(notebooks: Path) -> dict[str, str]:
    """Captions by the name of what they describe (`*` stands for anything), in file order.

    A notebook whose caption holds a computed number passes it to `save_figure` instead.

    Raises:
        InputError: if the file is damaged.
    """
    path = notebooks / CAPTIONS_NAME
    if not path.exists():
        return {}
    try:
        return {str(key): str(text) for key, text in tomllib.loads(path.read_text("utf-8")).items()}
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is damaged: {error}") from error


def caption_of(item: Item, captions: Mapping[str, str]) -> str:
    """The sentence of an item: of its notebook, else of the file of captions, else its name."""
    given = str(item.provenance.get("caption", ""))
    if given:
        return given
    if item.name in captions:
        return captions[item.name]
    fitting = (text for pattern, text in captions.items() if fnmatchcase(item.name, pattern))
    return next(fitting, f"{item.title}.")


def facts_of(item: Item, results: Path) -> str:
    """Corpus, scale, seeds and n of an item, as far as they are known."""
    row = item.provenance
    corpus = str(row.get("corpus", "unknown"))
    facts = [NAMES.get(corpus, corpus), f"scale {row.get('scale', 'unknown')}"]
    counts = _counts(results / item.files[".csv"]) if ".csv" in item.files else {}
    if "seeds" in counts:
        facts.append(f"number of seeds: {counts.pop('seeds')}")
    elif seeds := _seeds(row):
        facts.append(f"seeds of the run: {', '.join(map(str, seeds))}")
    facts += [f"{name}: {count}" for name, count in counts.items()]
    return "; ".join(facts)


def _seeds(row: Mapping[str, Any]) -> list[int]:
    if "seeds" in row:
        return list(row["seeds"])
    try:
        return list(load_scale(str(row.get("scale"))).seeds)
    except SettingsError:
        return []


def _counts(path: Path) -> dict[str, str]:
    """Range of each column of a table that counts what its rows rest on."""
    import pandas as pd

    table = pd.read_csv(path)
    found = {}
    for name in ("seeds", *COUNTS):
        if name in table and pd.api.types.is_numeric_dtype(table[name]) and len(table[name]):
            low, high = table[name].min(), table[name].max()
            found[name] = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return found
