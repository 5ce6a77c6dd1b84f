from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import InputError
from spfem.face.conditions import ConditionPainter
from spfem.face.texture import face_texture
from tests.face.planted import planted_track


def test_a_painted_texture_is_found_again(head, planted):
    painter = ConditionPainter(head, 64)
    rows, columns = np.mgrid[:128, :128]
    smooth = np.stack([60 + columns, 200 - rows, np.full_like(rows, 90)], -1).astype(np.uint8)
    texture = np.repeat(smooth[None], 5, 0)
    faces = painter.paint(planted.codes, texture=texture).texture
    track = planted_track(planted, faces)
    found = face_texture(painter, [track])
    middle = (slice(45, 75), slice(50, 78))
    difference = np.abs(found[0][middle].astype(int) - smooth[middle])
    assert np.median(difference) <= 3
    again = painter.paint(planted.codes, texture=found).texture
    inner = (slice(None), slice(20, 44), slice(20, 44))
    assert np.median(np.abs(again[inner].astype(int) - faces[inner])) <= 3


def test_no_track_is_refused(head):
    with pytest.raises(InputError, match="at least one"):
        face_texture(ConditionPainter(head, 32), [])
