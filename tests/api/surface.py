"""The public surface of spfem as text, a signature a line: `python -m tests.api.surface`."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib
import inspect
import re
import typing
from collections.abc import Iterator

from tests.api.checkpoint_kinds import checkpoint_lines
from tests.api.public import PUBLIC
from tests.api.sources import SOURCES, tree_of
from tests.conftest import ROOT

FILE = ROOT / "tests" / "api" / "surface.txt"
RENEW = "python -m tests.api.surface > tests/api/surface.txt"


def list_surface() -> list[str]:
    """All lines, sorted within: names, settings, commands, checkpoints, tables."""
    return [
        *sorted(set(_name_lines())),
        *sorted(_setting_lines()),
        *sorted(_command_lines()),
        *sorted(checkpoint_lines()),
        *sorted(_table_lines()),
    ]


def public_names() -> dict[str, list[str]]:
    """Public names by the module that offers them."""
    offered = {name: list(names) for name, names in PUBLIC.items()}
    for path in SOURCES:
        if path.name == "__init__.py" and "__all__" in path.read_text(encoding="utf-8"):
            name = ".".join(path.parent.relative_to(ROOT).parts)
            offered[name] = list(importlib.import_module(name).__all__)
    return offered


def _name_lines() -> Iterator[str]:
    for module, names in public_names().items():
        for name in names:
            yield from _describe(f"{module}.{name}", getattr(importlib.import_module(module), name))


def _describe(name: str, value: object) -> Iterator[str]:
    if inspect.isclass(value):
        parents = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield f"class {name}({parents})"
        if not name.startswith("spfem.settings"):
            yield from (f"field {name}.{line}" for line in _fields(value))
        yield from _members(name, value)
    elif inspect.isroutine(value):
        yield f"def {name}{_signature(value)}"
    elif isinstance(value, str | int | float | tuple) and "0x" not in repr(value):
        yield f"value {name} = {value!r}"
    else:
        keys = ", ".join(map(str, value)) if isinstance(value, dict) else ""
        yield f"value {name}: {type(value).__name__} {keys}".rstrip()


def _members(name: str, kind: type) -> Iterator[str]:
    """Methods and properties that spfem's own classes define."""
    ours = [each for each in kind.__mro__ if each.__module__.startswith("spfem")]
    for member in sorted({key for each in ours for key in vars(each)}):
        if member.startswith("_") and (member != "__init__" or dataclasses.is_dataclass(kind)):
            continue
        value = inspect.getattr_static(kind, member)
        if isinstance(value, property):
            yield f"property {name}.{member} -> {_annotation(value.fget, 'return')}"
        elif isinstance(value, classmethod | staticmethod):
            yield f"def {name}.{member}{_signature(getattr(kind, member))}"
        elif inspect.isfunction(value):
            yield f"def {name}.{member}{_signature(value)}"


def _annotation(function: object, name: str) -> str:
    return str(getattr(function, "__annotations__", {}).get(name, ""))


class _Plain(str):
    """An annotation that prints without quotes."""

    __repr__ = str.__str__


def _signature(function: object) -> str:
    found = inspect.signature(typing.cast(typing.Any, function))
    parameters = [
        each if each.annotation is each.empty else each.replace(annotation=_Plain(each.annotation))
        for each in found.parameters.values()
    ]
    gives = found.return_annotation
    gives = gives if gives is found.empty else _Plain(gives)
    text = str(found.replace(parameters=parameters, return_annotation=gives))
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def _fields(kind: type) -> Iterator[str]:
    if not dataclasses.is_dataclass(kind):
        return
    for field in dataclasses.fields(kind):
        if field.name.startswith("_") or not field.init:
            continue
        default = ""
        if field.default is not dataclasses.MISSING:
            default = f" = {field.default!r}".replace("PosixPath", "Path")
        elif field.default_factory is not dataclasses.MISSING:
            default = f" = {getattr(field.default_factory, '__name__', 'made')}()"
        yield f"{field.name}: {field.type}{default}"


def _setting_lines() -> Iterator[str]:
    for path in sorted((ROOT / "spfem" / "settings").glob("[a-z]*.py")):
        module = importlib.import_module(f"spfem.settings.{path.stem}")
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == module.__name__:
                yield from (f"setting {value.__name__}.{line}" for line in _fields(value))


def _command_lines() -> Iterator[str]:
    from spfem.__main__ import build_parser

    return _options(build_parser(), "command")


def _options(parser: argparse.ArgumentParser, name: str) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                yield f"{name} {word}"
                yield from _options(below, f"{name} {word}")
        elif not isinstance(action, argparse._HelpAction):
            label = "|".join(action.option_strings) or str(action.metavar or action.dest)
            choices = f" {{{','.join(map(str, action.choices))}}}" if action.choices else ""
            many = f" x{action.nargs}" if action.nargs is not None else ""
            wanted = " required" if action.required else f" = {action.default}"
            yield f"{name} {label}{choices}{many}{wanted}"


def _table_lines() -> Iterator[str]:
    """Every constant COLUMNS that names columns."""
    for path in SOURCES:
        if not any("COLUMNS" in names for names in map(_assigned, tree_of(path).body)):
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        columns = importlib.import_module(name).COLUMNS
        tables = columns if isinstance(columns, dict) else {"": columns}
        for table, entries in tables.items():
            if isinstance(entries, list | tuple):
                yield f"table {name} {table}: {', '.join(entries)}".replace(" :", ":")


def _assigned(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Assign):
        return [ast.unparse(target) for target in statement.targets]
    return [ast.unparse(statement.target)] if isinstance(statement, ast.AnnAssign) else []


if __name__ == "__main__":
    print("\n".join(list_surface()))
