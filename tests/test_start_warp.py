import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from spfem.head import raster as start_warp


@pytest.fixture
def start(monkeypatch, capfd):
    """Starts a Warp that says two lines, and may fail; gives what reached stderr."""

    def run(*, gpu: bool, fails: bool = False) -> bytes:
        def init():
            os.write(2, b"Warp: " + start_warp.NOTICE + b".\nSomething new\n")
            if fails:
                raise RuntimeError("no start")

        warp = SimpleNamespace(init=init, config=SimpleNamespace(), LOG_ERROR=4)
        monkeypatch.setitem(sys.modules, "warp", warp)
        monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
        try:
            start_warp.start_warp.__wrapped__()
        except RuntimeError as error:
            os.write(2, str(error).encode())
        return capfd.readouterr().err.encode()

    return run


@pytest.mark.parametrize(("gpu", "kept"), [(False, False), (True, True)])
def test_only_the_known_notice_is_left_out_and_only_without_a_gpu(start, gpu, kept):
    said = start(gpu=gpu)
    assert (start_warp.NOTICE in said) == kept
    assert said.endswith(b"Something new\n")


def test_a_failed_start_says_everything(start):
    said = start(gpu=False, fails=True)
    assert start_warp.NOTICE in said
    assert said.endswith(b"Something new\nno start")


def test_warp_starts_in_silence():
    code = "from spfem.head.raster import start_warp as s; s(); s(); import warp; warp.zeros(3)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert answer.stderr == b""
