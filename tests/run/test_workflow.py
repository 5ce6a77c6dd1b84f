from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spfem.head import load_head_model
from spfem.media.video import write_video
from spfem.studio.render import portrait

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("snakemake") is None, reason="snakemake is not installed"
)


def snakemake(*words: object, **config: object) -> subprocess.CompletedProcess[str]:
    values = [f"{name}={value}" for name, value in config.items()]
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "workflow" / "Snakefile"]
    return subprocess.run(
        [str(word) for word in (*command, *words, "--config", *values)],
        cwd=config["data"],  # Snakemake keeps its own records there
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )


def listed_run(data: Path) -> Path:
    """A run whose corpus is listed already: two actors who learn, one target."""
    run = data / "synthetic-smoke"
    (run / "workflow").mkdir(parents=True)
    roles = {"M001": "train", "W001": "held_out", "M002": "target", "W002": "target"}
    (run / "corpus").mkdir()
    (run / "corpus" / "corpus.json").write_text(json.dumps({"roles": roles}))
    return run


@pytest.mark.slow
def test_one_job_an_actor_and_one_an_actor_and_method(tmp_path):
    run = listed_run(tmp_path)
    (run / "workflow" / "corpus.done").touch()
    options = ("-n", "-q", "rules", "--cores", 2, "--rerun-triggers", "mtime")
    answer = snakemake(*options, data=tmp_path, scale="smoke")
    assert answer.returncode == 0, answer.stderr
    text = answer.stdout + answer.stderr
    jobs = dict(line.split() for line in text.splitlines() if len(line.split()) == 2)
    assert jobs["faces_of_actor"] == "4"
    assert jobs["renderer"] == "2"  # one target of the base ned, two methods of the smoke scale
    assert jobs["manipulator"] == "3"  # NED's published form as well
    assert "corpus" not in jobs


def write_recordings(folder: Path) -> None:
    """Drawn talking heads of two actors, one broken clip."""
    head = load_head_model()
    expressions = np.zeros((4, 52), np.float32)
    expressions[:, 0] = (0.0, 0.3, 0.6, 0.3)
    frames = np.stack([portrait(head, np.zeros(48), each, 128) for each in expressions])
    frames = np.repeat(frames, 5, 0)
    random = np.random.default_rng(0)
    rows = []
    for actor, role in (("M001", "train"), ("W001", "held_out")):
        for emotion in ("neutral", "happy"):
            path = folder / f"{actor}-{emotion}.mp4"
            folder.mkdir(exist_ok=True)
            sound = random.normal(0, 0.1, 12800).astype(np.float32)
            write_video(path, frames, 25, audio=sound, sample_rate=16000)
            rows.append((f"{actor}-{emotion}", actor, emotion, "one", path.name, role))
    (folder / "W001-sad.mp4").write_bytes(path.read_bytes()[:-3000])
    rows.append(("W001-sad", "W001", "sad", "one", "W001-sad.mp4", "held_out"))
    with (folder / "clips.csv").open("w", newline="") as file:
        header = ("clip", "actor", "emotion", "sentence", "path", "role")
        csv.writer(file).writerows([header, *rows])


@pytest.mark.slow
def test_a_failed_job_is_taken_up_again_and_finished_ones_are_not(tmp_path):
    recordings, data = tmp_path / "filmed", tmp_path / "data"
    write_recordings(recordings)
    data.mkdir()
    stop = tmp_path / "stop"
    stop.touch()
    python = tmp_path / "python"
    # Fails for one actor while the file `stop` is there.
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *W001*) [ -e {stop} ] && exit 3;; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    wanted = {"corpus": recordings, "data": data, "scale": "smoke", "threads": 1, "python": python}
    options = ("--cores", 1, "--keep-going", data / "filmed-smoke" / "workflow" / "faces.done")
    failed = snakemake(*options, **wanted)
    assert failed.returncode != 0
    run = data / "filmed-smoke"
    made = {path: path.stat().st_mtime_ns for path in (run / "faces").rglob("*.npz")}
    assert {path.relative_to(run / "faces").parts[0] for path in made} == {"M001"}
    assert not json.loads((run / "faces" / "artifact.json").read_text())["complete"]
    stop.unlink()
    again = snakemake(*options, **wanted)
    assert again.returncode == 0, again.stderr
    for path, time in made.items():
        assert path.stat().st_mtime_ns == time
    record = json.loads((run / "faces" / "artifact.json").read_text())
    assert record["complete"]
    assert len(list((run / "faces").rglob("*.npz"))) == record["facts"]["clips"] == 4
    idle = snakemake(*options, "-n", "--rerun-triggers", "mtime", **wanted)
    assert "Nothing to be done" in idle.stdout + idle.stderr
