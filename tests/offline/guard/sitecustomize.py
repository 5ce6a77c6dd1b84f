"""Refuses the network to every Python process that finds this folder on its PYTHONPATH.

Python imports `sitecustomize` at its start, so kernels and spawned processes inherit the guard. An
audit hook cannot be removed and sees what `socket` does below any library; what a C library does
itself is stopped by the network namespace, see `tests/offline/network.py`. Each attempt becomes a
line of the file `$SPFEM_NETWORK_LOG`. Only loopback and Unix sockets are let through.
"""

import ipaddress
import os
import socket
import sys

LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
CONNECTIONS = ("socket.connect", "socket.sendto", "socket.sendmsg")
INTERNET = (socket.AF_INET, socket.AF_INET6)
LOCAL_NAMES = (None, "", "localhost")


def _is_local(host):
    host = host.decode() if isinstance(host, bytes | bytearray) else host
    try:
        return host in LOCAL_NAMES or ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:  # a name, which only a server elsewhere can tell
        return False


def _refuse(event, arguments):
    if event in LOOK_UPS:
        host = arguments[0]
    elif event in CONNECTIONS and arguments[0].family in INTERNET and arguments[1]:
        host = arguments[1][0]
    else:
        return
    if _is_local(host):
        return
    line = f"{event} {host!r} by {' '.join(sys.orig_argv)[:200]!r}\n"
    log = os.open(os.environ["SPFEM_NETWORK_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(log, line.encode())
    os.close(log)
    raise OSError(f"the network is blocked by a test: {event} {host!r}")


sys.addaudithook(_refuse)
