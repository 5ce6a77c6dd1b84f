"""Figures as files: PDF for print, PNG for screens, CSV for whoever doubts the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from spfem.artifacts import writing

PNG_DPI = 120
PDF_DPI = 100  # of pictures in it; lines and letters are drawn
PALETTE_COLOURS = 256
PALETTE_ERROR = 8  # of 255; a palette that changes more than few pixels by more can be seen
LARGE_PIXELS = 460_000  # beyond it, a picture gets a palette all the same, dithered


def _compact(picture: Image.Image) -> Image.Image:
    """The picture with a palette, which halves the file, if that cannot be seen (plots).

    Large pictures (sheets of faces) get one all the same, dithered; maps with a colour scale are
    smaller and stay exact.
    """
    small = picture.quantize(PALETTE_COLOURS, dither=Image.Dither.NONE)
    change = np.abs(np.asarray(picture, int) - np.asarray(small.convert("RGB"), int))
    if (change.max(axis=2) > PALETTE_ERROR).mean() <= 1e-3:
        return small
    if picture.width * picture.height < LARGE_PIXELS:
        return picture
    # Only a conversion to a given palette is dithered.
    return picture.quantize(palette=small, dither=Image.Dither.FLOYDSTEINBERG)


def save_figure(
    figure: Figure, folder: Path, name: str, data: pd.DataFrame | None = None
) -> list[Path]:
    """Write `<name>.pdf`, `<name>.png` and, with `data`, `<name>.csv`, each whole or not at all.

    The same figure gives the same bytes: the PDF holds no date, fonts are embedded as type 42.

    Args:
        figure: any matplotlib figure.
        folder: made if missing.
        name: of the files, without suffix; may hold folders.
        data: the numbers that are drawn.

    Returns:
        The paths written.
    """
    paths = [folder / f"{name}.pdf", folder / f"{name}.png"]
    with writing(paths[0]) as aside:
        figure.savefig(aside, metadata={"CreationDate": None}, dpi=PDF_DPI)
    with writing(paths[1]) as aside:
        figure.savefig(aside, dpi=PNG_DPI)
        with Image.open(aside) as picture:
            small = _compact(picture.convert("RGB"))
        small.save(aside, optimize=True)
    if data is not None:
        paths.append(folder / f"{name}.csv")
        with writing(paths[2]) as aside:
            data.to_csv(aside, index=False, lineterminator="\n")
    return paths
