"""What `--corpus` may say."""

import pytest

from spfem.corpus.survey import CorpusChoice, choose_corpus
from spfem.errors import SettingsError


def test_names_and_folders(tmp_path):
    data = tmp_path / "data"
    (data / "mead").mkdir(parents=True)
    (tmp_path / "My Clips (2)").mkdir()
    assert choose_corpus("synthetic", data, tmp_path) == CorpusChoice("synthetic", None)
    assert choose_corpus("mead", data, tmp_path) == CorpusChoice("mead", data / "mead")
    own = CorpusChoice("my-clips-2", tmp_path / "My Clips (2)")
    assert choose_corpus("My Clips (2)", data, tmp_path) == own
    assert choose_corpus(str(own.recordings), data, tmp_path) == own
    assert choose_corpus("My Clips (2)/", data, tmp_path) == own


def test_refused(tmp_path):
    (tmp_path / "Synthetic").mkdir()
    (tmp_path / "...").mkdir()
    for corpus, message in (
        ("ravdess", "no folder"),
        ("nowhere", "'nowhere' is unknown"),
        ("./Synthetic", "rename the folder"),
        ("...", "an empty name"),
    ):
        with pytest.raises(SettingsError, match=message):
            choose_corpus(corpus, tmp_path, tmp_path)
