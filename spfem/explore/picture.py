"""The explorer's picture: artists made once and brought up to each view in place."""

from __future__ import annotations

from matplotlib.figure import Figure

from spfem.explore.face_panels import FacePanels
from spfem.explore.layout import DPI, HEIGHT, WIDTH, Region
from spfem.explore.moment_panels import MomentPanels
from spfem.explore.view import View
from spfem.explore.wave_panel import WavePanel
from spfem.figures.style import apply_style


class ExplorerPicture:
    """Faces and maps, moments, and sounds of one view.

    Args:
        view: shown first.
        figure: empty, of any backend; default one that no plotting state holds on to.

    Attributes:
        figure: what is drawn on.
        faces: panels of the upper row.
        moments: panels of the middle row.
        waves: the lower row.
        view: shown last.
    """

    def __init__(self, view: View, figure: Figure | None = None) -> None:
        apply_style()
        self.figure = Figure() if figure is None else figure
        self.figure.set_size_inches(WIDTH, HEIGHT)
        self.figure.set_dpi(DPI)
        self.faces, self.moments = FacePanels(self.figure), MomentPanels(self.figure)
        self.waves = WavePanel(self.figure)
        self._parts = (self.faces, self.moments, self.waves)
        self.view: View | None = None
        self.show(view)

    @property
    def regions(self) -> list[Region]:
        """The parts that differ between views of one pair."""
        return [region for part in self._parts for region in part.regions]

    def show(self, view: View) -> bool:
        """Bring the artists up to a view; nothing is drawn yet.

        Returns:
            Whether more than `regions` has changed, so that all must be drawn anew.
        """
        laid_out = self.view is not None and (
            self.view.pair is view.pair and self.view.has_places == view.has_places
        )
        if not laid_out:
            for part in self._parts:
                part.lay_out(view)
        for part in self._parts:
            part.show(view)
        self.view = view
        return not laid_out
