"""Starts NVIDIA Warp, which draws heads and faces, without a notice that says nothing new."""

from __future__ import annotations

import os
import sys
import tempfile
from functools import cache

NOTICE = b"Could not find or load the NVIDIA CUDA driver"


@cache
def start_warp() -> None:
    """Start Warp in this process; where torch sees no GPU, its notice of the same is left out.

    Warp writes the notice to file descriptor 2, in every process, and has no setting against it.
    All else that its start writes is passed on, and everything if the start fails. Where torch
    sees a GPU the notice would be news, and is kept. Called wherever Warp is about to draw; only
    the first call starts it.
    """
    import torch
    import warp as wp

    wp.config.log_level = wp.LOG_ERROR
    if torch.cuda.is_available():
        wp.init()
        return
    sys.stderr.flush()
    kept, failed = os.dup(2), True
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            wp.init()
            failed = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            for line in caught.read().splitlines(keepends=True):
                if failed or NOTICE not in line:
                    os.write(2, line)
