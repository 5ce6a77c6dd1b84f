"""What users rely on changes only on purpose: the surface of the package is frozen in a file."""

from __future__ import annotations

import difflib
import importlib

from tests.api.public import PUBLIC
from tests.api.surface import FILE, RENEW, list_surface, public_names


def test_the_surface_is_the_frozen_one():
    moves = _moves(FILE.read_text(encoding="utf-8").splitlines(), list_surface())
    assert not moves, (
        "\nThe public surface of spfem changed:\n"
        + "\n".join(moves)
        + f"\nIf that is meant, say so in CHANGELOG.md and renew the file: {RENEW}"
    )


def _moves(old: list[str], new: list[str]) -> list[str]:
    """Removed lines with `-`, added ones with `+`; of a change both stand together."""
    return [line for line in difflib.ndiff(old, new) if line[0] in "-+"]


def test_a_change_shows_both_forms_and_a_new_name_one():
    old = ["def a(x: int)", "def b()", "value C = 1"]
    new = ["def a(x: float)", "def b()", "value C = 1", "value D = 2"]
    assert _moves(old, new) == ["- def a(x: int)", "+ def a(x: float)", "+ value D = 2"]


def test_no_line_depends_on_the_machine():
    lines = FILE.read_text(encoding="utf-8").splitlines()
    assert len(set(lines)) == len(lines)
    assert not [line for line in lines if "0x" in line or "/home" in line or "<object" in line]


def test_public_names_are_there_and_listed_once():
    for module, names in public_names().items():
        assert len(set(names)) == len(names), module
        missing = [name for name in names if not hasattr(importlib.import_module(module), name)]
        assert not missing, (module, missing)
    assert not [name for names in PUBLIC.values() for name in names if name.startswith("_")]
