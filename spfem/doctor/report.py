"""What this machine can run, and which optional files are there, in print."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from spfem.errors import AssetError

if TYPE_CHECKING:
    from spfem.doctor.machine import Fact
    from spfem.doctor.optional_files import FoundFile, OptionalFile

FOLDER = "optional"  # below the data folder
WIDTH = 100
INDENT = 2
STRANGERS_SHOWN = 10


def report_machine(data: Path, files: Path | None = None) -> None:
    """Print the report of machine, packages, models, recordings, runs and optional files.

    Args:
        data: folder of generated data, in the project's folder unless absolute.
        files: folder of the optional files; None for `optional` below `data`.

    Raises:
        AssetError: after the report, if something is missing for the default run, or an optional
            file is broken.
    """
    from spfem.doctor.disk import disk_facts
    from spfem.doctor.graphics import found_graphics, graphics_facts
    from spfem.doctor.licences import model_licence_facts, package_licence_facts
    from spfem.doctor.machine import (
        bundled_model_facts,
        machine_facts,
        package_facts,
        shipped_model_facts,
    )
    from spfem.doctor.pins import constraint_facts
    from spfem.doctor.runs import corpus_facts, run_facts
    from spfem.project import project_folder

    data = project_folder() / data
    folder = files or data / FOLDER
    if files and not folder.is_dir():
        raise AssetError(f"{folder} (--files) is no folder; name the one with the optional files")
    wrong: list[str] = []
    for title, facts in (
        ("machine", [*machine_facts(), *graphics_facts(found_graphics())]),
        ("memory and disk (what a run on the embedded corpus keeps)", disk_facts(data)),
        ("packages that spfem asks for", package_facts()),
        ("all installed packages against constraints.txt", constraint_facts(project_folder())),
        ("models that come with spfem", shipped_model_facts()),
        ("models that packages ship", bundled_model_facts()),
        ("licences of those models", model_licence_facts()),
        ("licences of the packages", package_licence_facts()),
        ("recordings", corpus_facts(data)),
        ("runs", run_facts(data)),
    ):
        _print_facts(title, facts)
        wrong += [fact.name for fact in facts if fact.trouble]
    wrong += _print_optional_files(folder)
    if wrong:
        raise AssetError(f"{len(wrong)} of the above must be mended: {', '.join(wrong)}")
    print("\nall is well: bash run_all.sh can run")


def _print_optional_files(folder: Path) -> list[str]:
    """Print a block for each kind; return the names of the broken files."""
    from spfem.doctor.optional_files import find_files, find_strangers, list_optional_files

    print(f"\noptional files in {folder} (the default run needs none)")
    kinds, there, broken = list_optional_files(), 0, []
    for optional in kinds:
        found = find_files(optional, folder)
        _print_optional(optional, found, folder)
        there += bool(found)
        broken += [_name(file.path, folder) for file in found if file.trouble]
    print(f"\n{' ' * INDENT}{there} of {len(kinds)} kinds are there")
    strangers = [_name(path, folder) for path in find_strangers(folder)]
    for name in strangers[:STRANGERS_SHOWN]:
        print(f"{' ' * INDENT}not known, maybe misplaced: {name}")
    if len(strangers) > STRANGERS_SHOWN:
        print(f"{' ' * INDENT}and {len(strangers) - STRANGERS_SHOWN} more files that are not known")
    return broken


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _print_facts(title: str, facts: Iterable[Fact]) -> None:
    facts = list(facts)
    if not facts:
        return
    width = max(len(fact.name) for fact in facts)
    print(f"\n{title}")
    for fact in facts:
        _print_row(
            fact.name, width, f"{fact.found}{' PROBLEM: ' * bool(fact.trouble)}{fact.trouble}"
        )


def _print_optional(optional: OptionalFile, found: list[FoundFile], folder: Path) -> None:
    print(f"\n{' ' * INDENT}{optional.pattern}  ({optional.title})")
    width = len("unlocks")
    for file in found:
        size = f"{_name(file.path, folder)}, {file.path.stat().st_size / 1e6:.1f} MB"
        _print_row("BROKEN" if file.trouble else "valid", width, file.trouble or size, 2)
    if not found:
        _print_row("state", width, "not there", 2)
    _print_row("unlocks", width, optional.unlocks, 2)
    if not found or any(file.trouble for file in found):
        _print_row("get it", width, optional.source, 2)
    _print_row("licence", width, optional.licence, 2)


def _print_row(name: str, width: int, text: str, level: int = 1) -> None:
    start = " " * (INDENT * level) + f"{name:{width}}  "
    print(
        textwrap.fill(
            text,
            WIDTH,
            initial_indent=start,
            subsequent_indent=" " * len(start),
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
