"""Every public name says what it is, its shapes, and which errors it raises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.api.sources import SOURCES, Definition, definitions, public_definitions, tree_of
from tests.conftest import ROOT

ERRORS = {
    node.name
    for node in tree_of(ROOT / "spfem" / "errors.py").body
    if isinstance(node, ast.ClassDef)
}
CONTAINERS = re.compile(r"(dict|Mapping|Callable)\[.*")  # their shapes are those of what they hold
ARRAY = re.compile(r"\b(ndarray|Tensor)\b")
SHAPE = re.compile(
    r"\([A-Za-z0-9][^()]*,[^()]*\)|\(\.\.\.|\([A-Z0-9]\w?\)|[Ss]calar|any shape"
    r"|[Aa]s in `|[Ss]ee `"  # said once, elsewhere
)


def _without_docstring(found: list[Definition]) -> list[str]:
    return [each.place for each in found if not ast.get_docstring(each.node)]


def _without_shapes(found: list[Definition]) -> list[str]:
    return [each.place for each in found if _has_arrays(each.node) and not SHAPE.search(each.text)]


def _has_arrays(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [each for each in (arguments.vararg, arguments.kwarg) if each]
    annotations = [*(each.annotation for each in every), node.returns]
    return any(
        ARRAY.search(CONTAINERS.sub("", ast.unparse(annotation)))
        for annotation in annotations
        if annotation
    )


def _without_errors(found: list[Definition]) -> list[str]:
    return [
        f"{each.place}: {name}"
        for each in found
        if isinstance(each.node, ast.FunctionDef)
        for name in sorted(set(_raised(each.node)))
        if name not in _said_errors(each.text) and "rrors as in `" not in each.text
    ]


def _said_errors(text: str) -> str:
    section = re.search(r"^Raises:\n((?: +.*\n?|\n)+)", text, re.MULTILINE)
    return section[1] if section else ""


def _raised(node: ast.AST) -> Iterator[str]:
    """Names of our errors that leave a function from its own body."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(child, ast.Try) and child.handlers:
            for rest in (*child.handlers, *child.orelse, *child.finalbody):
                yield from _raised(rest)  # what the body raises may be caught
            continue
        if isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call):
            name = ast.unparse(child.exc.func)
            if name in ERRORS:
                yield name
        yield from _raised(child)


def test_every_module_says_what_it_is():
    assert [path for path in SOURCES if not ast.get_docstring(tree_of(path))] == []


def test_every_public_name_says_what_it_is():
    assert _without_docstring(public_definitions()) == []


def test_arrays_have_shapes():
    assert _without_shapes(public_definitions()) == []


def test_errors_are_named():
    assert _without_errors(public_definitions(special=True)) == []


EXAMPLE = '''
class Held:
    """Holds.

    Raises:
        ShapeError: if wrong.
    """
    def __init__(self): raise ShapeError("x")
    def bare(self): ...
def silent(x: np.ndarray):
    """Doubled."""
    raise InputError("x")
def loud(x: np.ndarray) -> dict[str, Tensor]:
    """Doubled x (B, T).

    Raises:
        InputError: always.
    """
    raise InputError("x")
def caught():
    """Never fails."""
    try:
        raise InputError("x")
    except InputError:
        return None
def _private(x: Tensor): raise InputError("x")
'''


def test_the_rules_find_what_they_are_for():
    tree = ast.parse(EXAMPLE)
    plain, special = list(definitions(tree, "e")), list(definitions(tree, "e", special=True))
    assert _without_docstring(plain) == ["e:9 bare"]
    assert _without_shapes(plain) == ["e:10 silent"]
    assert _without_errors(special) == ["e:10 silent: InputError"]
