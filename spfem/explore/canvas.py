"""The explorer's picture in a notebook: one ipympl canvas that redraws only what moves."""

from __future__ import annotations

from base64 import b64encode

import cv2
import numpy as np
from ipympl.backend_nbagg import Canvas, FigureManager
from matplotlib.backend_bases import DrawEvent, RendererBase
from matplotlib.transforms import Bbox, TransformedBbox

from spfem.explore.layout import Region, fractions
from spfem.explore.picture import ExplorerPicture
from spfem.explore.view import View

PNG_SPEED = 1  # least compression: the browser is mostly on the same machine
POINTER_MILLISECONDS = 200  # moves of the pointer mean nothing here; few are sent


class ExplorerCanvas(Canvas):
    """Canvas of an `ExplorerPicture`, independent of pyplot and of the notebook's backend.

    A new view is drawn and sent at once, inside the message that asked for it: a browser holds
    back the further values of a slider until that message is answered, and sends the last one
    only, so that nothing queues up while the user drags.
    """

    _png_is_old: bool  # of matplotlib's WebAgg canvas, whose protocol this keeps
    _force_full: bool
    _last_buff: np.ndarray

    def __init__(self, picture: ExplorerPicture) -> None:
        super().__init__(picture.figure)
        self.picture = picture
        manager = FigureManager(self, 0)
        self.mpl_disconnect(manager.key_press_handler_id)  # keys that change scales or save
        self.toolbar_visible = self.header_visible = self.footer_visible = False
        self.resizable = False
        self.pan_zoom_throttle = POINTER_MILLISECONDS
        self._grounds: list[tuple[Region, object]] = []
        self._ground_pixels = (0, 0)
        self.mpl_connect("draw_event", self._on_draw)
        self.syncing_data_url = False  # else each change would be stored in the notebook too
        self._draw_all()
        png = b64encode(self._png(np.asarray(self.buffer_rgba()))).decode("ascii")
        self._data_url = f"data:image/png;base64,{png}"  # shown where no kernel runs
        self._size = tuple(picture.figure.bbox.size)

    def show_view(self, view: View) -> None:
        """Bring the picture up to a view and send it to the browser."""
        laid_out_anew = self.picture.show(view)
        if laid_out_anew or self._ground_pixels != self._pixels_now():
            self._draw_all()
        else:
            renderer = self.get_renderer()
            for region, ground in self._grounds:
                if any(artist.stale for artist in region.artists):
                    self.restore_region(ground)
                    _draw(region, renderer)
            self.blit()

    def _draw_all(self) -> None:
        for region in self.picture.regions:
            for artist in region.artists:
                artist.set_animated(True)  # left out here, drawn by `_on_draw`
        self.draw()

    def _pixels_now(self) -> tuple[int, int]:
        width, height = self.figure.bbox.size
        return int(width), int(height)

    def _on_draw(self, event: DrawEvent) -> None:
        if not self.is_saving():  # a file has other pixels, and holds the moving parts already
            regions = self.picture.regions
            self._grounds = [(part, self.copy_from_bbox(self._bounds(part))) for part in regions]
            self._ground_pixels = self._pixels_now()
            for region in regions:
                _draw(region, event.renderer)

    def _bounds(self, region: Region) -> TransformedBbox:
        return TransformedBbox(Bbox.from_bounds(*fractions(region.box)), self.figure.transFigure)

    @staticmethod
    def _png(rgba: np.ndarray) -> bytes:
        ordered = cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA)
        return cv2.imencode(".png", ordered, [cv2.IMWRITE_PNG_COMPRESSION, PNG_SPEED])[1].tobytes()

    def get_diff_image(self) -> bytes | None:
        """PNG of the pixels that changed since the last one, as ipympl's but four times faster."""
        if not self._png_is_old:
            return None
        pixels = np.asarray(self.get_renderer().buffer_rgba())
        now = pixels.view(np.uint32).squeeze(2)
        whole = self._force_full or now.shape != self._last_buff.shape
        self.set_image_mode("full" if whole else "diff")
        sent = now if whole else np.where(now != self._last_buff, now, 0)
        self._last_buff = now.copy()
        self._force_full = self._png_is_old = False
        return self._png(sent.view(np.uint8).reshape(pixels.shape))


def _draw(region: Region, renderer: RendererBase) -> None:
    for artist in region.artists:
        artist.draw(renderer)
