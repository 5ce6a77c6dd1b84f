"""The dial: heads follow the wish, controls redraw one picture, bad frames are refused."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from studies.dial import ExpressionDial

from spfem.edit.chain import Wish, edit_expression
from spfem.face.conditions import ConditionPainter
from spfem.head import load_head_model
from spfem.head.names import FACE_UNIT_NAMES
from spfem.manipulator import ExpressionSpace, Manipulator
from spfem.settings import ManipulatorSettings
from tests.face.planted import planted_clip


@pytest.fixture(scope="module")
def dial():
    head = load_head_model()
    space = ExpressionSpace(FACE_UNIT_NAMES, (0.0, 1.0))
    settings = ManipulatorSettings(width=32, encoder_width=32, mapping_width=16)
    track = planted_clip(head, frames=14).codes
    return ExpressionDial(Manipulator(settings, space).eval(), track, ConditionPainter(head, 64))


def test_heads_are_those_of_the_edited_codes(dial):
    wish = Wish("angry", second_emotion="sad", second_share=0.3)
    edited = edit_expression(dial.manipulator, dial.track.expression, wish, anchored=False)
    wanted = dial.painter.paint(dial.track, expression=edited).shape[5]
    # One frame and many are products of other shapes, so last bits and edges may differ.
    assert np.abs(dial.heads(wish, [5])[0].astype(int) - wanted).mean() < 0.1
    first, second = dial.row([wish, Wish("angry", intensity=0.0)], 5)
    assert np.abs(first.astype(int) - wanted).mean() < 0.1
    assert np.abs(second.astype(int) - wanted).mean() > 0.5


def shown(widget):
    return np.asarray(Image.open(io.BytesIO(widget.picture.value)))


def test_every_control_redraws_the_one_picture(dial):
    widget = dial.widget(moment=4)
    assert np.array_equal(shown(widget), dial.heads(Wish("happy"), [4])[0])
    widget.intensity.value = 0.5
    assert np.array_equal(shown(widget), dial.heads(Wish("happy", intensity=0.5), [4])[0])
    widget.moment.value = 8
    widget.emotion.value = "sad"
    widget.second.value = "angry"
    widget.share.value = 0.2
    wish = Wish("sad", intensity=0.5, second_emotion="angry", second_share=0.2)
    assert widget.wish() == wish
    assert np.array_equal(shown(widget), dial.heads(wish, [8])[0])
    widget.second.value = "no second"
    assert widget.wish() == replace(wish, second_emotion=None, second_share=0.5)
