"""Everything that supervises a manipulator, in its training."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spfem import training
from spfem.correlation import CrossModalCoherence, SpatialCoherence, TemporalCoherence
from spfem.correlation.retrieval import AudioBank, nearest_below, retrieve_all
from spfem.manipulator import ExpressionSpace
from spfem.manipulator.data import ExpressionWindows
from spfem.manipulator.learn import train_manipulator
from spfem.methods import METHODS, find_method
from spfem.run import manipulators
from spfem.run.deciding_code import reached as decided_by
from spfem.run.definitions import PACKAGE_FOLDER, STUDIES_FOLDER, CodeBase, Name
from spfem.scales import load_scale
from spfem.settings import EMOTIONS, SpatialSettings, SupervisionSettings, TemporalSettings
from spfem.supervision.manipulator import (
    Heard,
    Supervisors,
    compare_pictures,
    manipulator_weights,
    move_faces,
    supervise_manipulator,
)
from spfem.supervision.pairs import RetrievedWindows
from tests.correlation.planted_sound import SMALL as CROSS_MODAL
from tests.edit.drawn import draw_clip, units
from tests.manipulator.conftest import SMALL, planted_speech
from tests.supervision.faces import track_of, with_codes
from tests.test_training import KilledError, killed

SPATIAL = SpatialSettings(
    image_size=48, widths=(16, 16, 16), blocks=(1, 1, 1), centres=(8, 4, 2), precision="float32"
)
SETTINGS = SupervisionSettings(manipulator_frames=2)
SPACE = ExpressionSpace(tuple(f"unit{number}" for number in range(52)), (0.0, 1.0))
TERMS = ["spatial", "temporal_vd", "temporal_cm", "paired", "consistency", "picture_consistency"]


@pytest.fixture(scope="module")
def windows():
    sequences, labels, _ = planted_speech(7, frames=16, coefficients=52)
    return ExpressionWindows(sequences, labels, window_frames=10, batch_size=8, seed=0)


KEYS_OF_A = tuple(f"A/{number}/{label}" for number, label in enumerate(range(7)))


def make_bank(digest="bank"):
    """Every clip has 7 windows; labels ascend with the clips."""
    clip = np.repeat(np.arange(7), 7).astype(np.int32)
    random = np.random.default_rng(1)
    tables = {name: random.uniform(0, 3, (7, 7)) for name in EMOTIONS if name != "neutral"}
    return planted_bank("A", KEYS_OF_A, 10, clip, np.tile(np.arange(7), 7), clip, tables, digest)


def planted_bank(actor, keys, window, clip, first, emotion, tables, digest="planted"):
    return AudioBank(
        actor,
        keys,
        window,
        clip,
        first.astype(np.int32),
        emotion,
        {name: nearest_below(table, 2.0, 3) for name, table in tables.items()},
        {name: nearest_below(table.T, 2.0, 3) for name, table in tables.items()},
        2.0,
        digest,
    )


@pytest.fixture(scope="module")
def metrics():
    torch.manual_seed(0)
    temporal = TemporalSettings(spatial=SPATIAL, window_frames=3, places=(16, 8, 4))
    return {
        "spatial": SpatialCoherence(SPATIAL),
        "temporal_vd": TemporalCoherence(replace(temporal, formulation="vd")),
        "temporal_cm": TemporalCoherence(replace(temporal, formulation="cm")),
        "expression": CrossModalCoherence(CROSS_MODAL),
        "image": CrossModalCoherence(CROSS_MODAL, "image"),
    }


@pytest.fixture(scope="module")
def faces(windows):
    shown = track_of(draw_clip(units(16, jawOpen=np.linspace(0, 0.3, 16))))
    clips = windows.frames.unflatten(0, (7, 16)).numpy()
    return {key: with_codes(shown, codes) for key, codes in zip(KEYS_OF_A, clips, strict=True)}


ALL = replace(find_method("ned+all"), paired_pictures=True)
WORKSPACE = SimpleNamespace(scale=load_scale("full"))  # its metrics have seeds of their own


def test_killed_training_with_every_supervision_resumes_to_the_same_weights(
    tmp_path, monkeypatch, metrics, windows, faces
):
    monkeypatch.setattr(training, "KEEP_SECONDS", 0.0)
    settings = replace(SMALL, steps=5, batch_size=8, residual=True)
    pictures = {name: metric.supervise() for name, metric in metrics.items()}
    sound, image = pictures.pop("expression"), pictures.pop("image")
    banks = {"A": make_bank()}
    supervisors = Supervisors(pictures, Heard(sound, banks), Heard(image, banks))
    weights = manipulator_weights(SETTINGS, ALL)

    def learn(name, **arguments):
        guide = supervise_manipulator(supervisors, SETTINGS, weights, faces, KEYS_OF_A, windows)
        return train_manipulator(
            windows, settings, SPACE, guide, folder=tmp_path / name, **arguments
        )

    whole, curve = learn("whole")
    with pytest.raises(KilledError):
        learn("killed", progress=killed)
    torch.rand(7)  # another state of the global random numbers
    resumed, again = learn("killed")
    assert again == curve
    assert list(curve[0])[-6:] == TERMS
    for name, tensor in resumed.state_dict().items():
        assert torch.equal(tensor, whole.state_dict()[name]), name


def test_a_loss_of_weight_zero_is_not_computed(metrics, windows, faces):
    pictures = {name: metric for name, metric in metrics.items() if name in ALL.pictures}
    weights = dict.fromkeys(pictures, 0.0) | {"temporal_cm": 0.1}
    guide = supervise_manipulator(
        Supervisors(pictures), SETTINGS, weights, faces, KEYS_OF_A, windows
    )
    assert list(guide.losses.args[0][0].terms) == ["temporal_cm"]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_the_weights_of_what_supervises_it(name):
    method = METHODS[name]
    weights = manipulator_weights(SETTINGS, method)
    wanted = () if method.released_form else method.pictures
    paired = ("paired", "consistency") if method.paired else ()
    on_pictures = ("picture_consistency",) if method.paired_pictures else ()
    assert list(weights) == [*wanted, *paired, *on_pictures]
    assert all(weights.values())


def test_everything_that_supervises_is_in_the_digests(tmp_path, monkeypatch, metrics):
    banks = {"A": make_bank()}

    def saved(workspace, name, seed):
        return tmp_path / f"{name}.safetensors"

    for name, metric in metrics.items():
        metric.save(saved(None, name, 0))
    monkeypatch.setattr("spfem.run.metrics.make_metric", saved)
    monkeypatch.setattr(manipulators, "make_cross_modal_metric", saved)
    monkeypatch.setattr(manipulators, "make_audio_banks", lambda *asked: banks)

    def made(settings=SETTINGS):
        return manipulators.make_supervision(WORKSPACE, ALL, settings)

    whole = made()
    assert list(whole.settings["weights"]) == TERMS

    def changed(settings=SETTINGS):
        other = made(settings)
        differing = {name for name, value in other.inputs.items() if value != whole.inputs[name]}
        return differing, other.settings != whole.settings

    assert changed() == (set(), False)
    for field in ("spatial", "temporal", "paired", "consistency", "frames", "windows"):
        assert changed(replace(SETTINGS, **{f"manipulator_{field}": 7})) == (set(), True)
    assert changed(replace(SETTINGS, gradient_share=0.1)) == (set(), True)
    banks["A"] = make_bank("another")
    known = {"banks of expression", "banks of image"}
    assert changed() == (known, False)
    torch.manual_seed(1)
    SpatialCoherence(SPATIAL).save(saved(None, "spatial", 0))
    CrossModalCoherence(CROSS_MODAL).save(saved(None, "expression", 0))
    known |= {"spatial", "metric of expression"}
    assert changed() == (known, False)
    CrossModalCoherence(CROSS_MODAL, "image").save(saved(None, "image", 0))
    assert changed() == (known | {"metric of image"}, False)


def test_the_renderer_of_moved_pixels_decides_what_supervises():
    reached = {name.name for name in manipulators_code()}
    assert {"FaceMover", "MovedRenderer", "skin_field", "draw_opening", "hold_at_edges"} <= reached


def manipulators_code():
    code = CodeBase(PACKAGE_FOLDER, STUDIES_FOLDER)
    roots = compare_pictures, move_faces
    return decided_by(code, [Name(root.__module__, root.__name__) for root in roots])


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("ned", None),
        ("ned+asccl", ["spatial"]),
        ("ned+untrained", ["spatial_untrained"]),
        ("ned+identity", ["identity"]),
        ("ned+asccl_released", None),
    ],
)
def test_the_supervision_of_controls_and_of_the_released_form(monkeypatch, name, known):
    monkeypatch.setattr(manipulators, "picture_loss_digest", lambda workspace, name, seed: name)
    made = manipulators.make_supervision(WORKSPACE, find_method(name), SETTINGS)
    if known is None:
        assert made is None
    else:
        assert list(made.settings["weights"]) == known
        assert set(known) < set(made.inputs)


WINDOW = 4
FRAMES = {  # of the clips in training order, which is not the order of the banks
    "A/happy/1": 9,
    "B/neutral/1": 6,
    "A/neutral/1": 8,
    "B/sad/1": 5,
    "A/sad/1": 7,
    "A/happy/2": 5,
}
KEYS = tuple(FRAMES)
SHORT_SOUND = {"A/happy/1": 2}  # windows that the banks do not know


def make_windows(frames=FRAMES, window=WINDOW):
    """Frame f of clip c is (c, f), so that a window tells where it comes from."""
    sequences = [
        torch.stack([torch.full((count,), float(clip)), torch.arange(count).float()], dim=1)
        for clip, count in enumerate(frames.values())
    ]
    labels = [EMOTIONS.index(key.split("/")[1]) for key in frames]
    return ExpressionWindows(sequences, labels, window_frames=window, batch_size=4, seed=0)


def random_bank(actor, seed, clips=None):
    random = np.random.default_rng(seed)
    keys = tuple(
        sorted(
            (key for key in clips or KEYS if key.startswith(actor)),
            key=lambda key: (EMOTIONS.index(key.split("/")[1]), key),
        )
    )
    counts = [FRAMES.get(key, 6) - WINDOW + 1 - SHORT_SOUND.get(key, 0) for key in keys]
    labels = np.array([EMOTIONS.index(key.split("/")[1]) for key in keys], np.int32)
    clip = np.repeat(np.arange(len(keys)), counts).astype(np.int32)
    emotion = labels[clip]
    first = np.concatenate([np.arange(count) for count in counts]).astype(np.int32)
    distances = {
        EMOTIONS[label]: random.uniform(0, 3, ((emotion == 0).sum(), (emotion == label).sum()))
        for label in set(labels.tolist()) - {0}
    }
    return planted_bank(actor, keys, WINDOW, clip, first, emotion, distances)


@pytest.fixture(scope="module")
def banks():
    return {"A": random_bank("A", 0), "B": random_bank("B", 1)}


def place(bank, number):
    """(clip key, first frame) of a window of a bank."""
    return bank.keys[bank.clip[number]], int(bank.first[number])


def located(windows, number):
    """(clip key, first frame) of a training window, read from its frames."""
    clip, frame = windows.take(torch.tensor([number])).expression[0, 0].tolist()
    return KEYS[int(clip)], int(frame)


def candidates(found, row, place_of):
    """(window, distance, by way of, first distance) of a row of retrieved or tabulated windows."""
    columns = (found.window, found.distance, found.by_way_of, found.first_distance)
    return [
        (place_of(window), float(distance), place_of(between) if between >= 0 else None, float(d))
        for window, distance, between, d in zip(*(c[row] for c in columns), strict=True)
        if window >= 0
    ]


def test_candidates_are_those_of_the_banks_window_by_window(banks):
    windows = make_windows()
    table = RetrievedWindows(banks, KEYS, windows, seed=0)
    bank_numbers = {
        place(bank, number): (bank, number)
        for bank in banks.values()
        for number in range(len(bank.clip))
    }
    paired = 0
    for number in range(len(windows)):
        bank, row = bank_numbers.get(located(windows, number), (None, None))
        for label, emotion in enumerate(EMOTIONS):
            wanted = []
            if bank is not None and (bank.emotion == label).any():
                found = retrieve_all(bank, emotion, np.array([row]))
                wanted = candidates(found, 0, lambda window, bank=bank: place(bank, window))
            mine = candidates(table, (number, label), lambda n: located(windows, int(n)))
            assert mine == wanted
            paired += len(wanted)
    assert paired > 50


def test_a_drawn_pair_is_one_of_the_candidates_and_all_come_up(banks):
    windows = make_windows()
    table = RetrievedWindows(banks, KEYS, windows, seed=0)
    batch = windows.take(torch.arange(len(windows)))
    seen = {}
    for step in range(60):
        label = torch.full((len(windows),), EMOTIONS.index("happy"))
        drawn = table.draw(batch, label, step)
        for row in range(len(windows)):
            candidates = table.window[row, label[row]]
            if not drawn.paired[row]:
                assert (candidates < 0).all()
                assert drawn.window[row] == -1
                assert torch.isinf(drawn.distance[row])
                assert torch.isinf(drawn.first_distance[row])
                continue
            column = (candidates == drawn.window[row]).nonzero()[0, 0]
            for mine, all_of_them in (
                (drawn.distance, table.distance),
                (drawn.by_way_of, table.by_way_of),
                (drawn.first_distance, table.first_distance),
            ):
                assert mine[row] == all_of_them[row, label[row], column]
            assert windows.labels[windows.clip[drawn.window[row]]] == label[row]
            seen.setdefault(row, set()).add(int(column))
    for row, columns in seen.items():
        count = int((table.window[row, EMOTIONS.index("happy")] >= 0).sum())
        assert columns == set(range(count))
    assert max(map(len, seen.values())) == 3
