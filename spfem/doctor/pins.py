"""The installed packages against `constraints.txt`, the versions that were tested together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

from spfem.doctor.machine import Fact

DIFFERENCES_SHOWN = 12
OF_EVERY_ENVIRONMENT = {"pip", "setuptools", "wheel", "spfem"}  # pip's own tools, and ourselves


def canonical(name: str) -> str:
    """The name of a package as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(file: Path) -> dict[str, str]:
    """Version by canonical name of each line `NAME==VERSION`."""
    lines = file.read_text(encoding="utf-8").splitlines()
    pins = (line.partition("#")[0].strip().partition("==") for line in lines)
    return {canonical(name): version for name, equals, version in pins if equals}


def installed_versions() -> dict[str, str]:
    """Version by canonical name of every installed package, without local labels as in +cpu."""
    return {
        canonical(each.metadata["Name"]): each.version.partition("+")[0] for each in distributions()
    }


def pin_facts(pins: Mapping[str, str], installed: Mapping[str, str]) -> list[Fact]:
    """How many installed packages are as tested, and which are not.

    Another version is no trouble in itself: it was not tested. Packages that the test of this
    repository alone needs may be absent.
    """
    common = sorted(set(pins) & set(installed))
    moved = [name for name in common if pins[name] != installed[name]]
    strangers = sorted(set(installed) - set(pins) - OF_EVERY_ENVIRONMENT)
    facts = [Fact("as tested", f"{len(common) - len(moved)} of {len(common)} that are installed")]
    for name in moved[:DIFFERENCES_SHOWN]:
        facts.append(Fact(name, f"{installed[name]}, tested with {pins[name]}"))
    if len(moved) > DIFFERENCES_SHOWN:
        facts.append(Fact("and", f"{len(moved) - DIFFERENCES_SHOWN} more that differ"))
    if strangers:
        shown = ", ".join(strangers[:DIFFERENCES_SHOWN])
        more = len(strangers) - DIFFERENCES_SHOWN
        facts.append(Fact("not tested", shown + (f" and {more} more" if more > 0 else "")))
    return facts


def constraint_facts(root: Path) -> list[Fact]:
    """`pin_facts` of the checkout at `root`."""
    file = root / "constraints.txt"
    if not file.is_file():
        return [Fact("constraints.txt", f"not in {root}, so versions were not compared")]
    return pin_facts(read_pins(file), installed_versions())
