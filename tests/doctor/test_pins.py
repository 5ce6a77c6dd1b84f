from __future__ import annotations

from spfem.doctor.pins import constraint_facts, installed_versions, pin_facts, read_pins
from tests.conftest import ROOT


def test_pins_are_read_under_canonical_names(tmp_path):
    file = tmp_path / "constraints.txt"
    file.write_text("# tested\nJinja2==3.1.6\nface_recognition_models==0.3.0  # models\n\n")
    assert read_pins(file) == {"jinja2": "3.1.6", "face-recognition-models": "0.3.0"}


def test_other_versions_and_strangers_are_named():
    pins = {"numpy": "2.4.6", "scipy": "1.17.1", "snakemake": "9.15.0"}
    installed = {"numpy": "2.4.6", "scipy": "1.18.0", "pip": "26", "spfem": "0.1.0", "odd": "1"}
    facts = {fact.name: fact for fact in pin_facts(pins, installed)}
    assert {name: fact.found for name, fact in facts.items()} == {
        "as tested": "1 of 2 that are installed",
        "scipy": "1.18.0, tested with 1.17.1",
        "not tested": "odd",
    }
    assert not any(fact.trouble for fact in facts.values())


def test_many_differences_are_not_all_listed():
    names = [f"p{number:02}" for number in range(20)]
    facts = pin_facts(dict.fromkeys(names, "1"), dict.fromkeys(names, "2"))
    assert facts[-1].found == "8 more that differ"
    assert pin_facts({}, dict.fromkeys(names, "2"))[-1].found.endswith("p11 and 8 more")


def test_without_a_checkout_nothing_is_compared(tmp_path):
    assert "not compared" in constraint_facts(tmp_path)[0].found


def test_local_labels_do_not_count():
    pins = read_pins(ROOT / "constraints.txt")
    assert "+" not in installed_versions()["torch"]
    assert installed_versions()["numpy"][0] == pins["numpy"][0]  # same major version
