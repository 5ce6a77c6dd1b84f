from __future__ import annotations

from pathlib import Path

import pytest

from spfem.errors import InputError
from spfem.explore.widget import ExplorerWidget
from tests.explore.made_up import made_explorer, made_source


@pytest.fixture
def widget():
    return ExplorerWidget(made_explorer(), "#level=0")


def ask(widget, *words):
    """What the view sends, and what it is answered."""
    answers = []
    widget.live.send = lambda content, buffers: answers.append((content, buffers))
    widget.live._handle_custom_msg({"id": 7, "ask": list(words)}, [])
    [answer] = answers
    return answer


def test_the_kernel_answers_with_a_packet(widget):
    content, buffers = ask(widget, "pair", *widget.explorer.choice)
    assert content["id"] == 7
    assert content["header"]["arrays"][0]["name"] == "path"
    assert len(buffers) == len(content["header"]["arrays"])
    assert widget.live.link == "#level=0"


def test_a_failure_is_answered_in_words(widget):
    content, buffers = ask(widget, "places", *widget.explorer.choice[:4], "spatial_speech", 1)
    assert "metric 'spatial_speech' is not made" in content["error"]
    assert buffers == []


def test_own_clips_are_loaded_by_the_button_and_trouble_stays_readable():
    wrong = []

    def open_clips(first, second):
        if wrong:
            raise InputError(f"{first} <has> no sound")
        assert (first, second) == (Path("one.mp4"), Path("~/two.mp4").expanduser())
        return made_source({("own", "own sentence"): ("happy", "sad")})

    widget = ExplorerWidget(made_explorer(open_own_clips=open_clips))
    for field, name in zip(widget.own, ("one.mp4", " ~/two.mp4 "), strict=True):
        field.value = name
    widget.load.click()
    assert widget.live.choice[0] == widget.lists["source"].value == "own clips"
    before = widget.live.choice
    wrong.append(True)
    widget.load.click()
    assert "one.mp4 &lt;has&gt; no sound" in widget.message.value
    assert widget.live.choice == before
