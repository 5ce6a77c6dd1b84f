"""Every recorded case is compared with our code."""

from __future__ import annotations

import importlib

import pytest

from tests.conftest import ROOT


def covered_kinds() -> dict[str, str]:
    """Test file by kind, gathered from the `COVERED` map of every parity test."""
    files: dict[str, str] = {}
    for path in sorted((ROOT / "tests").glob("*/test_parity*.py")):
        module = importlib.import_module(f"tests.{path.parent.name}.{path.stem}")
        for kind in module.COVERED:
            assert kind not in files, f"{path} and {files[kind]} both cover {kind}"
            files[kind] = f"{path.parent.name}/{path.name}"
    return files


def uncovered(manifest: dict, covered: dict[str, str]) -> list[str]:
    """Names of the cases that no test compares, with their kinds."""
    return [
        f"{name} (kind {case['kind']})"
        for name, case in manifest["cases"].items()
        if case["kind"] not in covered
    ]


def test_every_recorded_case_is_covered(check, parity_folder):
    missing = uncovered(check.load(parity_folder), covered_kinds())
    assert not missing, f"no test compares {', '.join(missing)}"


@pytest.mark.parametrize("kind", ["never_heard_of", "iresnet51"])
def test_an_unknown_kind_is_reported_by_name(kind):
    manifest = {"cases": {"some_case": {"kind": kind}, "known": {"kind": "iresnet50"}}}
    assert uncovered(manifest, {"iresnet50": "x"}) == [f"some_case (kind {kind})"]
