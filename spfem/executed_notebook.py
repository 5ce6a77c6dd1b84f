"""Executed notebooks: run in our own Python; as records to read, with pages for widgets."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from spfem.artifacts import writing

if TYPE_CHECKING:
    from nbformat import NotebookNode

WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
KERNEL = "python3"  # as notebooks name it
LIVE_NOTE = "Controls to turn: open this notebook in JupyterLab and run it."


@contextmanager
def own_kernel() -> Iterator[str]:
    """Give the name of a Jupyter kernel that is the Python which runs this code, and no other.

    Machines may have a kernel of the usual name that starts another Python. Within the block ours
    is found before it.
    """
    with TemporaryDirectory(prefix="spfem-kernel-") as folder:
        words = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        kernel = {"argv": words, "display_name": "Python 3", "language": "python"}
        path = Path(folder) / "kernels" / KERNEL / "kernel.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(kernel), encoding="utf-8")
        before = os.environ.get("JUPYTER_PATH")
        os.environ["JUPYTER_PATH"] = folder if not before else folder + os.pathsep + before
        try:
            yield KERNEL
        finally:
            if before is None:
                del os.environ["JUPYTER_PATH"]
            else:
                os.environ["JUPYTER_PATH"] = before


def freeze_notebook(path: Path) -> None:
    """Replace the widgets of an executed notebook, in its file, by what can be seen of them.

    A code-hosting site and a page show no widget: it is the page or picture that it brings with it
    (`text/html` or `image/png` beside it), else a note; finished progress bars go. Their state
    goes as well.
    """
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    freeze_widgets(notebook)
    with writing(path) as aside:
        nbformat.write(notebook, aside)


def freeze_widgets(notebook: NotebookNode) -> None:
    """The same for a notebook in memory, changed in place."""
    state = notebook.metadata.pop("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs if (kept := _frozen(output, state))]


def _frozen(output: Any, state: dict[str, Any]) -> Any:
    data = output.get("data", {})
    if WIDGET not in data:
        return output
    model = data.pop(WIDGET).get("model_id", "")
    if not any(kind == "text/html" or kind.startswith("image/") for kind in data):
        if _is_progress(state, model):
            return None
        data.clear()
    data["text/plain"] = LIVE_NOTE
    return output


def _is_progress(state: dict[str, Any], model: str) -> bool:
    """Whether a widget is a bar, or a box of tqdm with a bar among its children."""
    widget = state.get(model, {})
    children = json.dumps(widget.get("state", {}).get("children", []))
    shown = [widget, *(row for name, row in state.items() if f"IPY_MODEL_{name}" in children)]
    return any("Progress" in row.get("model_name", "") for row in shown)
