import json

import pytest

from spfem.errors import InputError
from spfem.manifest import RUNS_FOLDER, merge_manifest, read_manifest


def _run(folder, notebook, *names):
    runs = folder / RUNS_FOLDER
    runs.mkdir(exist_ok=True)
    files = [{"file": name, "digest": "d", "caption": f"about {name}"} for name in names]
    made_by = f"notebooks/{notebook}.ipynb"
    (runs / f"{notebook}.json").write_text(json.dumps({"made_by": made_by, "files": files}))


def test_rows_of_all_notebooks_are_read_back_and_lost_files_have_none(tmp_path):
    (tmp_path / "a.png").write_text("a")
    _run(tmp_path, "01_one", "a.png", "lost.png")
    (tmp_path / "b.csv").write_text("b")
    _run(tmp_path, "02_two", "b.csv")
    merge_manifest(tmp_path, {"01_one": "digest of one"})
    rows = read_manifest(tmp_path)
    assert set(rows) == {"a.png", "b.csv"}
    assert rows["a.png"]["caption"] == "about a.png"
    assert rows["a.png"]["notebook_digest"] == "digest of one"
    assert rows["b.csv"]["made_by"] == "notebooks/02_two.ipynb"


@pytest.mark.parametrize("text", [None, "{", "[]", '{"a.png": 3}', '{"a.png": {}}'])
def test_what_is_no_manifest_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json"):
        read_manifest(tmp_path)
