"""No figure is drawn in letters smaller than 7 points, or in a colour map of another kind."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

SMALLEST = 7.0  # points
SIZES = ("fontsize", "labelsize", "font_size")
MAPS = {"viridis", "magma", "cividis", "gray"}
FOLDERS = ("figures", "explore", "edit", "audit", "ablations")


def _codes() -> Iterator[tuple[str, str]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / "spfem" / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        lines = [line for line in "\n".join(code).splitlines() if not line.startswith(("%", "!"))]
        yield path.name, "\n".join(lines)


def _keywords(code: str) -> Iterator[tuple[str, object]]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.keyword) and node.arg and isinstance(node.value, ast.Constant):
            yield node.arg, node.value.value


def _too_small(code: str) -> list[float]:
    return [
        float(value)
        for name, value in _keywords(code)
        if name in SIZES and isinstance(value, int | float) and value < SMALLEST
    ]


def _foreign_maps(code: str) -> list[str]:
    return [str(v) for name, v in _keywords(code) if name in ("cmap", "colours") and v not in MAPS]


@pytest.mark.parametrize(
    ("find", "bad"), [(_too_small, "f(fontsize=6)"), (_foreign_maps, "f(cmap='jet')")]
)
def test_code_draws_what_can_be_seen(find, bad):
    assert find(bad)
    found = {name: wrong for name, code in _codes() if (wrong := find(code))}
    assert not found
