import pytest

from tests.executed_notebooks import spoken_warnings


def _notebook(**output):
    return {"cells": [{"source": ["# Title"]}, {"outputs": [output]}]}


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "stream", "name": "stderr", "text": ["anything\n"]},
        {"output_type": "stream", "name": "stdout", "text": ["DeprecationWarning: old\n"]},
        {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []},
    ],
)
def test_what_went_wrong_is_found(output):
    assert len(list(spoken_warnings(_notebook(**output)))) == 1
