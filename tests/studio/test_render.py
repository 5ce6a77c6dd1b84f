from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.head import load_head_model
from spfem.head.names import FACE_UNIT_NAMES
from spfem.head.raster import rasterise
from spfem.settings import CorpusSettings
from spfem.studio.build import face_truth, inner_lip_vertices
from spfem.studio.cast import cast_actors
from spfem.studio.motion import actor_style, face_motion
from spfem.studio.render import person_of, portrait, portrait_points
from spfem.studio.speech import Phoneme, Speech

SETTINGS = CorpusSettings(frame_size=64, metric_actors=2, target_actors=1)


@pytest.fixture(scope="module")
def head():
    return load_head_model()


@pytest.fixture(scope="module")
def actor(head):
    return cast_actors(head, SETTINGS)[0]


@pytest.fixture(scope="module")
def motion(actor):
    phonemes = (Phoneme("_", 0, 0.1), Phoneme("a", 0.1, 0.3), Phoneme("_", 0.3, 0.4))
    speech = Speech(np.zeros(6400, np.float32), 16000, phonemes)
    return face_motion(speech, "happy", actor_style(actor.seed), 25, seed=1)


def _expression(**units: float) -> np.ndarray:
    expression = np.zeros(len(FACE_UNIT_NAMES), np.float32)
    for name, value in units.items():
        expression[FACE_UNIT_NAMES.index(name)] = value
    return expression


def test_a_portrait_covers_what_an_independent_rasteriser_covers(head):
    size = 96
    image = portrait(head, np.zeros(48, np.float32), _expression(), size).astype(float)
    vertices = head.vertices(np.zeros(48, np.float32), _expression())
    points = torch.tensor(portrait_points(vertices, size)[None], dtype=torch.float32)
    covered = rasterise(points, torch.tensor(head.triangles), size, size).face[0].numpy() >= 0
    warmth = image[..., 0] - image[..., 2]  # the wall is grey, skin is not
    head_rows = np.arange(size) < 60
    skin = warmth > 12
    assert (skin == covered)[head_rows].mean() > 0.97


def test_the_truth_is_where_the_head_is_drawn(head, actor, motion):
    person = person_of(actor)
    truth = face_truth(person, motion, SETTINGS.frame_size)
    scale, translation = person.camera(64, motion.scale, motion.translation)
    from scipy.spatial.transform import Rotation

    rotation = Rotation.from_rotvec(motion.rotation).as_matrix()
    points = person.points(motion.face_units, rotation, scale, translation, 64)
    drawn = head.landmarks(points[:, : len(head.mean)])[..., :2]
    lips = slice(0, 20)
    np.testing.assert_allclose(drawn[:, lips], truth["landmarks_2d"][:, lips], atol=0.02)
    upper, lower = inner_lip_vertices(head)
    assert head.mean[upper, 1] < head.mean[lower, 1]
    wide = head.vertices(actor.identity, _expression(jawOpen=1.0))
    assert wide[lower, 1] - wide[upper, 1] > 0.1
