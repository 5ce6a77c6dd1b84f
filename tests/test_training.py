"""The loop of everything that is learned: draws, rates, rows, and runs that go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from studies.ablation_metrics import learn_partial
from studies.ablation_variants import initial_partial_metric
from torch import nn

from spfem import training
from spfem.checkpoints import load_checkpoint, save_checkpoint
from spfem.correlation.frames import FrameWindows
from spfem.correlation.learn import TEMPORAL_METRICS, train_spatial, train_temporal
from spfem.correlation.learn_sound import initial_joint, train_joint, train_single
from spfem.correlation.sound import collect_samples, tabulate_frames
from spfem.errors import SpfemError, TrainingStateError
from spfem.evaluation.lip_sync_meter import learn_network
from spfem.files import STATE_NAME
from spfem.head import load_head_model
from spfem.manipulator import ExpressionSpace
from spfem.manipulator.learn import Guide, train_manipulator
from spfem.reading.learn import learn_reader
from spfem.renderer.learn import FaceTerm, RendererSupervision, train_renderer
from spfem.run.artifacts import open_stage
from spfem.settings import TemporalSettings
from spfem.training import descend, falling_rate, one_cycle, step_generator, step_random, train
from tests.correlation import planted_sound as sound
from tests.correlation.planted import SMALL, planted_pairs
from tests.evaluation.lip_sync import test_training as lip_sync
from tests.manipulator.conftest import SMALL as SMALL_MANIPULATOR
from tests.manipulator.conftest import planted_speech
from tests.manipulator.test_learn import pair_every_other, want_unit_5, windows_of
from tests.reading import planted as reading
from tests.renderer.planted import SETTINGS as SMALL_RENDERER
from tests.renderer.planted import planted_clip
from tests.renderer.test_learn import difference

STEPS, KILLED_AFTER = 7, 4
Learned = tuple[dict[str, torch.Tensor], object]
"""Weights, and the curve."""


class KilledError(Exception):
    pass


def killed(steps):
    for number, step in enumerate(steps):
        if number == KILLED_AFTER:
            raise KilledError
        yield step


@cache
def planted_frames():
    return planted_pairs((0, 1))[0], planted_pairs((7,))[0]


def learn_spatial(speech_weight=0.0, **run) -> Learned:
    settings = replace(
        SMALL,
        batch_size=4,
        steps=STEPS,
        curve_steps=3,
        decay_share=0.5,
        speech_weight=speech_weight,
    )
    learned = train_spatial(*planted_frames(), settings, **run)
    return learned.model.state_dict(), learned.curve


def learn_part(**run) -> Learned:
    settings = replace(SMALL, batch_size=4, steps=STEPS)
    model = initial_partial_metric(settings, run["seed"], levels=(1,))
    return learn_partial(model, planted_frames()[0], **run).state_dict(), None


def learn_temporal(name, **run) -> Learned:
    settings = TemporalSettings(
        spatial=replace(SMALL, image_size=24),
        places=(32, 12),
        window_frames=3,
        batch_size=2,
        steps=STEPS,
        curve_steps=3,
    )
    windows = (FrameWindows(frames, 3) for frames in planted_frames())
    learned = train_temporal(name, *windows, settings, **run)
    return learned.model.state_dict(), learned.curve


@cache
def planted_sound():
    return sound.planted_clips(("A", "C"))


def learn_sound(modality, compat="paper", **run) -> Learned:
    """One modality alone, or `joint`."""
    settings = replace(
        sound.SMALL,
        single_steps=STEPS,
        joint_steps=STEPS,
        curve_steps=3,
        consistency_start=5,
        compat=compat,
    )
    clips, pairs, _ = planted_sound()
    table, roles = tabulate_frames(clips, settings), {"A": "train", "C": "held_out"}
    samples = (collect_samples(table, pairs.pairs, roles, role) for role in ("train", "held_out"))
    if modality == "joint":
        model = initial_joint(settings, "expression", run["seed"])
        return model.state_dict(), train_joint(model, table, *samples, **run).curve
    learned = train_single(modality, table, *samples, settings, **run)
    return learned.model.state_dict(), learned.curve


def learn_manipulator(changes=None, guide=None, *, seed, **run) -> Learned:
    sequences, labels, _ = planted_speech(14, frames=20)
    space = ExpressionSpace(tuple(f"unit{n}" for n in range(12)), (0.0, 1.0))
    settings = replace(SMALL_MANIPULATOR, steps=STEPS, **(changes or {}))
    windows = windows_of(sequences, labels, settings, seed)
    learned, rows = train_manipulator(windows, settings, space, guide and guide(windows), **run)
    return learned.state_dict(), rows


def supervise(windows):
    return Guide({"wanted": 5.0}, want_unit_5, pair_every_other(windows))


def learn_renderer(supervision=None, **run) -> Learned:
    """With an odd number of steps a sequence, and jitter, so that a run also goes on amid one."""
    settings = replace(SMALL_RENDERER, sequence_frames=(6,), augmentation=0.1, decay_fraction=0.5)
    clips = [planted_clip(seed, 12, smile=1.0) for seed in range(2)]
    learned = train_renderer(clips, settings, steps=STEPS, supervision=supervision, **run)
    weights = {
        f"{name}.{key}": value
        for name, network in learned.networks().items()
        for key, value in network.state_dict().items()
    }
    return weights, learned.curve


def learn_lip_sync(**run) -> Learned:
    settings = replace(lip_sync.SETTINGS, steps=STEPS)
    network, curve = learn_network([lip_sync.planted(n) for n in range(3)], settings, **run)
    return network.state_dict(), curve


@cache
def planted_films():
    return [reading.planted_film(load_head_model(), n, clips=2, frames=8) for n in range(3)]


def learn_reading(**run) -> Learned:
    settings = replace(reading.SETTINGS, steps=STEPS)
    return learn_reader(planted_films(), settings, **run).state_dict(), None


LEARNERS: dict[str, tuple[Callable[..., Learned], tuple]] = {
    "spatial": (learn_spatial, ()),
    "spatial with speech": (learn_spatial, (2.0,)),
    "part of the spatial": (learn_part, ()),
    **{name: (learn_temporal, (name,)) for name in TEMPORAL_METRICS},
    "audio": (learn_sound, ("audio",)),
    "image": (learn_sound, ("image",)),
    "joint": (learn_sound, ("joint",)),
    "joint as released": (learn_sound, ("joint", "upstream")),
    "manipulator": (learn_manipulator, ()),
    "manipulator with remedies": (
        learn_manipulator,
        ({"discriminator_noise": 0.3, "encode_reference": True, "residual": True},),
    ),
    "supervised manipulator": (learn_manipulator, ({}, supervise)),
    "renderer": (learn_renderer, ()),
    "supervised renderer": (
        learn_renderer,
        (RendererSupervision((FaceTerm("one", 1.0, 3, difference),), every=3),),
    ),
    "lip sync": (learn_lip_sync, ()),
    "reader": (learn_reading, ()),
}


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_killed_run_ends_as_an_uninterrupted_one(name, tmp_path, monkeypatch, one_thread):
    learner, given = LEARNERS[name]
    monkeypatch.setattr(training, "KEEP_SECONDS", 0.0)
    before = torch.random.get_rng_state()
    weights, curve = learner(*given, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)  # nor is the global state used:
    torch.manual_seed(99)
    with pytest.raises(KilledError):
        learner(*given, seed=1, folder=tmp_path, progress=killed)
    done = []
    again, continued = learner(
        *given, seed=1, folder=tmp_path, progress=lambda steps: done.extend(steps) or done
    )
    assert done == list(range(KILLED_AFTER, STEPS))
    assert continued == curve
    assert again.keys() == weights.keys()
    assert [key for key, value in weights.items() if not torch.equal(again[key], value)] == []
    path = tmp_path / STATE_NAME
    with pytest.raises(TrainingStateError, match=r"of another seed, first weights\. Remove"):
        learner(*given, seed=2, folder=tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(TrainingStateError, match=rf"{path}: .* is damaged"):
        learner(*given, seed=1, folder=tmp_path)


def line_problem(steps=10, rate=0.1, share=lambda index: 1.0, **run):
    """Fit a line; the curve, the line and the learning rates."""
    torch.manual_seed(0)
    line = nn.Linear(2, 1)
    optimiser = torch.optim.Adam(
        [{"params": [line.weight]}, {"params": [line.bias], "lr": rate / 2}], lr=rate
    )
    rates = []

    def step(index, random):
        rates.append([group["lr"] for group in optimiser.param_groups])
        points = torch.from_numpy(random.normal(size=(8, 2))).float()
        loss = (line(points) - points.sum(1, keepdim=True)).square().mean()
        descend(loss, optimiser)
        return {"loss": loss, **({"rare": loss * 0 + index} if index % 4 == 0 else {})}

    curve = train(
        {"line": line},
        {"adam": optimiser},
        step,
        name="a line",
        steps=steps,
        seed=3,
        rate=share,
        **run,
    )
    return curve, line, rates


def test_a_row_holds_the_means_of_its_steps_and_the_last_row_the_rest():
    every, line, _ = line_problem()
    assert not line.training
    losses = [row["loss"] for row in every]
    assert [row["step"] for row in every] == list(range(1, 11))
    assert losses[-1] < losses[0]
    few, _, _ = line_problem(row_steps=4)
    assert [row["step"] for row in few] == [4, 8, 10]
    for row, part in zip(few, (losses[:4], losses[4:8], losses[8:]), strict=True):
        assert row["loss"] == pytest.approx(np.mean(part), rel=1e-6)
    assert [row["rare"] for row in few] == [0, 4, 8]  # the mean of the steps that have it


def test_each_learning_rate_falls_by_the_same_share():
    _, _, rates = line_problem(share=falling_rate(10, 0.4))
    for index, rate in enumerate(rates):
        share = falling_rate(10, 0.4)(index)
        assert rate == [0.1 * share, 0.05 * share]
    assert [falling_rate(10, 0.0)(step) for step in range(10)] == [1.0] * 10
    falling = [falling_rate(10, 0.4)(step) for step in range(11)]
    assert falling == pytest.approx([1.0] * 7 + [0.75, 0.5, 0.25, 0.0])


@pytest.mark.parametrize("steps", [1, 7, 11, 95, 2600])
def test_one_cycle_is_that_of_torch_at_every_step(steps):
    optimiser = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, steps, pct_start=0.1)
    for index in range(steps):
        group = optimiser.param_groups[0]
        assert one_cycle(index, steps, 2e-3) == (group["lr"], group["betas"][0])
        optimiser.step()
        schedule.step()


def test_a_rise_of_one_step_begins_at_the_top():
    """There torch divides by zero."""
    assert one_cycle(0, 10, 2e-3) == (2e-3, 0.85)
    assert one_cycle(9, 10, 2e-3) == (pytest.approx(2e-3 / 25e4), 0.95)


def test_the_reader_learns_at_these_rates(monkeypatch):
    seen, stepped = [], torch.optim.AdamW.step

    def step(optimiser, *arguments):
        seen.extend((group["lr"], *group["betas"]) for group in optimiser.param_groups)
        return stepped(optimiser, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    learn_reading(seed=0)
    rate = reading.SETTINGS.learning_rate
    assert seen == [(*one_cycle(index, STEPS, rate), 0.999) for index in range(STEPS)]


def test_rows_are_what_the_learner_makes_of_them():
    curve, _, _ = line_problem(
        row_steps=5, describe=lambda row: [row, {"step": row["step"], "unseen": True}]
    )
    assert [(row["step"], row.get("unseen")) for row in curve] == [
        (5, None), (5, True), (10, None), (10, True),
    ]  # fmt: skip


def test_a_loss_that_is_not_finite_stops_learning():
    with pytest.raises(SpfemError, match="'loss' of a line is not finite at step 10; lower the"):
        line_problem(rate=1e30, row_steps=10)


def test_a_finished_run_is_taken_as_it_is_until_its_stage_is_finished(tmp_path):
    stage = open_stage(tmp_path / "line", "line", settings=1, inputs={}, code=())
    curve, line, _ = line_problem(folder=stage.folder)
    again, other, rates = line_problem(folder=stage.folder)
    assert again == curve
    assert torch.equal(other.weight, line.weight)
    assert rates == []
    stage.finish()
    assert not (stage.folder / STATE_NAME).exists()


@pytest.mark.parametrize("other", [{"steps": 11}, {"settings": {"width": 3}}])
def test_a_state_of_another_training_is_named(tmp_path, other):
    line_problem(folder=tmp_path)
    with pytest.raises(TrainingStateError, match=f"it is of another {next(iter(other))}"):
        line_problem(folder=tmp_path, **other)


def test_a_state_of_an_older_version_or_without_an_entry_is_named(tmp_path):
    line_problem(folder=tmp_path)
    path = tmp_path / STATE_NAME
    tensors, facts = load_checkpoint(path, kind=training.STATE_KIND)
    for kind in ("correlation learning state", "renderer training state"):
        save_checkpoint(path, tensors, kind=kind, facts=facts)
        with pytest.raises(TrainingStateError, match=f"{STATE_NAME}: .*{kind}.*version of spfem"):
            line_problem(folder=tmp_path)
    for lost in ("identity", "done", "rows"):
        kept = {name: value for name, value in facts.items() if name != lost}
        save_checkpoint(path, tensors, kind=training.STATE_KIND, facts=kept)
        with pytest.raises(TrainingStateError, match=lost):
            line_problem(folder=tmp_path)
    del tensors["module/line/bias"]
    save_checkpoint(path, tensors, kind=training.STATE_KIND, facts=facts)
    with pytest.raises(TrainingStateError, match="lacks 1 entries"):
        line_problem(folder=tmp_path)


def test_every_number_changes_what_a_step_draws():
    keys = [(seed, which, step) for seed in range(4) for which in range(2) for step in range(50)]
    drawn = {
        float(torch.rand(1, dtype=torch.float64, generator=step_generator(*key))) for key in keys
    }
    assert len(drawn) == len(keys)
    assert step_random(1, 2).random() == step_random(1, 2).random()
    assert step_random(1, 2).random() != step_random(2, 1).random()
