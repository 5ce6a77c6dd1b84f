"""Words that change with every view, drawn by Pillow: a tenth of the time of matplotlib's text."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.font_manager import findfont
from matplotlib.text import Text
from PIL import Image, ImageDraw, ImageFont

LINE_HEIGHT = 1.2  # of the letters' height, as matplotlib sets lines
MARGIN = 2  # pixels around the words, for what hangs over
ACROSS = {"left": 0.0, "center": 0.5, "right": 1.0}


@lru_cache(maxsize=16)
def _font(path: str, pixels: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, pixels)


class QuickText(Text):
    """Upright text on a canvas of pixels; on paper (PDF) it is drawn as any other text."""

    def draw(self, renderer: RendererBase) -> None:
        """Draw the words where `Text` would, to a pixel."""
        if not isinstance(renderer, RendererAgg) or self.get_rotation():
            super().draw(renderer)
            return
        if self.get_visible() and self.get_text():
            letters, baseline = self._letters(renderer.points_to_pixels(self.get_fontsize()))
            x, y = self.get_transform().transform(self.get_unitless_position())
            height, width = letters.shape[:2]
            below = {
                "baseline": height - baseline,
                "bottom": MARGIN / 2,
                "center": height / 2,
                "top": height - MARGIN,
            }[self.get_verticalalignment()]
            left = x - MARGIN - ACROSS[self.get_horizontalalignment()] * (width - 2 * MARGIN)
            context = renderer.new_gc()
            renderer.draw_image(context, round(left), round(y - below), letters[::-1])
            context.restore()
        self.stale = False

    def _letters(self, pixels: float) -> tuple[np.ndarray, float]:
        """The words as (H, W, 4) uint8 RGBA, and the row of the last line's baseline."""
        font = _font(findfont(self.get_fontproperties()), round(pixels, 2))
        lines, step = self.get_text().split("\n"), pixels * LINE_HEIGHT
        ascent, descent = font.getmetrics()
        widths = [font.getlength(line) for line in lines]
        size = (
            int(np.ceil(max(widths))) + 2 * MARGIN,
            int(np.ceil(step * (len(lines) - 1) + ascent + descent)) + 2 * MARGIN,
        )
        mask = Image.new("L", size)
        drawing = ImageDraw.Draw(mask)
        across = ACROSS[self.get_horizontalalignment()]
        for number, (line, width) in enumerate(zip(lines, widths, strict=True)):
            left = MARGIN + across * (max(widths) - width)
            drawing.text((left, MARGIN + number * step), line, fill=255, font=font)
        letters = np.empty((size[1], size[0], 4), np.uint8)
        letters[..., :3] = np.round(255 * np.array(to_rgb(self.get_color())))
        letters[..., 3] = np.asarray(mask)
        return letters, MARGIN + step * (len(lines) - 1) + ascent


def quick_title(ax: Axes, words: str = "") -> QuickText:
    """Replace the title of axes by a quick one of the same look."""
    title = QuickText(0, 0, words)
    title.update_from(ax.title)
    title.set_position(ax.title.get_position())
    title.set_transform(ax.title.get_transform())
    title.set_figure(ax.figure)
    title.axes = ax
    ax.title = title
    return title


def quick_words(ax: Axes, x: float, y: float, ha: str, va: str) -> QuickText:
    """Empty words beside axes, in shares of their width and height."""
    words = QuickText(x, y, "", transform=ax.transAxes, ha=ha, va=va)  # type: ignore[arg-type]
    ax.add_artist(words)
    words.set_clip_on(False)
    return words
