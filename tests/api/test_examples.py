"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.api.sources import SOURCES
from tests.conftest import ROOT

MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in SOURCES
    if "    >>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    module = importlib.import_module(name)
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(example, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


def test_there_are_examples_of_the_main_functions():
    finder = doctest.DocTestFinder(exclude_empty=True)
    names = {
        test.name.rpartition(".")[2]
        for module in MODULES
        for test in finder.find(importlib.import_module(module))
        if test.examples
    }
    wanted = {"umeyama", "align_sequences", "info_nce", "frechet_distance", "cluster_bootstrap"}
    assert wanted | {"holm", "set_intensity", "pyramid_blend", "mouth_error"} <= names
    assert len(names) >= 30
