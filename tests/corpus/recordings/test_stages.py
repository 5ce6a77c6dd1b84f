"""Own clips go through corpus, faces, pairs and the list of edits like the embedded ones."""

import pytest

from spfem.corpus.clips import open_corpus
from spfem.corpus.folder import walk_folder
from spfem.corpus.protocol import edit_protocol
from spfem.files import project_folder
from spfem.run.data import make_corpus, make_faces, make_pairs
from spfem.run.workspace import open_workspace
from tests.corpus.made_up import Take, lay_out_table

NAMES = {"M001": "Ada", "M003": "Łucja", "W002": "Bo B."}


@pytest.mark.slow
def test_a_folder_of_own_clips(tmp_path):
    embedded = project_folder() / "data/synthetic-smoke/corpus"
    if not embedded.is_dir():
        pytest.skip("needs the embedded corpus: bash run_all.sh --scale smoke --only 01")
    takes = [
        Take(NAMES[clip.actor], clip.emotion, int(clip.number), clip.video, clip.audio)
        for clip in open_corpus(embedded).clips
        if clip.actor in NAMES and clip.emotion in ("neutral", "happy")
    ]
    root = lay_out_table(tmp_path / "Eigene Clips", takes)
    bad = root / "meine Aufnahmen" / "Clip Nº 0 süß.mp4"
    content = bad.read_bytes()
    bad.unlink()  # the embedded clip has the same bytes on disk
    bad.write_bytes(content[: len(content) // 2])
    before = walk_folder(root).digest()  # of names, sizes and times
    workspace = open_workspace(
        "x", corpus=str(root), scale="smoke", data=tmp_path, figures=tmp_path / "figures"
    )
    corpus = make_corpus(workspace)
    assert workspace.data == tmp_path / "eigene-clips-smoke"
    assert len(corpus.clips) == len(takes) - 1
    assert "truncated" in {one.reason for one in corpus.damaged}
    assert not corpus.has_truth
    assert set(make_faces(workspace)) == {clip.key for clip in corpus.clips}
    assert {pair.actor for pair in make_pairs(workspace).pairs} <= set(NAMES.values())
    with pytest.warns(UserWarning, match="edits are left out"):
        edits = edit_protocol(corpus)
    assert {edit.emotion for edit in edits} == {"neutral", "happy"}
    assert walk_folder(root).digest() == before
