from __future__ import annotations

import csv
import math

import pytest

from benchmarks import __main__ as command_line
from benchmarks import correlation, edit, explorer, networks
from benchmarks.__main__ import MODULES, PARTS, main
from benchmarks.clock import median_seconds
from benchmarks.rows import COLUMNS, Row, merge_rows
from spfem.errors import CorpusError
from spfem.media.video import read_video
from spfem.settings import (
    CrossModalSettings,
    ManipulatorSettings,
    RendererSettings,
    SpatialSettings,
    TemporalSettings,
)
from tests.browser.chromium import open_browser

TINY = SpatialSettings(image_size=32, widths=(16, 32), blocks=(1, 1), centres=(4, 3), batch_size=2)
TINY_CROSS = CrossModalSettings(
    width=16, layers=2, doublings=(1,), embedding=16, heads=2, batch_size=4
)
TINY_MANIPULATOR = ManipulatorSettings(width=16, encoder_width=16)
TINY_RENDERER = RendererSettings(
    image_size=64, width=16, blocks=2, downsamplings=1, discriminator_width=16, mouth_size=16,
    chunk_frames=2, augmentation=0.0,
)  # fmt: skip


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def row(bench, ours=2.0, precision="float32"):
    return Row(bench, "cpu", precision, "work", 6.0, ours)


def test_rows_of_other_benches_are_kept_and_equal_ones_replaced(tmp_path):
    path = tmp_path / "figures" / "benchmarks.csv"
    merge_rows(path, [row("pairing"), row("stage_a"), row("stage_a", precision="bfloat16")])
    merge_rows(path, [row("stage_a", ours=4.0), row("stage_b")])
    found = read(path)
    assert tuple(found[0]) == COLUMNS
    assert [(r["bench"], r["precision"], r["ratio"]) for r in found] == [
        ("pairing", "float32", "3"),
        ("stage_a", "float32", "1.5"),
        ("stage_a", "bfloat16", "3"),
        ("stage_b", "float32", "3"),
    ]
    assert [p.name for p in path.parent.iterdir()] == ["benchmarks.csv"]


def test_a_foreign_table_is_not_overwritten(tmp_path):
    path = tmp_path / "benchmarks.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(CorpusError, match="move it away"):
        merge_rows(path, [row("pairing")])
    assert path.read_text() == "a,b\n1,2\n"


def test_ways_take_turns_and_the_first_turn_is_not_counted():
    calls = []
    ways = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    seconds = median_seconds(ways, repeats=2)
    assert calls == ["a", "b"] * 3
    assert set(seconds) == {"a", "b"}


def test_the_command_refuses_what_it_does_not_know(tmp_path, capsys):
    assert main(["correlation", "--only", "speed", "--figures", str(tmp_path)]) == 1
    assert "'speed' is unknown" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["everything"])
    assert stop.value.code == 2


def test_the_command_writes_the_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(command_line.PARTS, "correlation", ("pairing",))
    monkeypatch.setattr(correlation, "pairing", lambda device: [row("pairing")])
    assert main(["correlation", "--figures", str(tmp_path), "--device", "cpu"]) == 0
    assert [r["bench"] for r in read(tmp_path / "benchmarks.csv")] == ["pairing"]
    assert "pairing float32: 6 -> 2, 3x" in capsys.readouterr().out


def test_every_bench_that_is_offered_is_there():
    modules = {"correlation": correlation, "networks": networks, "edit": edit, "explorer": explorer}
    for part, benches in PARTS.items():
        for bench in benches:
            assert callable(getattr(modules[MODULES.get(part, part)], bench))


