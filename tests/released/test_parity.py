"""The recorded numbers of DECA's coarse encoder and detail decoder, by kind of case."""

from __future__ import annotations

import pytest
import torch

from spfem.released.deca import DetailDecoder, FaceEncoder
from tests.parity import compare_cases, in_precisions


def _deca_encoder(case):
    network = case.fill(FaceEncoder(case.arguments["outsize"]))
    with torch.inference_mode():
        features = network.encoder(case.inputs["image"])
        case.verify("features", features)
        case.verify("code", network.layers(features))


def _deca_detail(case):
    network = case.fill(DetailDecoder())
    with torch.inference_mode():
        jaw, expression, detail = case.inputs["x"].split([3, 50, 128], 1)
        case.verify("uv_z", network(jaw, expression, detail))


COVERED = {"deca_encoder": _deca_encoder, "deca_detail": _deca_detail}


@pytest.mark.parametrize(("kind", "dtype"), in_precisions(COVERED))
def test_recorded_outputs(check, parity_folder, kind, dtype):
    compare_cases(COVERED, check, parity_folder, kind, dtype)
