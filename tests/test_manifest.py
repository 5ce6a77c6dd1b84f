"""The manifest: a row a file, and one digest a stage however many parts it was made of."""

from spfem.files import write_json
from spfem.run.workspace import merge_manifest


def _run(folder, inputs):
    write_json(
        folder / ".runs" / "04_x.json",
        {
            "made_by": "notebooks/04_x.ipynb",
            "inputs": inputs,
            "files": [{"file": "a.csv", "digest": "d"}],
        },
    )
    (folder / "a.csv").write_text("x")
    return merge_manifest(folder, {"04_x": "n"})["a.csv"]


def test_parts_of_a_stage_share_a_digest_that_every_part_decides(tmp_path):
    inputs = {"corpus": "c0", "edits/ned/seed0": "e0", "edits/ned/seed1": "e1"}
    row = _run(tmp_path, inputs)
    assert row["made_by"] == "notebooks/04_x.ipynb"
    assert row["notebook_digest"] == "n"
    assert row["inputs"].keys() == {"corpus", "edits"}
    assert row["inputs"]["corpus"] == "c0"
    assert _run(tmp_path, inputs)["inputs"] == row["inputs"]
    for changed in ({"edits/ned/seed1": "e2"}, {"edits/ned/seed2": "e0"}):
        assert _run(tmp_path, {**inputs, **changed})["inputs"]["edits"] != row["inputs"]["edits"]


def test_a_file_that_is_gone_has_no_row(tmp_path):
    _run(tmp_path, {})
    (tmp_path / "a.csv").unlink()
    assert merge_manifest(tmp_path, {}) == {}