@pytest.mark.parametrize(
    ("bench", "names"),
    [
        (
            lambda: correlation.spatial_step("cpu", TINY, 1),
            ["spatial_step"] * 2 + ["sampling_overhead"],
        ),
        (
            lambda: correlation.temporal_step(
                "cpu",
                TemporalSettings(spatial=TINY, places=(6, 4), window_frames=3, batch_size=1),
                1,
            ),
            ["temporal_step"] * 2,
        ),
        (lambda: correlation.stage_a("cpu", TINY_CROSS, 5, 1), ["stage_a", "stage_a_step"]),
        (lambda: correlation.stage_b("cpu", TINY_CROSS, 5, 1), ["stage_b", "stage_b_step"]),
        (lambda: correlation.paired_term("cpu", TINY_CROSS, 6, 1), ["paired_term"]),
        (lambda: correlation.pairing("cpu", 0.3, 1), ["pairing"]),
        (
            lambda: networks.manipulator_inference("cpu", TINY_MANIPULATOR, 20, 1),
            ["manipulator_inference", "manipulator_inference_files"],
        ),
        (lambda: networks.renderer_step("cpu", TINY_RENDERER, 1), ["renderer_step"] * 2),
        (
            lambda: networks.renderer_inference("cpu", TINY_RENDERER, 4, 1),
            ["renderer_inference"] * 2,
        ),
    ],
    ids=[
        "spatial",
        "temporal",
        "stage_a",
        "stage_b",
        "paired_term",
        "pairing",
        "manipulator",
        "renderer_step",
        "renderer_inference",
    ],
)
def test_every_bench_runs_on_tiny_work(bench, names):
    rows = bench()
    assert [r.bench for r in rows] == names
    assert all(r.ours > 0 and r.reference > 0 and math.isfinite(r.ours) for r in rows)


@pytest.mark.browser
def test_a_row_for_each_interaction_with_the_explorer():
    with open_browser():
        pass  # skips where there is none
    settings = SpatialSettings(image_size=64, widths=(16, 32), blocks=(1, 1), centres=(4, 4))
    rows = explorer.explorer_interactions("cpu", settings, (10, 12), 2)
    names = {row.bench.removeprefix("explorer_") for row in rows}
    assert {"first_view", "click", "dragged_place", "key", "frame", "metric", "threshold"} < names
    assert all(row.ours > 0 for row in rows)
    assert all("95th percentile" in row.work for row in rows[1:])


@pytest.mark.slow
def test_moved_pixels_have_a_row_for_speed_gradient_and_memory():
    (speed,) = edit.moved_256("cpu", face_pixels=70, frames=10, repeats=1)
    assert speed.bench == "moved_256"
    assert "10 frames of 128 x 128 with a face of 7" in speed.work
    (gradient,) = edit.moved_gradient("cpu", frames=9, repeats=1)
    assert gradient.ours > gradient.reference > 0
    (peak,) = edit.moved_memory("cpu", face_pixels=70, frames=12)
    assert 0 < peak.ours < peak.reference * 1.5


@pytest.mark.slow
def test_a_small_face_lies_in_the_middle_of_a_large_frame(tmp_path):
    clip = edit.film_face(tmp_path, 70, 5, (200, 300))
    assert clip.face_pixels == pytest.approx(70, rel=0.15)
    frames = read_video(clip.video).frames
    assert frames.shape == (5, 200, 300, 3)
    centre = clip.track.landmarks[..., :2].mean((0, 1))
    assert centre == pytest.approx([150, 100], abs=20)
    assert clip.moved.shape == clip.track.expression.shape


@pytest.mark.slow
def test_supervision_takes_less_memory():
    (found,) = correlation.supervision_memory("cpu", image_size=96, pairs=8)
    assert found.ours < 0.8 * found.reference


def test_a_row_for_each_stage_of_an_edit_that_differs_and_one_for_all(tmp_path):
    stages = edit.edit_stages(tmp_path, "cpu", TINY_MANIPULATOR, TINY_RENDERER, 11)
    rows = edit.stage_rows("edit_tiny", "cpu", "float32", stages, 1)
    names = [r.bench for r in rows]
    assert names == ["edit_tiny_manipulate", "edit_tiny_render", "edit_tiny_blend", "edit_tiny"]
    *parts, whole = rows
    assert whole.ours > sum(r.ours for r in parts)
    saved = sum(r.reference - r.ours for r in parts)
    assert whole.reference - whole.ours == pytest.approx(saved)
    assert "11 frames" in whole.work
    assert (tmp_path / "edited.mp4").exists()
