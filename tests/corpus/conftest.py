"""One short recording, made once."""

from __future__ import annotations

import pytest

from tests.corpus.made_up import record


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    """A video of one second with sound, and its sound alone."""
    return record(tmp_path_factory.mktemp("recording"))
