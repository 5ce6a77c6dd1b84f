"""What all figures share: one look, files with the data beside, and a notebook's last table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from spfem.files import writing
from spfem.methods import METHODS

WIDTH = 7.2  # inches
SIMILARITY_COLOURS = "viridis"  # even in lightness, and coloured where the face is grey
WEIGHT_COLOURS = "magma"
MATRIX_COLOURS = "cividis"  # even in lightness, also for colour-blind readers
MARK_COLOUR = "#ffffff"

STYLE: dict[Any, Any] = {
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "image.interpolation": "nearest",
    "hatch.linewidth": 0.6,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
}
PNG_DPI = 120
PDF_DPI = 100  # of pictures in it; lines and letters are drawn
PALETTE_COLOURS = 256
PALETTE_ERROR = 8  # of 255; a palette that changes more than few pixels by more can be seen
LARGE_PIXELS = 460_000  # beyond it, a picture gets a palette all the same, dithered

METRIC_LABELS: Mapping[str, str] = {
    "fad": "FAD ↓",
    "lse_d": "LSE-D ↓",
    "lse_c": "LSE-C ↑",
    "lse_offset": "lip offset ↓\nframes",
    "csim": "CSIM ↑",
    "identity_distance": "identity distance ↓",
    "mouth_error": "mouth error ↓\n% of eye distance",
    "mesh_mouth_error": "mouth error on the mesh ↓\n% of eye distance",
    "mouth_correlation": "mouth correlation ↑",
    "expression_error": "expression error ↓",
    "expression_gain": "way to the true expression ↑",
    "emotion_leakage": "emotion of the source left ↓",
    "detail_kept": "detail kept ↑",
    "picture_error": "picture error ↓\ngrey levels",
    "emotion_accuracy": "emotion accuracy ↑",
    "image_entropy": "image entropy ↑\nbits",
    "face_found": "frames with a face ↑",
}


class Look(NamedTuple):
    """How a series is told apart by colour, and in grey by marker, line and hatch."""

    colour: str
    marker: str
    line: Any  # a name or an (offset, dashes) of matplotlib
    hatch: str


LOOKS: tuple[Look, ...] = (
    Look("#0072b2", "o", "-", ""),
    Look("#e69f00", "s", "--", "///"),
    Look("#009e73", "^", "-.", "..."),
    Look("#cc79a7", "D", ":", "xx"),
    Look("#56b4e9", "v", (0, (5, 1)), "\\\\"),
    Look("#000000", "P", (0, (1, 1)), "++"),
)
"""Looks of unnamed series, in the order of use (colours of Okabe and Ito)."""

METHOD_LOOKS: Mapping[str, Look] = {
    "copy": Look("#c8c8c8", "x", (0, (1, 3)), "xx"),
    "random": Look("#54307a", "h", (0, (3, 1, 1, 1, 1, 1)), "**"),
    "habit": Look("#7a2403", "<", (0, (8, 2)), "||"),
    "ned_published": Look("#b4a848", "d", (0, (4, 1, 1, 1, 1, 1)), "+"),
    "ned": Look("#e69f00", "s", "--", "///"),
    "ned+asccl": Look("#006aa8", "o", "-", ""),
    "ned+stccl_vd": Look("#009e73", "^", "-.", "..."),
    "ned+stccl_cm": Look("#6cc0f0", "v", (0, (5, 1)), "\\\\"),
    "ned+scmcl": Look("#cc79a7", "P", ":", "++"),
    "ned+scmcl_pictures": Look("#809bf8", "H", (0, (1, 2)), "x"),
    "ned+all": Look("#cc5500", "*", (0, (3, 1, 1, 1)), "oo"),
    "ned+untrained": Look("#a8f76c", ">", (0, (5, 3, 1, 3)), "OO"),
    "ned+identity": Look("#a212f1", "p", (0, (2, 2)), "/"),
    "ned+asccl_released": Look("#7a3b61", "X", (0, (8, 1, 1, 1)), "\\"),
    "truth": Look("#222222", "D", (0, (1, 1)), "--"),
}
"""Looks of methods in every figure: colours near Okabe's and Ito's, moved apart in lightness."""


def title_of(name: str) -> str:
    """How figures write the name of a method, or words that are joined by underscores."""
    return METHODS[name].title if name in METHODS else name.replace("_", " ")


def look_of(name: str, position: int) -> Look:
    """Fixed look of a method, else the look of a position."""
    return METHOD_LOOKS.get(name, LOOKS[position % len(LOOKS)])


def apply_style() -> None:
    """Make the style that of all figures made from here on."""
    mpl.rcParams.update(STYLE)


def new_figure(
    rows: int = 1, columns: int = 1, *, height: float = 2.6, width: float = WIDTH, **options: Any
) -> tuple[Figure, np.ndarray]:
    """Make a styled figure that no plotting state holds on to, and its axes (rows, columns).

    Height and width are inches of the whole; options are those of `Figure.subplots`.
    """
    apply_style()
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, np.asarray(figure.subplots(rows, columns, squeeze=False, **options))


def without_frame(ax: Axes) -> Axes:
    """Drop ticks and spines, for axes that hold a picture."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def legend_above(ax: Axes, columns: int) -> None:
    """Put the legend over the axes, where it hides no data."""
    spaces = {"borderaxespad": 0.2, "columnspacing": 1.2, "handlelength": 2.2}
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=columns, **spaces)


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

    The same figure gives the same bytes: the PDF holds no date, fonts are embedded as type 42. The
    name, without suffix, may hold folders; `data` are the numbers that are drawn.
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


@dataclass(frozen=True)
class Check:
    """One claim about what a notebook has just made, what was found, and whether it holds."""

    claim: str
    found: str
    holds: bool


def list_checks(*checks: Check) -> pd.DataFrame:
    """Table `claim, found, holds` of checks in the order given; what fails is shown like the rest.

    Example:
        >>> list_checks(Check("scores lie in [-1, 1]", "0.31 to 0.97", True)).holds.tolist()
        ['yes']
    """
    rows = [(check.claim, check.found, "yes" if check.holds else "NO") for check in checks]
    return pd.DataFrame(rows, columns=["claim", "found", "holds"])
