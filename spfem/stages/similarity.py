"""How similar the metrics find matched and mismatched faces: measured once, read by notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spfem.artifacts import file_digest, writing
from spfem.correlation.temporal_training import TEMPORAL_METRICS
from spfem.evaluation.similarity import measure_similarity
from spfem.opened_stages import open_stage
from spfem.stages.data import make_corpus, make_faces, make_pairs, read_visemes
from spfem.stages.metrics import make_metric
from spfem.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

TABLE_NAME = "similarity.csv"
SCORES_NAME = "scores.npz"


def make_similarity(workspace: Workspace, name: str) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Rows of `similarity.csv` of one metric over all seeds, and its held-out scores.

    See `measure_similarity`.
    """
    import pandas as pd

    corpus, scale = make_corpus(workspace), workspace.scale
    checkpoints = {seed: make_metric(workspace, name, seed) for seed in scale.seeds}
    used = [scale.temporal if name in TEMPORAL_METRICS else scale.spatial, scale.evaluation]
    stage = open_stage(
        workspace.stage_folder("similarity", name),
        f"similarity {name}",
        settings={"metric": name, "settings": used, "roles": dict(corpus.roles)},
        inputs={f"seed{seed}": file_digest(path) for seed, path in checkpoints.items()}
        | {
            "corpus": corpus.digest,
            "faces": make_faces(workspace).digest,
            "pairs": make_pairs(workspace).digest,
        },
        code=(make_similarity,),
    )
    table_path, scores_path = stage.folder / TABLE_NAME, stage.folder / SCORES_NAME
    if not stage.complete:
        table, scores = measure_similarity(
            make_faces(workspace),
            make_pairs(workspace),
            corpus.roles,
            read_visemes(workspace),
            checkpoints,
            scale,
            metric=name,
        )
        with writing(table_path) as aside:
            table.to_csv(aside, index=False)
        with writing(scores_path) as aside:
            arrays: dict[str, Any] = dict(scores)
            np.savez(aside, **arrays)
        stage.finish()
    with np.load(scores_path) as stored:
        return pd.read_csv(table_path, float_precision="round_trip"), dict(stored)
