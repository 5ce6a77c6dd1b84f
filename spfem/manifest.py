"""`manifest.json`: what made each result file of one corpus at one scale, and its caption."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spfem.artifacts import digest, write_json
from spfem.errors import InputError

MANIFEST_NAME = "manifest.json"
RUNS_FOLDER = ".runs"


def merge_manifest(figures: Path, digests: Mapping[str, str]) -> Path:
    """Write `manifest.json`: one row a file, from the runs of all notebooks.

    Args:
        figures: folder of results of one corpus at one scale.
        digests: digest of each notebook (code, parameters, package), by name.
    """
    rows: dict[str, Any] = {}
    for path in sorted((figures / RUNS_FOLDER).glob("*.json")):
        run = json.loads(path.read_text("utf-8"))
        files = run.pop("files", None)
        run["inputs"] = _by_stage(run.get("inputs", {}))
        for row in files or ():
            if (figures / row["file"]).exists():
                rows[row["file"]] = {
                    **run,
                    "digest": row["digest"],
                    "caption": row.get("caption", ""),
                    "notebook_digest": digests.get(path.stem, ""),
                }
    manifest = figures / MANIFEST_NAME
    write_json(manifest, rows)
    return manifest


def _by_stage(inputs: Mapping[str, str]) -> dict[str, str]:
    """One digest for each stage, of all that it made: every row has them, and a run makes hundreds.

    The digests behind them are in the `artifact.json` of the stage folders.
    """
    stages: dict[str, list[list[str]]] = {}
    for name, made in sorted(inputs.items()):
        stages.setdefault(name.split("/")[0], []).append([name, made])
    return {
        stage: parts[0][1] if parts[0][0] == stage else digest(parts)
        for stage, parts in stages.items()
    }


def read_manifest(figures: Path) -> dict[str, dict[str, Any]]:
    """The rows of `manifest.json` by file name.

    Raises:
        InputError: if the folder holds none, or it is damaged.
    """
    path = figures / MANIFEST_NAME
    if not path.exists():
        raise InputError(f"{path} is missing; a folder of results is figures/<corpus>-<scale>")
    try:
        rows = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); run the notebooks again") from error
    if not isinstance(rows, dict) or not all(
        isinstance(row, dict) and isinstance(row.get("made_by"), str) for row in rows.values()
    ):
        raise InputError(f"{path} is no manifest: a row by file, each with made_by, is expected")
    return rows
