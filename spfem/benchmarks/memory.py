"""Peak memory of one supervision step, each way in a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import torch

from spfem.benchmarks.made_up import made_up_images
from spfem.benchmarks.table import Row
from spfem.benchmarks.timing import reference
from spfem.correlation.spatial import SpatialCoherence
from spfem.errors import SpfemError
from spfem.settings import SpatialSettings

MIB = 2**20
STATUS = Path("/proc/self/status")  # of Linux


def peak_mib(way: str, device: str, image_size: int, pairs: int) -> float:
    """Peak above what is held before the step: forward, and backward to the generated images."""
    torch.manual_seed(0)
    metric = SpatialCoherence(SpatialSettings(image_size=image_size)).to(device).supervise()
    generated, source = (made_up_images(pairs, image_size, n).to(device) for n in (0, 1))
    generated.requires_grad_()
    released = reference("spatial")
    plain = released.plain_copy(metric)  # in both ways, so that the base line is the same
    network = metric if way == "ours" else plain
    # A small step first, so that libraries are loaded before the base line.
    small = made_up_images(1, 64, 0).to(device).requires_grad_()
    network.resnet50(small)[-1].sum().backward()
    before = peak_bytes(device, reset=True)
    if way == "ours":
        loss = metric(generated, source)
    else:
        loss, _ = released.spatial_loss(plain, generated, source)
    loss.backward()
    return (peak_bytes(device) - before) / MIB


def peak_bytes(device: str, *, reset: bool = False) -> int:
    """Most memory that this process (of a GPU: torch) has held; `reset` starts anew on a GPU."""
    if torch.device(device).type == "cuda":
        if reset:
            torch.cuda.reset_peak_memory_stats(device)
            return torch.cuda.memory_allocated(device)
        return torch.cuda.max_memory_allocated(device)
    if STATUS.exists():  # ru_maxrss of a child begins at the size of the process that started it
        line = next(row for row in STATUS.read_text().splitlines() if row.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def supervision_memory(device: str, *, image_size: int = 224, pairs: int = 8) -> list[Row]:
    """The row of peak memory, in MiB.

    Raises:
        SpfemError: if a measured process fails.
    """
    peaks = {}
    for way in ("reference", "ours"):
        words = [sys.executable, "-m", "spfem.benchmarks.memory"]
        words += [way, device, str(image_size), str(pairs)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise SpfemError(f"measuring memory failed: {done.stderr.strip()[-500:]}")
        peaks[way] = float(done.stdout.split()[-1])
    work = f"MiB peak of a supervision step, {pairs} pairs of {image_size} px"
    return [Row("supervision_memory", device, "float32", work, peaks["reference"], peaks["ours"])]


if __name__ == "__main__":
    print(peak_mib(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
