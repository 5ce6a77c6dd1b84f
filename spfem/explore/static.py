"""The explorer's view as a picture for print and for readers without a running kernel."""

from __future__ import annotations

from matplotlib.figure import Figure

from spfem.explore.picture import ExplorerPicture
from spfem.explore.view import View


def draw_static(view: View) -> Figure:
    """Draw a view as the widget shows it, without the words that ask for a click.

    Returns:
        A figure that no plotting state holds on to.
    """
    picture = ExplorerPicture(view)
    title = picture.faces.axes["chosen"].title
    title.set_text(title.get_text().replace("click a place", "chosen place"))
    return picture.figure
