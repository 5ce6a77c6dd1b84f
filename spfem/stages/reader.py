"""The reader of face units of a workspace, learned from films of people of its own."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from spfem.opened_stages import open_stage
from spfem.reading.films import film_people, reader_cast
from spfem.reading.learn import learn_reader
from spfem.stages.progress import show_progress
from spfem.workspace import Workspace


def make_reader(workspace: Workspace, seed: int = 0) -> Path:
    """Checkpoint of the reader. Stages do not use it before it comes with the package.

    It needs nothing of the corpus: its people are drawn from another seed. A person that was
    filmed is not filmed again after a kill.

    Args:
        workspace: of the run.
        seed: of the learning; that of the films is one of their settings.
    """
    scale = workspace.scale
    face = replace(scale.face, processes=1)
    filmed = asdict(scale.reader_films)
    filmed.pop("processes")  # their number does not change the result
    stage = open_stage(
        workspace.stage_folder("reader", f"seed{seed}"),
        "reader",
        settings={"films": filmed, "face": face, "reader": scale.reader, "seed": seed},
        inputs={},
        code=(make_reader, film_people),
    )
    path = stage.folder / "reader.safetensors"
    if not stage.complete:
        wanted = replace(scale.reader_films, processes=scale.face.processes)
        people = film_people(workspace.stage_folder("reader", "films"), wanted, face)
        reader = learn_reader(
            people,
            scale.reader,
            seed=seed,
            folder=stage.folder,
            progress=show_progress("reader"),
        )
        reader.save(path, {"films": filmed, "seed": seed})
        stage.finish(people=len(people))
    return path


def reader_lessons(workspace: Workspace) -> tuple[list[str], int]:
    """Names of the people whom the reader learns from, none of a corpus, and their clips."""
    films = workspace.scale.reader_films
    names = [f"P{number:03d}" for number in range(len(reader_cast(films)))]
    return names, len(names) * (1 + films.mixed_clips)
