"""The explorer on the clips and metrics of a run, and one view of it for print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from spfem.corpus.clips import Clip, Corpus
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.learn import frame_pairs_of_role, untrained_metric
from spfem.errors import SettingsError
from spfem.explore.clips import (
    ClipSource,
    ExploredClip,
    ExploredPair,
    align_clips,
    doubt_alignment,
    own_clips,
)
from spfem.explore.explorer import METRIC_TITLES, OWN_FOLDER, CorrelationExplorer, MetricLoader
from spfem.face.track import FaceTrack
from spfem.media.audio import read_audio
from spfem.pairing.pairs import PairIndex
from spfem.run import stages
from spfem.run.artifacts import RECORD_NAME
from spfem.run.workspace import Workspace
from spfem.settings import EMOTIONS, PairingSettings

SHOWN_ROLES = ("held_out", "target")  # actors whom no metric has learned from
KEPT_CLIPS = 24


def corpus_clips(
    corpus: Corpus, faces: Mapping[str, FaceTrack], pairs: PairIndex, settings: PairingSettings
) -> ClipSource:
    """Sentences of a corpus that an actor says in at least two emotions.

    Shown are the actors whom no metric has learned from, held-out ones before targets; all, where
    there are no others. Of several clips of one sentence in one emotion the strongest counts.
    Clips without a path among `pairs` are aligned by their sound when they are chosen; `faces` are
    tracks by clip key.
    """
    paths = {(pair.source, pair.target): pair for pair in pairs.pairs}
    everything: dict[tuple[str, str], dict[str, Clip]] = {}
    for clip in corpus.clips:  # sorted by level within an emotion
        everything.setdefault((clip.actor, clip.sentence), {})[clip.emotion] = clip
    told = {key: clips for key, clips in sorted(everything.items()) if len(clips) > 1}
    unseen = [key for role in SHOWN_ROLES for key in told if corpus.roles[key[0]] == role]

    @lru_cache(KEPT_CLIPS)
    def read(clip: Clip) -> ExploredClip:
        return _read_clip(clip, corpus, faces[clip.key], settings.sample_rate)

    def read_pair(actor: str, sentence: str, first: str, second: str) -> ExploredPair:
        clips = [told[actor, sentence][emotion] for emotion in (first, second)]
        shown = [read(clip) for clip in clips]
        keys = (clips[0].key, clips[1].key)
        known = paths.get(keys) or paths.get(keys[::-1])
        if known is None:
            return align_clips(shown[0], shown[1], settings)
        path = known.path if known.source == keys[0] else known.path[:, ::-1]
        remark = doubt_alignment(known.normalised_cost, settings)
        return ExploredPair(shown[0], shown[1], np.asarray(path), remark)

    spoken = {key: tuple(e for e in EMOTIONS if e in told[key]) for key in unseen or told}
    return ClipSource(spoken, read_pair)


def _read_clip(clip: Clip, corpus: Corpus, track: FaceTrack, sample_rate: int) -> ExploredClip:
    visemes = None
    if corpus.has_truth:
        with np.load(clip.truth) as truth:
            visemes = tuple(str(name) for name in truth["viseme_names"][truth["viseme"]])
    return ExploredClip(
        title=f"{clip.actor}, {clip.sentence}, {clip.emotion}",
        emotion=clip.emotion,
        faces=track.faces,
        waveform=read_audio(clip.audio, sample_rate),
        sample_rate=sample_rate,
        fps=float(corpus.fps),
        visemes=visemes,
        expression=track.expression,
    )


def metric_loaders(workspace: Workspace) -> dict[str, MetricLoader]:
    """Loaders of metrics in evaluation mode, by keys of `METRIC_TITLES`.

    The spatial metric is learned where it is missing, when it is first loaded; others are left out
    then. `raw` is the spatial metric as well, for its network's features; `spatial_before` is as
    its learning starts.
    """
    spatial = partial(stages.load_spatial_metric, workspace)
    loaders: dict[str, MetricLoader] = {
        "raw": spatial,
        "spatial_before": partial(_load_untrained, workspace),
        "spatial": spatial,
    }
    learned: dict[str, tuple[tuple[str, ...], MetricLoader]] = {
        "spatial_speech": (("spatial_speech",), partial(spatial, speech=True)),
        "audio_visual": (
            ("cross_modal", "expression", "joint"),
            partial(stages.load_cross_modal_metric, workspace, "expression"),
        ),
    }
    for name in ("temporal_vd", "temporal_cm"):
        learned[name] = ((name,), partial(stages.load_temporal_metric, workspace, name))
    for name, (folders, load) in learned.items():
        folder = workspace.stage_folder(*folders, "seed0")
        if any(folder.glob("*.safetensors")) and (folder / RECORD_NAME).exists():
            loaders[name] = load
    return loaders


def _load_untrained(workspace: Workspace) -> SpatialCoherence:
    """With statistics of the frames that the metric learns from."""
    roles = stages.make_corpus(workspace).roles
    frames = frame_pairs_of_role(
        stages.make_faces(workspace), stages.make_pairs(workspace), roles, "train"
    )
    settings = workspace.scale.spatial
    return untrained_metric(frames, settings, seed=0, device=workspace.device).supervise()


def explore_corpus(
    workspace: Workspace, *, own_first: Path | str = "", own_second: Path | str = ""
) -> CorrelationExplorer:
    """Explore the clips of a workspace's corpus, and two own clips beside them.

    Corpus, faces, pairs and the spatial metric are made where they are missing; other metrics are
    offered where they are learned. Own clips have sound and say the same words; errors as in
    `own_clips`, and a `SettingsError` if only one is given.
    """
    if bool(own_first) != bool(own_second):
        raise SettingsError(
            "own_first and own_second belong together: give two clips of the same words, or none"
        )
    scale, keep = workspace.scale, workspace.stage_folder(OWN_FOLDER)
    corpus, faces = stages.make_corpus(workspace), stages.make_faces(workspace)
    source = corpus_clips(corpus, faces, stages.make_pairs(workspace), scale.pairing)

    def open_own(first: Path, second: Path) -> ClipSource:
        return own_clips(first, second, keep, scale.face.face_size, scale.pairing)

    explorer = CorrelationExplorer(
        {workspace.corpus: source}, metric_loaders(workspace), open_own_clips=open_own
    )
    if own_first:
        explorer.load_own_clips(Path(own_first), Path(own_second))
    return explorer


MOUTH = (0.72, 0.5)  # of the height and width of an aligned face


@dataclass(frozen=True)
class View:
    """A place of a frame, and every place that it is compared with.

    Attributes:
        pair: clips of T and U frames.
        title: names metric and level.
        place: (row, column) on the level's map.
        frames: of the first clip; of the second that says the same, and one that does not.
        maps: (H, W) similarity to the places of each of them; the border is NaN.
        moments: (T, U), the place at every frame against itself at every frame.
    """

    pair: ExploredPair
    title: str
    place: tuple[int, int]
    frames: tuple[int, int, int]
    maps: tuple[np.ndarray, ...]
    moments: np.ndarray

    def draw(self) -> Figure:
        """Faces, maps and the place over time, for print and for readers without a browser."""
        from spfem.picture_plots import draw_place_view  # needs seaborn, which takes a second

        clips = (self.pair.first, self.pair.second)
        faces = [clips[n > 0].faces[frame] for n, frame in enumerate(self.frames)]
        return draw_place_view(
            faces, self.maps, self.place, self.moments, self.frames, self.pair.path,
            (clips[0].emotion, clips[1].emotion), self.title,
        )  # fmt: skip


def view_place(
    explorer: CorrelationExplorer,
    metric: str = "spatial",
    level: int = 1,
    at: tuple[float, float] = MOUTH,
    frame: int | None = None,
) -> View:
    """Compare the place at shares (down, right) of the face at a frame; default in the middle."""
    choice = explorer.choice
    sides = [
        explorer.packet(("places", *choice[:3], emotion, metric, level)) for emotion in choice[3:]
    ]
    shape, level = sides[0].header["shape"], sides[0].header["level"]
    row, column = (min(max(int(a * n), 1), n - 2) for a, n in zip(at, shape, strict=True))
    first, second = (side.arrays["codes"] * side.header["scale"] for side in sides)
    number = (row - 1) * (shape[1] - 2) + column - 1
    frame = len(first) // 2 if frame is None else frame
    moments = explorer.packet(("pair", *choice)).arrays
    frames = (frame, int(moments["matched"][frame]), int(moments["other"][frame]))
    similar = [
        places[at] @ first[frame, number]
        for places, at in zip((first, second, second), frames, strict=True)
    ]
    inner = (shape[0] - 2, shape[1] - 2)
    maps = tuple(np.pad(row.reshape(inner), 1, constant_values=np.nan) for row in similar)
    over_time = first[:, number] @ second[:, number].T
    title = f"{METRIC_TITLES[metric]}, level {level}"
    return View(explorer.pair, title, (row, column), frames, maps, over_time)
