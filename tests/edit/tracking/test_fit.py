from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.face.clip_track import MARGIN_FRAMES, fit_clip, read_clip
from spfem.head import load_head_model
from spfem.reading.reader import FaceReader
from spfem.settings import FaceSettings
from tests.face.planted import planted_clip

SETTINGS = replace(FaceSettings(face_size=64), fit_iterations=3)


@pytest.fixture(scope="module")
def head():
    return load_head_model()


def test_pieces_join_without_a_seam_and_agree_with_the_whole(head):
    tracked = planted_clip(head, frames=2 * MARGIN_FRAMES + 56, noise=0.2).tracked
    whole, align = fit_clip(head, tracked, SETTINGS, piece_frames=200)
    pieces, joined = fit_clip(head, tracked, SETTINGS, piece_frames=30)
    assert pieces.expression.shape == whole.expression.shape
    assert joined.shape == align.shape
    # The identity is seen in fewer frames, so codes differ a little; nothing may jump at a seam.
    assert np.abs(pieces.rotation - whole.rotation).max() < 0.02
    assert np.corrcoef(pieces.expression[:, 0], whole.expression[:, 0])[0, 1] > 0.99
    difference = pieces.expression[:, 0] - whole.expression[:, 0]
    seams = np.abs(np.diff(difference))[[29, 59, 89]]
    assert seams.max() < 0.01
    assert pieces.reprojection_error.mean() < 1.1 * whole.reprojection_error.mean()


def test_read_clips_keep_the_alignment_and_join_without_a_seam(head):
    tracked = planted_clip(head, frames=2 * MARGIN_FRAMES + 40, noise=0.2).tracked
    reader = FaceReader.pretrained()
    _, align = fit_clip(head, tracked, SETTINGS)
    whole, kept = read_clip(head, tracked, SETTINGS, reader)
    assert np.array_equal(kept, align)
    again, _ = read_clip(head, tracked, SETTINGS, reader)
    assert np.array_equal(again.expression, whole.expression)
    pieces, _ = read_clip(head, tracked, SETTINGS, reader, piece_frames=30)
    assert pieces.expression.shape == whole.expression.shape
    assert np.corrcoef(pieces.expression[:, 0], whole.expression[:, 0])[0, 1] > 0.98
    difference = pieces.expression[:, 0] - whole.expression[:, 0]
    assert np.abs(np.diff(difference))[[29, 59, 89]].max() < 0.03
    assert whole.expression.min() >= 0
    assert whole.expression.max() <= 1
