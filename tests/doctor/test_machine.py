from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import torch

from spfem.doctor import machine
from spfem.doctor.machine import bundled_model_facts, machine_facts, package_facts
from spfem.errors import AssetError


def troubles(facts):
    return {fact.name: fact.trouble for fact in facts if fact.trouble}


def test_this_machine_can_run_the_tests():
    assert not troubles(machine_facts())
    assert not troubles(bundled_model_facts())


def test_an_old_python_is_a_trouble(monkeypatch):
    monkeypatch.setattr(machine.sys, "version_info", (3, 10, 1))
    found = troubles(machine_facts())
    assert set(found) == {"Python"}
    assert "Python 3.11 to 3.13 is needed" in found["Python"]


def test_threads_are_those_of_the_user(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    cores = next(fact.found for fact in machine_facts() if fact.name == "cores")
    assert f"{torch.get_num_threads()} threads" in cores
    assert "OMP_NUM_THREADS=3" in cores


def test_missing_packages_are_troubles_and_other_versions_are_said(monkeypatch):
    versions = {"numpy": "2.4.6", "torch": "2.13.0+cpu", "scipy": "1.0"}
    wanted = ["numpy==2.4.6", "torch==2.13.0", "scipy==1.17.1", "dlib-bin==20.0", "setuptools<81"]

    def version(name):
        if name not in versions | {"setuptools": "80"}:
            raise PackageNotFoundError(name)
        return (versions | {"setuptools": "80"})[name]

    monkeypatch.setattr(machine, "requires", lambda name: [*wanted, 'pytest; extra == "test"'])
    monkeypatch.setattr(machine, "version", version)
    facts = package_facts()
    assert facts[0].found == "3 of 5"
    assert {fact.name: fact.found for fact in facts[1:]} == {
        "scipy": "1.0, tested with 1.17.1",
        "dlib-bin": "missing",
    }
    assert troubles(facts) == {"dlib-bin": "dlib-bin is missing; pip install 'dlib-bin==20.0'"}


def test_models_that_are_missing_or_another_are_troubles(tmp_path, monkeypatch):
    other = tmp_path / "face_landmarker.task"
    other.write_bytes(b"other")

    def no_weights():
        raise AssetError("weights were not found; reinstall")

    monkeypatch.setattr("spfem.face.tracker.landmarker_file", lambda: other)
    monkeypatch.setattr("spfem.evaluation.identity.find_identity_weights", no_weights)
    found = troubles(bundled_model_facts())
    assert "not the tested model" in found["face landmarks"]
    assert found["identity"] == "weights were not found; reinstall"
    assert set(found) == {"face landmarks", "identity"}
