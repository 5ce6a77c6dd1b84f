"""The code that decides what a stage makes, found from the code itself.

From the functions that make a stage every name is followed to its definition, through imports
also inside functions, until nothing new is found (`spfem.run.definitions` says what counts of
each). Paths, names of modules and imports do not count: moving code remakes nothing.

Another stage that is made on the way is not followed: its digest is an input. Of it only the
type that it returns counts, whose methods read what was made.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any

from spfem.run.definitions import PACKAGE_FOLDER, STUDIES_FOLDER, CodeBase, Definition, Name

OPENS_A_STAGE, STAGE_CLASS = "open_stage", "Stage"


def reached(code: CodeBase, roots: Iterable[Name]) -> dict[Name, Definition]:
    """All definitions that decide what the roots make, by name."""
    found: dict[Name, Definition] = {}
    waiting = [code.resolve(root) for root in roots]
    starts = set(waiting)
    while waiting:
        name = waiting.pop()
        if name in found or code.is_plumbing(name.module):
            continue
        definition = code.definition(name)
        if name not in starts and makes_a_stage(code, definition):
            waiting += definition.returns
            continue
        found[name] = definition
        if name in starts:  # what a root is given comes from elsewhere
            waiting += definition.takes
        waiting.append(Name(name.module, ""))
        waiting += definition.uses
    return found


def digest_of(code: CodeBase, roots: Iterable[Name]) -> str:
    """Digest (16 hex digits) of all code that decides what the roots make."""
    found = reached(code, roots)
    entries = {_entry(one, found) for one in found.values() if one.text}
    return hashlib.sha256("\n".join(sorted(entries)).encode()).hexdigest()[:16]


def _entry(definition: Definition, found: dict[Name, Definition]) -> str:
    """With the own hashes of what is used, so that an import of a namesake counts."""
    used = sorted(
        f"{name.name} {found[name].own_hash if name in found else ''}"
        for name in definition.uses
        if name.name
    )
    text = "\n".join([definition.text, *used, *sorted(definition.foreign)])
    return hashlib.sha256(text.encode()).hexdigest()


def makes_a_stage(
    code: CodeBase, definition: Definition, above: frozenset[Name] = frozenset()
) -> bool:
    """Whether it opens a stage, or returns what functions that do so return."""
    if not definition.is_function or definition.name in above:
        return False
    if any(
        use.name == OPENS_A_STAGE if code.is_plumbing(use.module) else _returns_stage(code, use)
        for use in definition.uses
    ):
        return True
    handed = [code.definition(name) for name in definition.hands_on]
    above |= {definition.name}
    return bool(handed) and all(makes_a_stage(code, one, above) for one in handed)


def _returns_stage(code: CodeBase, name: Name) -> bool:
    returned = code.definition(name).returns
    return any(one.name == STAGE_CLASS and code.is_plumbing(one.module) for one in returned)


MadeBy = Callable[..., Any]
"""A function or class, or a `partial` or method of one."""


def names_of(made_by: MadeBy) -> set[Name]:
    """The top-level names that hold a function or class of the package.

    Of a `partial` those of its function and of the functions and objects that it holds.
    """
    if isinstance(made_by, partial):
        parts = (made_by.func, *made_by.args, *made_by.keywords.values())
        return {name for part in parts for name in names_of(part)}
    if not hasattr(made_by, "__qualname__"):
        made_by = type(made_by)
    name = Name(made_by.__module__, made_by.__qualname__.partition(".")[0])
    code = installed_code()
    return {name} if code.holds(name.module) and not code.is_plumbing(name.module) else set()


@cache
def installed_code() -> CodeBase:
    """The code of this package and of the studies beside it, read once in a process."""
    return CodeBase(PACKAGE_FOLDER, STUDIES_FOLDER)


# Python 3.11 cannot parse in two threads at once (SystemError of the AST constructor).
_READING = threading.RLock()


@cache
def _digest(roots: frozenset[Name]) -> str:
    with _READING:
        return digest_of(installed_code(), roots)


def code_digest(*made_by: MadeBy) -> str:
    """Digest (16 hex digits) of all code of the package that decides what functions make.

    Args:
        made_by: functions that make it, and classes of objects that they are given. Those that
            are not of the package (a user's own) do not count.

    Raises:
        ArtifactError: if code of the package uses a name that the package has not.
    """
    return _digest(frozenset(name for each in made_by for name in names_of(each)))


def package_digest() -> str:
    """Digest of all definitions of the package, for what may use any of them."""
    with _READING:
        code = installed_code()
        texts = set()
        paths = [
            (folder, path) for folder in code.folders.values() for path in folder.rglob("*.py")
        ]
        for folder, path in paths:
            parts = path.relative_to(folder.parent).with_suffix("").parts
            module = code.module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
            if module is not None:
                names = ("", *module.statements)
                texts |= {code.definition(Name(module.name, name)).own_hash for name in names}
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16]
