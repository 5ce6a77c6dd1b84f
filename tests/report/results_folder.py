"""A small folder of results as a run leaves it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from PIL import Image

from spfem.evaluation.tables import save_table
from spfem.media.video import write_video

CODE = 'workspace.save_table(t, "zeta")\nworkspace.save_figure(f, "alpha")\nsave(f"face_{actor}")'


def write_notebook(folder, stem, title, code):
    cells = [("markdown", [f"# {title}\n", "\n", "Prose."]), ("code", [code])]
    book = {"cells": [{"cell_type": kind, "source": source} for kind, source in cells]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.ipynb").write_text(json.dumps(book))


def main_results():
    rows = [
        ("intra", "copy", "fad", "net", "average", 3.0, 2.9, 3.1, 1, 8),
        ("intra", "ned", "fad", "net", "average", 2.0, 1.9, 2.1, 3, 8),
        ("intra", "ned+asccl", "fad", "net", "average", 1.23456, 1.0, 1.5, 3, 8),
        ("intra", "ned", "fad", "net", "happy", 9.87654, 9.0, 10.0, 3, 4),
    ]
    names = "setting method metric backbone emotion value ci_low ci_high seeds clips"
    return pd.DataFrame(rows, columns=names.split())


def make_results(root):
    """Return (results, notebooks) with two figures, two tables, a video, a lost file."""
    notebooks, results = root / "notebooks", root / "figures" / "synthetic-smoke"
    write_notebook(notebooks, "03_late", "Later <things>", "")
    write_notebook(notebooks, "01_early", "Early things", CODE)
    for name in ("alpha", "face_M001"):
        results.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (900, 40), "teal").save(results / f"{name}.png")
    (results / "alpha.pdf").write_bytes(b"%PDF")
    (results / "notebooks").mkdir()
    (results / "notebooks" / "01_early.html").write_text("<p>executed</p>")
    numbers = pd.DataFrame({"name": ["a|b", "<b>"], "x": [0.123456, 1e-7], "published": [1, 2]})
    save_table(numbers, results / "tables", "zeta")
    save_table(main_results(), results / "tables", "main_results")
    frame = np.zeros((16, 24, 3), np.uint8)
    write_video(results / "videos" / "clip.mp4", [frame] * 4, 25)
    early = ["alpha.png", "alpha.pdf", "face_M001.png", "tables/zeta.csv", "tables/zeta.md"]
    late = ["tables/main_results.csv", "videos/clip.mp4", "lost.png"]
    rows = {}
    for stem, names in (("01_early", early), ("03_late", late)):
        for name in names:
            rows[name] = {
                "made_by": f"notebooks/{stem}.ipynb",
                "corpus": "synthetic",
                "scale": "smoke",
                "seeds": [7],
                "settings": "0123",
                "commit": "abc",
                "device": "cpu",
                "python": "3.11",
                "inputs": {"corpus": "d1", "faces": "d2"},
                "caption": "Three <bars>." if name == "alpha.png" else "",
            }
    (results / "manifest.json").write_text(json.dumps(rows))
    (notebooks / "captions.toml").write_text('"face_*" = "A face."\nzeta = "not this"\n')
    return results, notebooks
