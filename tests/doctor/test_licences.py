from __future__ import annotations

from email.message import Message

import pytest

from spfem.doctor import licences
from spfem.doctor.licences import licence_of, model_licence_facts, package_licence_facts
from spfem.doctor.machine import bundled_model_facts


@pytest.fixture
def stated(monkeypatch):
    """The licence that is read from such metadata."""

    def read(*lines):
        message = Message()
        for name, text in lines:
            message[name] = text
        monkeypatch.setattr(licences, "metadata", lambda package: message)
        return licence_of("made-up")

    return read


def test_every_model_that_is_found_has_a_licence():
    assert [f.name for f in model_licence_facts()] == [f.name for f in bundled_model_facts()]
    said = {fact.name: fact.found for fact in model_licence_facts()}
    assert said["head shapes"].startswith("CC0")
    assert said["speech"].startswith("GPL-3")
    assert "not installed" not in "".join(said.values())


def test_all_forms_of_metadata_are_read(stated):
    whole = "Permission is hereby granted, free of charge, to any person"
    osi = "License :: OSI Approved"
    assert stated(("License-Expression", "ISC")) == "ISC"
    assert stated(("License", "MIT License")) == "MIT"
    assert stated(("License", whole), ("Classifier", f"{osi} :: MIT License")) == "MIT"
    assert stated(("License", whole), ("Classifier", osi)) == "not stated in its metadata"


def test_packages_stand_under_their_licence(monkeypatch):
    names = {"numpy": "BSD-3-Clause AND a very long list of others", "librosa": "ISC", "x": "ISC"}
    monkeypatch.setattr(licences, "requires", lambda name: ["numpy==1", "librosa==2", "x; a"])
    monkeypatch.setattr(licences, "licence_of", names.__getitem__)
    rows = [(fact.name, fact.found) for fact in package_licence_facts()]
    assert rows == [("ISC", "librosa, x"), ("numpy", names["numpy"])]


def test_a_package_that_is_not_there_is_said_so():
    assert licence_of("no-such-package-of-spfem") == "not installed"
