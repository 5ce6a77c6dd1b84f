"""The qualitative grid: the box stands on the mouth, and the mouth below is what is in it."""

import numpy as np
from studies import videos as qualitative
from studies.videos import BOX_HEIGHT, BOX_WIDTH, mouth_box, qualitative_rows

from spfem.corpus.protocol import Edit
from spfem.face.landmarks import OUTER_LIPS

SIDE = 100
EDIT = Edit("intra", "A/neutral/level_1/004", "A/happy/level_3/005", "happy", "A")


class MadeUpTrack:
    """A face over the square from (50, 20) to (250, 220) of a frame, its lips around `lips`."""

    frame_size = (300, 400)

    def __init__(self, lips, jaw=(0.1, 0.7, 0.9)):
        self.landmarks = np.zeros((3, 478, 3))
        self.landmarks[:, :, :2] = np.linspace((50, 20), (250, 220), 478)
        self.landmarks[:, list(OUTER_LIPS), :2] = lips
        self.found = np.array([True, True, False])
        self.expression = np.array(jaw)[:, None]


def test_the_box_stands_on_the_planted_mouth():
    rows, columns = qualitative.face_square(track := MadeUpTrack((150, 170)))
    left, top, right, bottom = mouth_box(track, 0, SIDE)
    assert (right - left, bottom - top) == (round(BOX_WIDTH * SIDE), round(BOX_HEIGHT * SIDE))
    scale = SIDE / (rows.stop - rows.start)
    centre = (150 - columns.start) * scale, (170 - rows.start) * scale
    assert np.allclose([(left + right) / 2, (top + bottom) / 2], centre, atol=1)


def test_rows_show_the_moment_of_the_source_and_the_reference_its_own(monkeypatch):
    tracks = {
        EDIT.source: MadeUpTrack((150, 170), (0.9, 0.1, 0)),
        EDIT.reference: MadeUpTrack((150, 170), (0.1, 0.9, 0)),
    }
    clips = {
        name: np.stack([np.full((112, 112, 3), 10 * k + t, np.uint8) for t in range(3)])
        for k, name in enumerate(("source", "reference", "ned", "truth"))
    }
    monkeypatch.setattr(qualitative, "make_faces", lambda _: tracks)
    monkeypatch.setattr(qualitative, "edit_panels", lambda *_: clips)
    monkeypatch.setattr(qualitative, "close_ups", lambda _, __, panels: panels)
    rows, names = qualitative_rows(None, [EDIT, EDIT], ["ned"])
    assert names == list(clips)
    assert [int(cell[0, 0, 0]) for cell in rows[1]] == [0, 11, 20, 30]
