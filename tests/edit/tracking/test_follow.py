"""Following one person among several, over cuts and absences, with faces that are boxes."""

from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import InputError
from spfem.face.person import Box, PersonFollower, hide_others

SIZE = 40.0


def face(x, y, size=SIZE):
    """478 landmarks on a square grid."""
    places = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 22), np.linspace(-0.5, 0.5, 22)), -1)
    flat = np.pad(places.reshape(-1, 2)[:478] * size + (x, y), ((0, 0), (0, 1)))
    flat[:, :2] += (x, y) - (flat[:, :2].min(0) + flat[:, :2].max(0)) / 2
    return flat.astype(np.float32)


def frame(grey=100):
    return np.full((120, 200, 3), grey, np.uint8)


class Judge:
    """Answers whether a face is the person, and counts the questions."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), 0

    def __call__(self, known, chip):
        assert known
        assert chip.shape == (150, 150, 3)
        self.asked += 1
        return self.answers.pop(0)


def follow(scenes, judge=None, wanted=None):
    """Chosen centre x per frame; scenes are (grey, faces)."""
    follower = PersonFollower(wanted, "clip", judge or Judge())
    chosen = []
    for grey, faces in scenes:
        index = follower.choose(frame(grey), faces)
        chosen.append(None if index is None else round(float(Box.around(faces[index]).centre[0])))
    return chosen


def test_the_largest_face_or_the_one_that_is_wished_from_the_left():
    faces = [face(150, 50), face(30, 50, 30), face(90, 50)]
    faces[0] = face(150, 50, 45)
    assert follow([(100, []), (100, faces)]) == [None, 150]
    assert follow([(100, faces)], wanted=1) == [30]
    assert follow([(100, faces)], wanted=2) == [90]
    with pytest.raises(InputError, match=r"shows 3 face.*face 4 does not exist"):
        follow([(100, faces)], wanted=4)


def test_people_who_pass_each_other_are_not_confused_by_their_order():
    scenes = [(100, [face(40 + 5 * t, 60), face(160 - 5 * t, 60, 30)]) for t in range(8)]
    scenes += [(100, faces[::-1]) for _, faces in scenes[7:]]
    judge = Judge(*[True] * 9)
    assert follow(scenes, judge) == [*range(40, 80, 5), 75]
    assert judge.asked == 2  # while the two are near each other


def test_whoever_is_near_must_be_the_person():
    apart = (100, [face(40, 60), face(160, 60, 30)])
    near = (100, [face(60, 60), face(90, 60, 38)])
    judge = Judge(False, True)  # the nearest is not, the other one is
    assert follow([apart, near], judge) == [40, 90]
    assert judge.asked == 2


def test_a_short_absence_needs_no_proof_and_a_long_one_does():
    here = (100, [face(50, 60)])
    judge = Judge()
    assert follow([here, *[(100, [])] * 5, here], judge) == [50, *[None] * 5, 50]
    assert judge.asked == 0
    judge = Judge(True)
    assert follow([here, *[(100, [])] * 9, here], judge)[-1] == 50
    assert judge.asked == 1


@pytest.mark.parametrize("other", [200, 110, 104])
def test_a_stranger_in_the_same_place_is_left_alone_however_small_the_cut(other):
    here, cut = (100, [face(50, 60)]), (other, [face(52, 60)])
    judge = Judge(False, False, False, True)
    chosen = follow([here, here, *[cut] * 15, here, here], judge)
    assert chosen == [50, 50, *[None] * 15, 50, 50]
    assert judge.asked == 4  # after the cut, twice more while the stranger stays, at the cut back


def test_hiding_keeps_the_person_and_paints_the_others():
    random = np.random.default_rng(0)
    picture = random.integers(0, 255, (120, 200, 3), dtype=np.uint8)
    own, other = face(50, 60), face(100, 60)
    hidden = hide_others(picture, [other, own], 1)
    area = Box.around(own).area(0.2, picture)
    assert np.array_equal(hidden[area], picture[area])
    inner = Box.around(other).area(-0.1, picture)
    assert (hidden[inner] == 128).all()
    assert (hide_others(picture, [other, own], None)[area] == 128).any()
    twice = face(52, 61)  # the same face, seen a second time
    assert hide_others(picture, [own, twice], 0) is picture
