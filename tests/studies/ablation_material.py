"""A made-up workspace with drawn faces, and measurements with planted differences."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from studies.ablation_stages import (
    AblationTable,
    Material,
    Measured,
    measured_means,
)
from studies.ablation_variants import Quantity, Variant

from spfem.corpus.clips import Clip, Corpus
from spfem.scales import AblationSettings, Scale
from spfem.settings import SpatialSettings, TemporalSettings
from tests.correlation.planted import SMALL, planted_pairs
from tests.correlation.planted_sound import PlantedPair

ROLES = {"A0": "train", "A1": "held_out", "A2": "target"}
SPATIAL = SpatialSettings(**{**vars(SMALL), "image_size": 24, "steps": 2, "batch_size": 4})


def made_up_material(folder: Path, **ablations: object) -> Material:
    """Three actors whose visemes are known; truth files lie in the corpus folder."""
    frames, visemes = planted_pairs((0, 1, 2))
    clips = []
    for key, spoken in visemes.items():
        actor, emotion, level, number = key.split("/")
        clips.append(Clip(folder, actor, emotion, int(level[-1]), number, number))
        clips[-1].truth.parent.mkdir(parents=True, exist_ok=True)
        np.savez(clips[-1].truth, viseme=spoken)
    tracks = {
        key: SimpleNamespace(faces=faces, found=np.ones(len(faces), bool))
        for key, faces in frames.faces.items()
    }
    pairs = [PlantedPair(p.source, p.target, p.path) for p in frames.pairs]
    settings = {"scored_pairs": 4, "comparisons": 8, "spatial_steps": 2, "temporal_steps": 2}
    scale = Scale(
        "made up",
        spatial=SPATIAL,
        temporal=TemporalSettings(spatial=SPATIAL, places=(16, 6), batch_size=2),
        ablations=AblationSettings(**{**settings, **ablations}),  # type: ignore[arg-type]
    )
    workspace = SimpleNamespace(
        scale=scale, device="cpu", stage_folder=lambda *names: folder.joinpath("data", *names)
    )
    corpus = Corpus(folder, "made_up", 25, tuple(clips), ROLES, "0")
    store = type("Store", (dict,), {"digest": "1"})(tracks)
    return Material(workspace, corpus, store, SimpleNamespace(pairs=pairs, digest="2"))  # type: ignore[arg-type]


def made_up_table(*variants: Variant, quantities: dict[str, Quantity]) -> AblationTable:
    def nothing(*_: object) -> None:
        raise AssertionError("not called here")

    return AblationTable(
        "made_up", "nothing", "numbers", variants, quantities,
        nothing, nothing, "",
    )  # fmt: skip


def actor_means(values: np.ndarray) -> Measured:
    """Values (actors, clips) as a mean over clips of actors."""
    actors, clips = values.shape
    names = [(f"A{actor}", f"c{clip}") for actor in range(actors) for clip in range(clips)]
    return measured_means(values.reshape(-1), np.array(names))
