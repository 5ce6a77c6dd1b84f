"""The source of the package as syntax trees: public definitions with what they say."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

SOURCES = sorted((ROOT / "spfem").rglob("*.py"))


@dataclass(frozen=True)
class Definition:
    """A public class, function or method; `owner` is the class that a method belongs to."""

    place: str
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    owner: ast.ClassDef | None

    @property
    def text(self) -> str:
        """Its docstring; a special method speaks through its class."""
        said = ast.get_docstring(self.node) or ""
        if self.owner and self.node.name.startswith("__"):
            said += "\n" + (ast.get_docstring(self.owner) or "")
        return said


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def definitions(tree: ast.Module, name: str, *, special: bool = False) -> Iterator[Definition]:
    """Public definitions, those in public classes too; with `special` also `__init__` and so on."""

    def below(node: ast.AST, owner: ast.ClassDef | None) -> Iterator[Definition]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                dunder = child.name.startswith("__")
                if child.name.startswith("_") and not (special and dunder):
                    continue
                yield Definition(f"{name}:{child.lineno} {child.name}", child, owner)
                if isinstance(child, ast.ClassDef):
                    yield from below(child, child)

    return below(tree, None)


def public_definitions(*, special: bool = False) -> list[Definition]:
    return [
        found
        for path in SOURCES
        for found in definitions(tree_of(path), path.relative_to(ROOT).as_posix(), special=special)
    ]
