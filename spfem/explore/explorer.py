"""Which clips are looked at with which metrics, and what is known of them: packets, one view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.images import CoherenceMetric
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.errors import SettingsError
from spfem.explore.clips import ClipSource, ExploredClip, ExploredPair, own_clips
from spfem.explore.moments import moment_distances
from spfem.explore.packets import Packet, clip_packet, pair_packet, places_packet
from spfem.files import project_folder
from spfem.settings import EMOTIONS, FaceSettings, PairingSettings

METRIC_TITLES: dict[str, str] = {
    "raw": "raw features",
    "spatial_before": "ASCCL before learning",
    "spatial": "ASCCL",
    "spatial_speech": "ASCCL with speech negatives (ours)",
    "temporal_vd": "STCCL, visual disparity",
    "temporal_cm": "STCCL, correlation matrices",
    "audio_visual": "SCMCL, sound and expression",
}
"""Metrics in the order in which they are offered, with the names that readers see."""

MetricLoader = Callable[[], CoherenceMetric]

RAW, WITHOUT_PLACES = "raw", "audio_visual"
OWN_CLIPS = "own clips"
KEPT_PAIRS = 8


class Choice(NamedTuple):
    """Two clips: a source, who speaks, what is said, and the emotion of either."""

    source: str
    actor: str
    sentence: str
    first: str
    second: str


class CorrelationExplorer:
    """Pairs of clips and the metrics that compare them; `choice` is what is looked at.

    Args:
        sources: of clips, by name.
        metrics: functions that load a metric in evaluation mode, by keys of `METRIC_TITLES`.
        open_own_clips: makes a source of two video files; without it there are no own clips.

    Raises:
        SettingsError: if there is no source or metric, or a metric has another name.
    """

    def __init__(
        self,
        sources: Mapping[str, ClipSource],
        metrics: Mapping[str, MetricLoader],
        *,
        open_own_clips: Callable[[Path, Path], ClipSource] | None = None,
    ) -> None:
        if not sources or not metrics or set(metrics) - set(METRIC_TITLES):
            raise SettingsError(
                f"an explorer needs clips, and metrics by names of {', '.join(METRIC_TITLES)}; "
                f"found {len(sources)} sources and {', '.join(metrics) or 'no metric'}"
            )
        self.sources, self._loaders, self._open = dict(sources), dict(metrics), open_own_clips
        self._loaded: dict[MetricLoader, CoherenceMetric] = {}  # raw and learned share a network
        self._pairs: dict[Choice, ExploredPair] = {}
        self.choice = Choice(next(iter(self.sources)), "", "", "", "")
        self.choose()

    def options(self, choice: Choice) -> dict[str, list[str]]:
        """What each field of a choice may be, given those before it."""
        spoken = self.sources[choice.source].spoken if choice.source in self.sources else {}
        emotions = list(spoken.get((choice.actor, choice.sentence), ()))
        return {
            "source": list(self.sources),
            "actor": list(dict.fromkeys(actor for actor, _ in spoken)),
            "sentence": [said for actor, said in spoken if actor == choice.actor],
            "first": emotions,
            "second": emotions,
        }

    def choose(self, **changes: str) -> Choice:
        """Change fields of the choice; those that then are not there give way to others.

        What is asked for and does not exist is a `SettingsError`.
        """
        wanted = self.choice._replace(**changes)
        for name, usual in zip(Choice._fields, ("", "", "", EMOTIONS[0], "happy"), strict=True):
            offered, value = self.options(wanted)[name], getattr(wanted, name)
            if value not in offered and name in changes:
                raise SettingsError(
                    f"{name} {value!r} is not there; choose one of {', '.join(offered)}"
                )
            moved = name == "second" and wanted.first != self.choice.first and name not in changes
            if value not in offered or (moved and value == wanted.first):
                others = [each for each in offered if each != wanted.first] or offered
                wanted = wanted._replace(**{name: usual if usual in others else others[0]})
        self.choice = wanted
        return wanted

    def load_own_clips(self, first: Path, second: Path) -> Choice:
        """Add two own video files as a source of clips, in place of older ones, and choose them.

        Errors as in `own_clips`, and a `SettingsError` if this explorer cannot open files.
        """
        if self._open is None:
            raise SettingsError("this explorer was made without a way to open own clips")
        self.sources[OWN_CLIPS] = self._open(first, second)
        self._pairs.clear()
        return self.choose(source=OWN_CLIPS)

    @property
    def pair(self) -> ExploredPair:
        """The chosen clips."""
        return self._pair(self.choice)

    def metrics(self) -> tuple[str, ...]:
        """Metrics that the chosen clips allow, in the order of `METRIC_TITLES`."""
        blind = any(clip.expression is None for clip in (self.pair.first, self.pair.second))
        offered = set(self._loaders) - ({WITHOUT_PLACES} if blind else set())
        return tuple(name for name in METRIC_TITLES if name in offered)

    def packet(self, ask: Sequence[Any]) -> Packet:
        """What a browser asks for.

        That is `("pair", *choice)`, `("distances", *choice)`, or, of one clip by source, actor,
        sentence and emotion, `("clip", *clip)` or `("places", *clip, metric, level)`. What is not
        there is a `SettingsError`, a clip that does not suit the metric a `ShapeError`.
        """
        kind, *names = ask
        if kind == "pair":
            titles = {name: METRIC_TITLES[name] for name in self.metrics()}
            return pair_packet(self._pair(Choice(*names)), titles)
        if kind == "distances":
            pair, metric = self._pair(Choice(*names)), self._metric(WITHOUT_PLACES)
            found = moment_distances(metric, pair.first, pair.second, pair.path)  # type: ignore[arg-type]
            return Packet({}, dict(zip(("sound", "moments"), found, strict=True)))
        clip = self._clip(*names[:4])
        if kind == "clip":
            return clip_packet(clip)
        model, raw = self._metric(names[4]), names[4] == RAW
        return places_packet(model, clip, names[5], raw=raw)  # type: ignore[arg-type]

    def _pair(self, choice: Choice) -> ExploredPair:
        if choice not in self._pairs:
            while len(self._pairs) >= KEPT_PAIRS:
                self._pairs.pop(next(iter(self._pairs)))
            self._pairs[choice] = self.sources[choice.source].read_pair(*choice[1:])
        return self._pairs[choice]

    def _clip(self, source: str, actor: str, sentence: str, emotion: str) -> ExploredClip:
        for key, pair in self._pairs.items():
            if key[:3] == (source, actor, sentence) and emotion in key[3:]:
                return pair.first if key.first == emotion else pair.second
        return self._pair(Choice(source, actor, sentence, emotion, emotion)).first

    def _metric(self, name: str) -> CoherenceMetric:
        if name not in self._loaders:
            raise SettingsError(f"metric {name!r} is not made; there is {', '.join(self._loaders)}")
        loader = self._loaders[name]
        if loader not in self._loaded:
            self._loaded[loader] = loader()
        return self._loaded[loader]


OWN_FOLDER = "own"  # of tracks, which edits of own clips use as well


def shipped_loaders() -> dict[str, MetricLoader]:
    """Loaders of the metrics that come with the package, by keys of `METRIC_TITLES`; no run."""
    return {
        "raw": SpatialCoherence.pretrained,
        "spatial": SpatialCoherence.pretrained,
        "spatial_speech": partial(SpatialCoherence.pretrained, "speech"),
        "audio_visual": CrossModalCoherence.pretrained,
    }


def explore_clips(
    first: Path | str, second: Path | str, *, keep: Path | None = None
) -> CorrelationExplorer:
    """Explore two own clips with the metrics that come with the package; needs no run.

    Both have sound and show one person who says the same; errors as in `own_clips`. Tracks are
    kept in the folder `keep`; None for that of edits.
    """
    folder = keep or project_folder() / "data" / "cache" / OWN_FOLDER
    face_size, settings = FaceSettings().face_size, PairingSettings()

    def open_own(one: Path, other: Path) -> ClipSource:
        return own_clips(one, other, folder, face_size, settings)

    source = open_own(Path(first), Path(second))
    return CorrelationExplorer({OWN_CLIPS: source}, shipped_loaders(), open_own_clips=open_own)
