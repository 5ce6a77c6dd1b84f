import json
import os
import sys

import nbformat
import pytest

from spfem.run.report import LIVE_NOTE, WIDGET, WIDGET_STATE, freeze_notebook, own_kernel

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def _output(**data):
    return nbformat.v4.new_output("display_data", data)


def _view(model):
    return {WIDGET: {"model_id": model, "version_major": 2, "version_minor": 0}}


@pytest.fixture
def notebook(tmp_path):
    book = nbformat.v4.new_notebook()
    book.metadata["widgets"] = {
        WIDGET_STATE: {
            "state": {
                "dial": {"model_name": "VBoxModel", "state": {"children": []}},
                "box": {"model_name": "HBoxModel", "state": {"children": ["IPY_MODEL_bar"]}},
                "bar": {"model_name": "FloatProgressModel", "state": {}},
                "plot": {"model_name": "AnyModel", "state": {}},
            },
        },
    }
    book.cells = [
        nbformat.v4.new_markdown_cell("# Title"),
        nbformat.v4.new_code_cell(
            "x",
            outputs=[
                _output(**{"text/plain": "0%|  |"}, **_view("box")),
                _output(**{"text/plain": "0%|  |"}, **_view("bar")),
                _output(**{"text/plain": "VBox(...)"}, **_view("dial")),
                _output(**{"text/html": "<iframe>", "text/plain": "View"}, **_view("plot")),
                _output(**{"image/png": PIXEL, "text/plain": "Canvas"}, **_view("plot")),
                _output(**{"image/png": PIXEL, "text/plain": "<Figure>"}),
                _output(**{"text/html": "<table></table>", "text/plain": "a"}),
                nbformat.v4.new_output("stream", text="0.5\n"),
            ],
        ),
    ]
    path = tmp_path / "executed.ipynb"
    nbformat.write(book, path)
    return path


def test_widgets_become_their_pictures_and_progress_goes(notebook):
    freeze_notebook(notebook)
    book = nbformat.read(notebook, as_version=4)
    nbformat.validate(book)
    assert "widgets" not in book.metadata
    live, page, plot, figure, table, text = book.cells[1].outputs
    assert live.data == {"text/plain": LIVE_NOTE}
    assert page.data == {"text/html": "<iframe>", "text/plain": LIVE_NOTE}
    assert set(plot.data) == {"image/png", "text/plain"}
    assert plot.data["image/png"].strip() == PIXEL
    assert figure.data["text/plain"] == "<Figure>"
    assert set(table.data) == {"text/html", "text/plain"}
    assert text.text == "0.5\n"


def test_what_has_no_widget_stays_byte_for_byte(notebook):
    freeze_notebook(notebook)
    before = notebook.read_bytes()
    freeze_notebook(notebook)
    assert notebook.read_bytes() == before


def test_another_kernel_of_the_usual_name_is_not_taken(tmp_path, monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager

    foreign = tmp_path / "kernels" / "python3" / "kernel.json"
    foreign.parent.mkdir(parents=True)
    words = ["/usr/bin/other-python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    foreign.write_text(json.dumps({"argv": words, "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert KernelSpecManager().get_kernel_spec("python3").argv[0] == "/usr/bin/other-python"
    with own_kernel() as name:
        assert KernelSpecManager().get_kernel_spec(name).argv[0] == sys.executable
    assert os.environ["JUPYTER_PATH"] == str(tmp_path)
    monkeypatch.delenv("JUPYTER_PATH")
    with own_kernel():
        pass
    assert "JUPYTER_PATH" not in os.environ
