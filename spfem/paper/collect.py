"""Everything the paper check needs from a workspace, made by the stages where it is missing."""

from __future__ import annotations

import json

import pandas as pd

from spfem.evaluation.independent_control import control_operators, shown_operators
from spfem.evaluation.main_results import main_results
from spfem.evaluation.method_differences import method_differences
from spfem.paper.inputs import Measured
from spfem.real_samples import real_samples
from spfem.results import calibrating_methods, score_method
from spfem.stages import make_similarity, make_temporal_metric
from spfem.workspace import Workspace

SIMILARITIES = ("spatial", "temporal_vd", "spatial_temporal_vd")
FORMULATIONS = ("ned+stccl_vd", "ned+stccl_cm")
CONTROL = {"channels": 128, "places": 64}  # as in the notebook on temporal correlation


def collect_measured(workspace: Workspace) -> Measured:
    """Scores of all methods of the scale, similarities, learning records and the control.

    The comparisons with plain NED and of VD with CM are left out where the scale lacks a method.
    """
    scale = workspace.scale
    calibration: tuple[int, ...] = (0,)  # seed of what is not learned
    runs = dict.fromkeys(calibrating_methods(workspace), calibration)
    runs |= dict.fromkeys(scale.methods, scale.seeds)
    scores = [
        score
        for method, seeds in runs.items()
        for seed in seeds
        for score in score_method(workspace, method, seed)
    ]
    real = real_samples(workspace)

    def differences(methods: tuple[str, ...], baseline: str) -> pd.DataFrame | None:
        if baseline not in scale.methods or len(set(methods) & set(scale.methods)) < 2:
            return None
        chosen = [score for score in scores if score.method in methods]
        return method_differences(chosen, real, scale.evaluation, baseline=baseline)

    curves = {}
    for seed in scale.seeds:
        record = make_temporal_metric(workspace, SIMILARITIES[-1], seed).parent / "curve.json"
        curves[seed] = pd.DataFrame(json.loads(record.read_text(encoding="utf-8")))
    similarity = [make_similarity(workspace, name)[0] for name in SIMILARITIES]
    return Measured(
        workspace.corpus,
        scale.evaluation.confidence,
        results=main_results(scores, real, scale.evaluation),
        differences=differences(scale.methods, "ned"),
        formulations=differences(FORMULATIONS, FORMULATIONS[1]),
        similarity=pd.concat(similarity, ignore_index=True),
        curves=curves,
        control=control_operators(shown_operators(**CONTROL), **CONTROL),
    )
