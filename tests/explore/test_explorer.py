from __future__ import annotations

from pathlib import Path

import pytest

from spfem.errors import SettingsError
from spfem.explore.explorer import CorrelationExplorer
from tests.explore.made_up import made_explorer, made_metrics, made_source


@pytest.fixture(scope="module")
def metrics():
    return made_metrics()


@pytest.fixture
def explorer(metrics):
    return made_explorer(metrics)


def test_what_was_not_asked_for_follows(explorer):
    assert explorer.choice == ("made up", "A", "one", "neutral", "happy")
    explorer.choose(first="happy", second="sad")
    assert explorer.choose(actor="B") == ("made up", "B", "two", "happy", "sad")
    explorer.choose(actor="A", first="neutral")
    chosen = explorer.choose(actor="B")
    assert chosen[2:] in {("two", "happy", "sad"), ("two", "sad", "happy")}


def test_bad_choices_are_refused_and_change_nothing(explorer, metrics):
    before = explorer.choice
    for changes, message in (
        ({"actor": "C"}, "actor 'C' is not there; choose one of A, B"),
        ({"second": "bored"}, "choose one of neutral, happy, sad"),
        ({"source": "Mars"}, "source 'Mars' is not there; choose one of made up"),
    ):
        with pytest.raises(SettingsError, match=message):
            explorer.choose(**changes)
        assert explorer.choice == before
    with pytest.raises(SettingsError, match="found 0 sources"):
        CorrelationExplorer({}, {"spatial": lambda: metrics["spatial"]})
    with pytest.raises(SettingsError, match="found 1 sources and no metric"):
        CorrelationExplorer({"made up": made_source()}, {})
    with pytest.raises(SettingsError, match="found 1 sources and cooked"):
        CorrelationExplorer({"made up": made_source()}, {"cooked": lambda: metrics["spatial"]})
    with pytest.raises(SettingsError, match="metric 'spatial_speech' is not made"):
        explorer.packet(("places", *before[:4], "spatial_speech", 1))
    with pytest.raises(SettingsError, match="without a way to open"):
        explorer.load_own_clips(Path("a.mp4"), Path("b.mp4"))


def test_own_clips_become_a_source_and_are_chosen(metrics):
    opened = []

    def open_clips(first, second):
        opened.append((first, second))
        return made_source({("own", "own sentence"): ("happy", "sad")})

    explorer = made_explorer(metrics, open_own_clips=open_clips)
    chosen = explorer.load_own_clips(Path("a.mp4"), Path("b.mp4"))
    assert opened == [(Path("a.mp4"), Path("b.mp4"))]
    assert chosen == ("own clips", "own", "own sentence", "happy", "sad")
    assert explorer.options(chosen)["source"] == ["made up", "own clips"]
