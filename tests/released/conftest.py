from __future__ import annotations

import shutil

import pytest

from spfem.released.deca import load_deca
from tests.released.made_up import write_folder


@pytest.fixture(scope="session")
def deca_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deca")
    write_folder(folder)
    yield folder
    shutil.rmtree(folder)  # over 200 MB


@pytest.fixture(scope="session")
def deca(deca_folder):
    return load_deca(deca_folder)
