"""A drawn head whose emotion is set by hand: how much of it, and between which two.

Controls by `observe` and one picture that is redrawn, since `interact` and `Output` widgets can
hang a notebook that runs without a browser.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ipywidgets
import numpy as np
from PIL import Image

from spfem.edit.chain import Wish, edit_expression
from spfem.errors import ShapeError
from spfem.face.conditions import ConditionPainter
from spfem.face.track import FaceTrack
from spfem.manipulator.networks import Manipulator
from spfem.settings import EMOTIONS

NO_SECOND = "no second"
SHOWN_SIDE = 288  # pixels of the picture of the widget


class ExpressionDial:
    """Draws the head of one clip as it would look after an edit.

    `anchored` edits as a difference, as for own videos.
    """

    def __init__(
        self,
        manipulator: Manipulator,
        track: FaceTrack,
        painter: ConditionPainter,
        *,
        anchored: bool = False,
        seed: int = 0,
    ) -> None:
        self.manipulator, self.track, self.painter = manipulator, track, painter
        self.anchored, self.seed = anchored, seed

    def heads(self, wish: Wish, moments: Sequence[int]) -> list[np.ndarray]:
        """The drawn head at some frames, each uint8 (S, S, 3).

        Raises:
            InputError: if the wish names no known emotion, or shares outside of [0, 1].
            ShapeError: if the clip has no such frame.
        """
        track, chosen = self.track, np.asarray(moments, int)
        if len(chosen) == 0 or chosen.min() < 0 or chosen.max() >= len(track):
            raise ShapeError(f"frames {list(moments)} are not all among the {len(track)} frames")
        edited = edit_expression(
            self.manipulator, track.expression, wish, anchored=self.anchored, seed=self.seed
        )
        part = track.take_frames(chosen)
        return list(self.painter.paint(part, expression=edited[chosen]).shape)

    def row(self, wishes: Sequence[Wish], moment: int) -> list[np.ndarray]:
        """The drawn head (S, S, 3) uint8 at one frame after each of several edits."""
        return [self.heads(wish, [moment])[0] for wish in wishes]

    def widget(self, moment: int = 0) -> DialWidget:
        """Sliders and the head, for a notebook; works headless as well."""
        return DialWidget(self, moment)


class DialWidget(ipywidgets.VBox):
    """Controls and picture of an `ExpressionDial`."""

    def __init__(self, dial: ExpressionDial, moment: int) -> None:
        self.dial = dial
        self.emotion = ipywidgets.Dropdown(
            options=EMOTIONS, value="happy", description="emotion", tooltip="what it should show"
        )
        self.intensity = ipywidgets.FloatSlider(
            value=1.0, min=0.0, max=1.0, step=0.1, description="intensity"
        )
        self.second = ipywidgets.Dropdown(
            options=(NO_SECOND, *EMOTIONS), description="mixed with", tooltip="a second emotion"
        )
        self.share = ipywidgets.FloatSlider(
            value=0.5, min=0.0, max=1.0, step=0.1, description="share"
        )
        self.moment = ipywidgets.IntSlider(
            value=moment, min=0, max=len(dial.track) - 1, description="frame"
        )
        self.picture = ipywidgets.Image(format="png", width=SHOWN_SIDE)
        controls = (self.emotion, self.intensity, self.second, self.share, self.moment)
        super().__init__([*controls, self.picture])
        for control in controls:
            control.observe(self._redraw, names="value")
        self._redraw()

    def wish(self) -> Wish:
        """What the controls say."""
        wish = Wish(self.emotion.value, intensity=self.intensity.value)
        if self.second.value == NO_SECOND:
            return wish
        return replace(wish, second_emotion=self.second.value, second_share=self.share.value)

    def _redraw(self, _: Any = None) -> None:
        head = self.dial.heads(self.wish(), [self.moment.value])[0]
        drawn = io.BytesIO()
        Image.fromarray(head).save(drawn, format="png")
        self.picture.value = drawn.getvalue()
