from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spfem.correlation.crossmodal.samples import ClipSignals, tabulate_frames
from spfem.correlation.dense_windows import temporal_scores
from spfem.correlation.frame_pairs import ClipPair
from spfem.correlation.maps import correlation_map, disparity_weights, feature_maps
from spfem.correlation.moments import moment_similarity
from spfem.correlation.preprocess import images_from_frames
from spfem.errors import SettingsError, ShapeError
from spfem.evaluation.retrieval_views import distance_matrix
from spfem.explore import CorrelationExplorer
from tests.explore.made_up import MadeClips, made_explorer, made_metrics

PLACE_METRICS = ("raw", "spatial", "temporal_vd", "temporal_cm")
TOLERANCE = 2e-5  # one batch of frames or another


@pytest.fixture(scope="module")
def metrics():
    return made_metrics()


@pytest.fixture
def explorer(metrics):
    return made_explorer(metrics)


def images(clip, frame):
    return images_from_frames(clip.faces[[frame]])


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("metric", ["raw", "spatial"])
def test_maps_moments_and_weights_are_those_of_the_spatial_metric(explorer, metrics, metric, level):
    explorer.choose(metric=metric, level=level, show_weights=True, frame=6)
    height, width = explorer.map_shape
    place = (height - 3, width // 2 + 1)
    view = explorer.on_patch(*place)
    first, second = view.pair.first, view.pair.second
    kind = "raw" if metric == "raw" else "learned"
    model, query = metrics[metric], images(first, 6)
    for values, other in (
        (view.within, query),
        (view.matched, images(second, view.matched_frame)),
        (view.mismatched, images(second, view.mismatched_frame)),
    ):
        wanted = correlation_map(model, query, other, place, level, kind)
        assert np.allclose(values, wanted, atol=TOLERANCE, equal_nan=True)
    assert view.within[place] == pytest.approx(1, abs=1e-4)
    region = tuple(slice(at, at + 1) for at in place)
    wanted = moment_similarity(model, first.faces, second.faces, region, level, kind)
    assert np.allclose(view.moments, wanted, atol=TOLERANCE)
    weights = disparity_weights(model, query, level)
    assert np.allclose(view.weights, weights, atol=TOLERANCE, equal_nan=True)


@pytest.mark.parametrize("metric", ["temporal_vd", "temporal_cm"])
def test_windows_are_compared_as_the_temporal_metric_compares_them(explorer, metrics, metric):
    explorer.choose(metric=metric, level=0, frame=7)
    view, model = explorer.view(), metrics[metric]
    maps = [
        feature_maps(model, images_from_frames(clip.faces))[0]
        for clip in (view.pair.first, view.pair.second)
    ]

    def window(clip, frame):
        start = min(max(frame - 2, 0), len(maps[clip]) - 5)
        return maps[clip][None, start : start + 5]

    moves = torch.zeros(1, 4, 2, dtype=torch.bool)
    row, column = view.selection.row, view.selection.column
    with torch.no_grad():
        for u in range(len(view.pair.second.faces)):
            other = window(1, u)
            scores = temporal_scores(model, 0, window(0, 7), other, other, moves, moves)
            wanted = float(scores.matched[0, row - 1, column - 1])
            assert view.moments[7, u] == pytest.approx(wanted, abs=TOLERANCE)
    assert view.matched[row, column] == pytest.approx(view.moments[7, view.matched_frame], abs=1e-5)
    assert view.mismatched[row, column] == pytest.approx(
        view.moments[7, view.mismatched_frame], abs=1e-5
    )
    assert view.weights is None


def test_distances_are_those_of_the_cross_modal_metric(explorer, metrics):
    explorer.choose(metric="audio_visual")
    view, metric = explorer.view(), metrics["audio_visual"]
    clips = {"a": view.pair.first, "b": view.pair.second}
    signals = {
        key: ClipSignals(audio=clip.waveform, expression=clip.expression)
        for key, clip in clips.items()
    }
    table = tabulate_frames(signals, metric.settings)
    pair = ClipPair("a", "b", view.pair.path)
    for shown, modality in ((view.moments_of_sound, "audio"), (view.moments, "expression")):
        wanted = distance_matrix(metric, table, pair, modality)
        assert np.allclose(shown[: wanted.shape[0], : wanted.shape[1]], wanted, atol=1e-5)
    assert not view.has_places
    assert view.matched is None
    assert view.quantity == "distance"


def test_temperature_gives_the_softmax_over_places_and_threshold_blanks(explorer):
    plain = explorer.view()
    explorer.choose(temperature=0.1)
    view = explorer.view()
    wanted = torch.softmax(torch.from_numpy(plain.matched[np.isfinite(plain.matched)]) / 0.1, 0)
    assert np.allclose(view.matched[np.isfinite(view.matched)], wanted, atol=1e-6)
    threshold = float(np.nanmedian(plain.matched))
    explorer.choose(threshold=threshold)
    blanked = explorer.view().matched
    shown = np.nan_to_num(plain.matched, nan=-2) >= threshold
    assert np.array_equal(np.isfinite(blanked), shown)
    assert shown.any()
    assert not shown.all()
    assert np.array_equal(blanked[shown], view.matched[shown])


@pytest.mark.parametrize("frame", [0, 3, 8, 16])
def test_the_other_moment_shows_another_viseme(explorer, frame):
    explorer.choose(frame=frame)
    view = explorer.view()
    said = view.pair.second.visemes
    assert said[view.mismatched_frame] != said[view.matched_frame]
    assert said[view.mismatched_frame] != view.pair.first.visemes[frame]
    assert view.mismatched_frame == view.matched_frame + view.selection.mismatch_frames


def test_the_moment_that_was_asked_for_stays_inside_the_clip(explorer):
    explorer.choose(frame=8, mismatch_frames=1)
    assert explorer.view().mismatched_frame == explorer.view().matched_frame + 1
    explorer.choose(mismatch_frames=500)
    assert explorer.view().mismatched_frame == len(explorer.pair.second.faces) - 1
    explorer.choose(frame=-4)
    assert explorer.selection.frame == 0
    explorer.choose(frame=999)
    assert explorer.selection.frame == explorer.frame_count - 1


@pytest.mark.parametrize("metric", PLACE_METRICS)
def test_changing_the_level_keeps_the_place_on_the_face(explorer, metric):
    explorer.choose(metric=metric, level=0)
    height, width = explorer.map_shape
    explorer.on_patch(height - 4, width // 2)
    explorer.choose(level=1)
    coarse, chosen = explorer.map_shape, explorer.selection
    assert coarse[0] < height
    assert chosen.row == pytest.approx((height - 3.5) * coarse[0] / height - 0.5, abs=0.5)
    assert chosen.column == pytest.approx((width / 2 + 0.5) * coarse[1] / width - 0.5, abs=0.5)


def test_a_metric_without_places_leaves_the_place_alone(explorer):
    before = explorer.on_patch(3, 5).selection
    explorer.choose(metric="audio_visual")
    assert not explorer.has_places
    explorer.choose(metric="spatial")
    assert explorer.selection == before


def test_a_point_of_the_face_belongs_to_the_place_above_it(explorer):
    height, width = explorer.map_shape
    side = explorer.pair.first.faces.shape[1]
    assert explorer.place_under(0, 0) == (1, 1)
    assert explorer.place_under(side, side) == (height - 2, width - 2)
    for row in range(1, height - 1):
        for column in range(1, width - 1):
            middle = ((column + 0.5) * side / width, (row + 0.5) * side / height)
            assert explorer.place_under(*middle) == (row, column)


def test_what_was_not_asked_for_follows(explorer):
    explorer.choose(first_emotion="happy", second_emotion="sad")
    explorer.choose(actor="B")
    chosen = explorer.selection
    assert (chosen.sentence, chosen.first_emotion, chosen.second_emotion) == ("two", "happy", "sad")
    explorer.choose(actor="A", first_emotion="neutral")
    explorer.choose(actor="B")
    assert explorer.selection.first_emotion in explorer.sources["made up"].emotions("B", "two")
    assert explorer.selection.first_emotion != explorer.selection.second_emotion


def test_bad_choices_are_refused_and_change_nothing(explorer, metrics):
    before = explorer.selection
    for changes, message in (
        ({"level": 9}, "choose one of 0..1"),
        ({"metric": "cooked"}, "is not made"),
        ({"actor": "C"}, "actor 'C' is not there; choose one of A, B"),
        ({"second_emotion": "bored"}, "choose one of neutral, happy, sad"),
        ({"temperature": 0.0}, "above 0"),
        ({"threshold": 3}, "-1..1"),
        ({"colour": 1}, "'colour' cannot be chosen"),
    ):
        with pytest.raises(SettingsError, match=message):
            explorer.choose(**changes)
        assert explorer.selection == before
    with pytest.raises(ShapeError, match="must lie in"):
        explorer.on_patch(0, 3)
    with pytest.raises(SettingsError, match="at least one source"):
        CorrelationExplorer({}, {"spatial": lambda: metrics["spatial"]})
    with pytest.raises(SettingsError, match="metrics must be some of"):
        CorrelationExplorer({"made up": MadeClips()}, {})
    with pytest.raises(SettingsError, match="without a way to open"):
        explorer.load_own_clips(Path("a.mp4"), Path("b.mp4"))


def test_clips_without_face_units_are_not_offered_sound_and_expression(metrics):
    explorer = made_explorer(metrics, MadeClips(expression=False))
    assert explorer.metrics() == PLACE_METRICS
    with pytest.raises(SettingsError, match="does not suit these clips"):
        explorer.choose(metric="audio_visual")


def test_own_clips_become_a_source_and_are_chosen(metrics):
    opened = []

    def open_clips(first, second):
        opened.append((first, second))
        return MadeClips(("happy", "sad"))

    explorer = made_explorer(metrics, open_own_clips=open_clips)
    chosen = explorer.load_own_clips(Path("a.mp4"), Path("b.mp4"))
    assert opened == [(Path("a.mp4"), Path("b.mp4"))]
    assert (chosen.source, chosen.first_emotion) == ("own clips", "happy")
    assert tuple(explorer.sources) == ("made up", "own clips")


def test_a_pair_is_read_once_while_it_is_looked_at(metrics):
    source = MadeClips()
    explorer = made_explorer(metrics, source)
    pair = explorer.view().pair
    for frame in range(5):
        explorer.choose(frame=frame, metric=PLACE_METRICS[frame % 4])
        assert explorer.view().pair is pair
    assert source.pairs_read == 1


def test_the_text_says_what_the_maps_hold(explorer):
    view = explorer.view()
    place = (view.selection.row, view.selection.column)
    rank = int((view.matched > view.matched[place]).sum()) + 1
    assert f"similarity {view.matched[place]:.2f}, rank {rank} of" in view.text
    assert (
        f"frame {view.matched_frame} (viseme {view.pair.second.visemes[view.matched_frame]})"
        in (view.text)
    )
