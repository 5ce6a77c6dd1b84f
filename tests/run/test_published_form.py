"""Which settings a manipulator is learned with: those that all methods share, or NED's own form."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spfem.errors import SettingsError
from spfem.manipulator import ExpressionSpace, load_manipulator
from spfem.manipulator.counterparts import Take, estimate_counterparts
from spfem.manipulator.data import ExpressionWindows
from spfem.manipulator.networks import AffineGenerator, Generator
from spfem.methods import METHODS, NED, PUBLISHED
from spfem.run import manipulators, results
from spfem.run.artifacts import MANIPULATOR_NAME
from spfem.run.faces import FaceStore
from spfem.run.workspace import open_workspace
from spfem.scales import SCALES, load_scale
from tests.manipulator.conftest import planted_speech


@pytest.fixture
def workspace(monkeypatch, tmp_path):
    """The settings of smoke, on planted speech of one sentence an actor, learned for two steps."""
    space = ExpressionSpace(tuple(f"unit{number}" for number in range(12)), (0.0, 1.0))

    def windows(workspace, settings, seed):
        sequences, labels, _ = planted_speech(14)
        takes = {
            f"{n}": Take(str(n // 7), "one", label, sequence.numpy())
            for n, (sequence, label) in enumerate(zip(sequences, labels, strict=True))
        }
        known = estimate_counterparts(takes, lambda key, other: range(40))
        counterparts = [known.get(key) for key in takes] if settings.aligned_weight else []
        made = [None if c is None else sequences[0].new_tensor(c) for c in counterparts]
        return [*takes], ExpressionWindows(
            sequences, labels, window_frames=10, batch_size=8, seed=seed, counterparts=made
        )

    for name, replacement in {
        "EXPRESSION_SPACE": space,
        "make_corpus": lambda _: None,
        "manipulator_clips": lambda _: (),
        "make_persons": lambda _: FaceStore(tmp_path, (), {}, "faces"),
        "learning_windows": windows,
    }.items():
        monkeypatch.setattr(manipulators, name, replacement)
    made = open_workspace("09_manipulator", scale="smoke", data=tmp_path, figures=tmp_path)
    settings = {
        name: replace(getattr(made.scale, name), steps=2, tune_steps=2)
        for name in ("manipulator", "published_manipulator")
    }
    return replace(made, scale=replace(made.scale, **settings))


def test_the_published_form_is_learned_with_its_own_settings(workspace):
    path = manipulators.make_manipulator(workspace, PUBLISHED)
    assert path == workspace.data / "manipulator" / PUBLISHED / "seed0" / MANIPULATOR_NAME
    assert not (workspace.data / "manipulator" / "base").exists()  # it goes on from nothing
    plain = manipulators.make_manipulator(workspace, NED)
    assert (workspace.data / "manipulator" / "base").exists()
    published, ours = load_manipulator(path), load_manipulator(plain)
    assert published.settings == workspace.scale.published_manipulator
    assert ours.settings == workspace.scale.manipulator
    assert (type(published.generator), type(ours.generator)) == (Generator, AffineGenerator)
    curves = [made.with_name("curve.csv").read_text("utf-8") for made in (path, plain)]
    assert ["discriminator" in curve for curve in curves] == [True, False]
    assert ["aligned" in curve for curve in curves] == [False, True]

    first = path.stat().st_mtime_ns
    ours_now = replace(workspace.scale.manipulator, learning_rate=1.0)
    manipulators.make_manipulator(
        replace(workspace, scale=replace(workspace.scale, manipulator=ours_now)), PUBLISHED
    )
    assert path.stat().st_mtime_ns == first  # not remade: nothing of ours decides it
    theirs = replace(workspace.scale.published_manipulator, style_weight=0.5)
    manipulators.make_manipulator(
        replace(workspace, scale=replace(workspace.scale, published_manipulator=theirs)), PUBLISHED
    )
    assert path.stat().st_mtime_ns != first


def test_where_all_methods_share_the_published_form_there_is_no_second_one(workspace):
    paper = replace(workspace, scale=load_scale("paper"))
    with pytest.raises(SettingsError, match=r"at scale paper .* take the method ned"):
        manipulators.make_manipulator(paper, PUBLISHED)


@pytest.mark.parametrize("scale", SCALES)
def test_tables_show_the_published_form_on_moved_pixels_right_before_ned(monkeypatch, scale):
    names = list(METHODS)
    assert names.index(PUBLISHED) + 1 == names.index(NED)
    monkeypatch.setattr(results, "calibrating_methods", lambda _: ("copy", "truth"))
    made = load_scale(scale)
    settings = made.published_manipulator
    assert (settings is None) == (scale == "paper") == (made.manipulator.adversarial_weight > 0)
    workspace = type("Run", (), {"scale": made})
    seeds = [seed for name, seed in results.base_runs(workspace, "moved") if name == PUBLISHED]
    assert seeds == ([] if settings is None else list(made.metric_seeds))
    assert set(seeds) <= set(made.seeds)  # paired with plain NED
    assert PUBLISHED not in dict(results.base_runs(workspace, "ned"))
    assert PUBLISHED not in (*made.methods_of("moved"), *made.methods_of("ned"))
    if settings is not None:
        assert settings.affine_rank == settings.aligned_weight == 0
        weights = (settings.adversarial_weight, settings.style_weight, settings.cycle_weight)
        assert all((*weights, settings.mouth_weight))
