import pandas as pd
import pytest
import torch

from spfem.errors import SettingsError
from spfem.plots import new_figure
from spfem.run.workspace import choose_device, merge_manifest, open_workspace


@pytest.fixture
def workspace(tmp_path):
    return open_workspace(
        "05_x", scale="smoke", data=tmp_path / "d", figures=tmp_path / "f", device="cpu"
    )


def test_recordings_are_looked_for_beside_the_runs(tmp_path):
    with pytest.raises(SettingsError, match="there is no folder"):
        open_workspace("x", corpus="mead", scale="smoke", data=tmp_path, figures=tmp_path)
    (tmp_path / "mead").mkdir()
    other = open_workspace("x", corpus="mead", scale="smoke", data=tmp_path, figures=tmp_path)
    assert other.corpus_root == tmp_path / "mead"
    assert other.data == tmp_path / "mead-smoke"


def test_a_folder_of_recordings_names_the_results(tmp_path):
    (tmp_path / "My own  clips é").mkdir()
    folder = str(tmp_path / "My own  clips é")
    own = open_workspace("x", corpus=folder, scale="smoke", data=tmp_path, figures=tmp_path)
    assert own.corpus_root == tmp_path / "My own  clips é"
    assert own.figures == tmp_path / "my-own-clips-é-smoke"


def test_figures_and_tables_get_a_row_of_provenance(workspace):
    figure, axes = new_figure()
    axes[0, 0].plot([1, 2])
    workspace.save_figure(figure, "curve", pd.DataFrame({"y": [1, 2]}))
    workspace.save_table(pd.DataFrame({"a": [1.5]}), "numbers")
    files = workspace.finish()
    assert {"curve.pdf", "curve.png", "curve.csv", "tables/numbers.csv"} <= set(files)
    manifest = merge_manifest(workspace.figures, {"05_x": "abc"})
    row = manifest["tables/numbers.csv"]
    assert row["made_by"] == "notebooks/05_x.ipynb"
    assert row["notebook_digest"] == "abc"
    assert row["device"] == "cpu"
    assert row["scale"] == "smoke"
    assert set(manifest) == set(files)


@pytest.mark.parametrize(
    "change", [{"corpus": "x"}, {"scale": "x"}, {"device": "x"}], ids=["corpus", "scale", "device"]
)
def test_unknown_values_are_errors(change, tmp_path):
    arguments = {"scale": "smoke", "data": tmp_path, "figures": tmp_path, **change}
    with pytest.raises(SettingsError, match="'x' is unknown"):
        open_workspace("n", **arguments)


def test_device_choice():
    assert choose_device("cpu") == "cpu"
    if not torch.cuda.is_available():
        assert choose_device("auto") == "cpu"
        with pytest.raises(SettingsError, match="sees no GPU"):
            choose_device("cuda")


def test_caption_and_seeds_reach_the_manifest(workspace):
    workspace.save_table(pd.DataFrame({"a": [1]}), "numbers", caption="One number.")
    workspace.save_table(pd.DataFrame({"a": [1]}), "silent")
    workspace.finish()
    manifest = merge_manifest(workspace.figures, {})
    for suffix in ("csv", "tex", "md"):
        assert manifest[f"tables/numbers.{suffix}"]["caption"] == "One number."
    assert manifest["tables/silent.csv"]["caption"] == ""
    assert manifest["tables/silent.csv"]["seeds"] == list(workspace.scale.seeds)


@pytest.fixture
def free_order():
    yield
    torch.use_deterministic_algorithms(False)


def test_gradients_of_picked_rows_are_summed_in_one_order(tmp_path, free_order):
    torch.use_deterministic_algorithms(False)
    open_workspace("n", scale="smoke", data=tmp_path, figures=tmp_path, device="cpu")
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (8, 4), (64, 8)])
def test_notebooks_side_by_side_share_the_cores(tmp_path, monkeypatch, free_order, cores, threads):
    asked = []
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # the user's own choice counts
    open_workspace("n", data=tmp_path, figures=tmp_path, device="cpu")
    monkeypatch.delenv("OMP_NUM_THREADS")
    open_workspace("n", data=tmp_path, figures=tmp_path, device="cpu")
    assert asked == [threads]
