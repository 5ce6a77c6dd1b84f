"""The block of the network blocks: otherwise a silent log would prove nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.offline.network import NoNetwork, namespace

pytestmark = pytest.mark.slow  # processes of their own; what they guard is slow too

FAR = "192.0.2.1"  # reserved for examples: nobody answers there
TRY_FAR = f"""
import multiprocessing, socket, sys

def connect(address):
    try:
        socket.create_connection(address, timeout=5).close()
    except OSError as error:
        return str(error)
    return "connected"

if __name__ == "__main__":
    print(connect(({FAR!r}, 80)))
    print(connect(("example.org", 443)))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(connect, (({FAR!r}, 8080),)))
"""
TRY_NEAR = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    with socket.create_connection(server.getsockname(), timeout=5):
        print("connected to", socket.getaddrinfo("localhost", 80)[0][4][0])
"""


@pytest.fixture
def blocked(tmp_path):
    return NoNetwork(tmp_path / "network.log")


def _script(folder, text):
    path = folder / "script.py"
    path.write_text(text)
    return path


def test_attempts_fail_and_are_named(blocked, tmp_path):
    answer = blocked.run([sys.executable, _script(tmp_path, TRY_FAR)])
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("the network is blocked by a test") == 3
    seen = [line.partition(" by ")[0] for line in blocked.attempts]
    assert len(seen) == 3
    assert sum(FAR in line for line in seen) == 2  # also of the spawned process
    assert "socket.getaddrinfo 'example.org'" in seen


def test_kernels_inherit_the_guard(blocked, tmp_path):
    script = f"""
import nbformat
from nbclient import NotebookClient
cell = nbformat.v4.new_code_cell("import socket; socket.gethostbyname('example.org')")
book = nbformat.v4.new_notebook(cells=[cell])
NotebookClient(book, kernel_name="python3", allow_errors=True).execute(cwd={str(tmp_path)!r})
print(book.cells[0].outputs[-1].evalue)
"""
    answer = blocked.run([sys.executable, _script(tmp_path, script)])
    assert "the network is blocked by a test" in answer.stdout, answer.stderr[-2000:]
    assert "ipykernel_launcher" in blocked.attempts[0]


def test_loopback_is_let_through(blocked, tmp_path):
    answer = blocked.run([sys.executable, _script(tmp_path, TRY_NEAR)])
    assert answer.stdout.startswith("connected"), answer.stderr
    assert blocked.attempts == []


def test_namespace_stops_what_the_guard_cannot_see(tmp_path):
    if not namespace():
        pytest.skip("this system permits no network namespace; the guard remains")
    words = [*namespace(), sys.executable, str(_script(tmp_path, TRY_FAR))]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "connected" not in answer.stdout
    assert answer.stdout.count("unreachable") == 2
