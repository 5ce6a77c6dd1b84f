"""JupyterLab on loopback with folders of its own, ended with all its kernels."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import psutil

from tests.conftest import ROOT

START_SECONDS = 240
OPTIONS = (
    "--no-browser",
    "--allow-root",
    "--ip=127.0.0.1",
    "--ServerApp.port_retries=0",
    "--IdentityProvider.token=",
    "--ServerApp.password=",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)
# All cells stand in the page, also those out of sight; no question covers it.
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false"},
}


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _environment(private, network):
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    for name, settings in SETTINGS.items():
        path = private / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(settings))
    private_folders = {name: str(private / folder) for name, folder in folders.items()}
    environment = network.environment(
        {**private_folders, "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1"}
    )
    # The notebooks are copies, elsewhere than the studies that they import.
    for path in (ROOT, ROOT / "notebooks"):
        environment["PYTHONPATH"] += f"{os.pathsep}{path}"
    return environment


@contextmanager
def open_lab(folder, private, log, network):
    """Address of a JupyterLab that serves `folder`; what it says goes to the file `log`.

    Its own files lie in `private`; `network` guards it and its kernels.
    """
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "jupyterlab", f"--port={port}", *OPTIONS]
    with log.open("w") as out:
        server = subprocess.Popen(
            [*command, f"--ServerApp.root_dir={folder}"],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=_environment(private, network),
        )
        try:
            _wait_for(f"{address}/api", server, log)
            yield address
        finally:
            _end(server)


def _wait_for(address, server, log):
    # Without the proxies of the environment, which know nothing of this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit and server.poll() is None:
        try:
            opener.open(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


def _end(server):
    """Ask the server to end, which ends its kernels; end what is left of them."""
    family = processes_below(server.pid)
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    _, left = psutil.wait_procs(family, timeout=5)
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=5)


def processes_below(pid):
    """All processes that one has started, and theirs."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
