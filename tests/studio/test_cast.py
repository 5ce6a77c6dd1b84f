from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from spfem.head import load_head_model
from spfem.settings import CorpusSettings
from spfem.studio.cast import cast_actors


@pytest.fixture(scope="module")
def head():
    return load_head_model()


def test_the_demo_cast_is_balanced_and_has_the_roles_of_the_settings(head):
    actors = cast_actors(head, CorpusSettings())
    assert Counter(actor.role for actor in actors) == {"train": 7, "held_out": 1, "target": 4}
    assert Counter(actor.female for actor in actors) == {True: 6, False: 6}
    assert len({actor.name for actor in actors}) == 12
    assert len({actor.appearance.hair_style for actor in actors}) >= 8
    ages = [actor.age for actor in actors]
    assert min(ages) < 27
    assert max(ages) > 58
    for actor in actors:
        assert actor.name[0] == ("W" if actor.female else "M")


def test_no_two_of_forty_actors_have_the_same_shape_or_skin_and_hair(head):
    actors = cast_actors(head, CorpusSettings(metric_actors=36, target_actors=4))
    shapes = np.stack([actor.identity for actor in actors])
    distance = np.linalg.norm(shapes[:, None] - shapes[None], axis=-1)
    assert distance[~np.eye(40, dtype=bool)].min() > 2.0
    looks = {(a.appearance.skin, a.appearance.hair_style, a.appearance.cloth) for a in actors}
    assert len(looks) == 40
    assert np.abs(shapes).max() <= 2.2
