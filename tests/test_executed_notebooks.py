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


def test_results_and_tables_are_no_warnings():
    said = {"output_type": "stream", "name": "stdout", "text": ["3 of 3 checks hold\n"]}
    table = {"output_type": "display_data", "data": {"text/html": ["<th>warnings</th>"]}}
    for output in (said, table):
        assert not list(spoken_warnings(_notebook(**output)))
