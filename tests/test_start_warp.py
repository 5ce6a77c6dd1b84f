import subprocess
import sys

import pytest

from spfem import start_warp

BEFORE = """
import os, sys, types
import torch
torch.cuda.is_available = lambda: {gpu}
def init():
    os.write(2, b"Warp: Could not find or load the NVIDIA CUDA driver.\\nSomething new\\n")
    if {fails}:
        raise RuntimeError("no start")
sys.modules["warp"] = types.SimpleNamespace(init=init, config=types.SimpleNamespace(), LOG_ERROR=4)
from spfem.start_warp import start_warp
start_warp()
os.write(2, b"afterwards")
"""


def _stderr_of(code):
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    return answer.stderr


@pytest.mark.parametrize(("gpu", "kept"), [(False, False), (True, True)])
def test_only_the_known_notice_is_left_out_and_only_without_a_gpu(gpu, kept):
    said = _stderr_of(BEFORE.format(gpu=gpu, fails=False))
    assert (start_warp.NOTICE in said) == kept
    assert b"Something new\n" in said
    assert said.endswith(b"afterwards")


def test_a_failed_start_says_everything():
    said = _stderr_of(BEFORE.format(gpu=False, fails=True))
    assert start_warp.NOTICE in said
    assert b"RuntimeError: no start" in said


def test_warp_starts_in_silence():
    code = "from spfem.start_warp import start_warp as s; s(); s(); import warp; warp.zeros(3)"
    assert _stderr_of(code) == b""
