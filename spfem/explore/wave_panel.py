"""The lower row of the explorer's picture: both recordings and how they were aligned."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from spfem.explore.clips import ExploredClip
from spfem.explore.layout import WAVES_BOX, Region, add_axes, cut, move_line
from spfem.explore.moment_panels import MATCHED, MISMATCHED
from spfem.explore.view import View
from spfem.figures.style import LOOKS

COLUMNS = 400  # of the drawn loudness
MOST_LINKS = 60  # drawn between the recordings
MIDDLES = (3.0, 0.0)  # heights at which the recordings lie; each reaches 1 up and down


class WavePanel:
    """Both loudness envelopes, links between moments that say the same, and three cursors.

    Attributes:
        ax: axes whose x is seconds of either clip.
        regions: what changes with the view.
    """

    def __init__(self, figure: Figure) -> None:
        self.ax = add_axes(figure, WAVES_BOX)
        self.ax.set(ylim=(-1.15, 4.15), yticks=MIDDLES)
        self.ax.spines["left"].set_visible(False)
        self.ax.tick_params(axis="y", length=0)
        self.ax.set_xlabel("seconds; thin lines join moments that say the same", labelpad=1)
        self._links = LineCollection([], colors="#999999", linewidths=0.6)
        self.ax.add_collection(self._links)
        self._waves = [
            PolyCollection([], facecolors=look.colour, linewidths=0) for look in LOOKS[:2]
        ]
        for wave in self._waves:
            self.ax.add_collection(wave)
        self._cursor = self._line("black", "-")
        self._matched = self._line(MATCHED[1], "-")
        self._mismatched = self._line(MISMATCHED[1], "--")
        self.regions = [Region(WAVES_BOX, (self._mismatched, self._matched, self._cursor))]

    def _line(self, colour: str, style: str) -> Any:
        (line,) = self.ax.plot([], [], color=colour, linestyle=style, linewidth=2.0)
        return line

    def lay_out(self, view: View) -> None:
        """Draw the recordings of a pair."""
        clips = (view.pair.first, view.pair.second)
        self.ax.set_yticklabels([cut(clip.emotion, 8) for clip in clips])
        self.ax.set_xlim(0, max(len(clip.faces) / clip.fps for clip in clips))
        for wave, clip, middle in zip(self._waves, clips, MIDDLES, strict=True):
            wave.set_verts([outline(clip, middle)])
        chosen = view.pair.path[:: -(-len(view.pair.path) // MOST_LINKS)]
        seconds = [(chosen[:, n] + 0.5) / clip.fps for n, clip in enumerate(clips)]
        high, low = MIDDLES[0] - 1.0, MIDDLES[1] + 1.0
        self._links.set_segments([((a, high), (b, low)) for a, b in zip(*seconds, strict=True)])

    def show(self, view: View) -> None:
        """Bring the cursors up to a view."""
        first, second = view.pair.first, view.pair.second
        here = (view.selection.frame + 0.5) / first.fps
        same, other = (
            (frame + 0.5) / second.fps for frame in (view.matched_frame, view.mismatched_frame)
        )
        high, low = MIDDLES[0] - 1.0, MIDDLES[1] + 1.0
        move_line(self._cursor, [here, here], [high, MIDDLES[0] + 1.1])
        move_line(self._matched, [here, same, same], [high, low, MIDDLES[1] - 1.1])
        move_line(self._mismatched, [here, other, other], [high, low, MIDDLES[1] - 1.1])


def outline(clip: ExploredClip, middle: float) -> np.ndarray:
    """Corners (2 N, 2) of the loudness of a clip, seconds and height, its loudest moment at 1."""
    count = min(COLUMNS, max(1, len(clip.waveform)))
    blocks = np.array_split(clip.waveform, count)
    ends = np.array([(b.min(), b.max()) if len(b) else (0.0, 0.0) for b in blocks])
    ends = ends / max(float(np.abs(ends).max()), 1e-6) + middle
    seconds = (np.arange(count) + 0.5) * len(clip.waveform) / count / clip.sample_rate
    there, back = np.stack([seconds, ends[:, 1]], 1), np.stack([seconds, ends[:, 0]], 1)
    return np.concatenate([there, back[::-1]])
