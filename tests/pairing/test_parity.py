"""Recorded reference outputs of the alignment, every case of its kind."""

import json
import sys

import numpy as np
from scipy.spatial.distance import cdist

from spfem.pairing.dtw import accumulated_cost, align_sequences
from spfem.pairing.mfcc import mfcc

KIND = "mfcc_dtw"


def test_recorded_alignment(parity_folder, monkeypatch):
    monkeypatch.syspath_prepend(str(parity_folder))
    for name in ("check", "weights"):
        sys.modules.pop(name, None)
    import check

    folder = str(parity_folder)
    manifest = json.loads((parity_folder / "manifest.json").read_text())
    cases = [case for case in manifest["cases"].values() if case["kind"] == KIND]
    assert cases
    for case in cases:
        arrays, arguments = check.stored(folder, case), case["args"]
        rate = arguments["sample_rate"]
        a, b = (
            mfcc(
                arrays[f"in.{name}"] / 32768.0,
                rate,
                rate / arguments["hop_samples"],
                cepstra=arguments["cepstra"],
                window_seconds=arguments["window_s"],
            )
            for name in ("a", "b")
        )
        result = align_sequences(a, b)
        whole = align_sequences(arrays["in.int_a"], arrays["in.int_b"])
        values = {
            "mfcc_a": a,
            "mfcc_b": b,
            "path_ab": result.path.T,
            "cost_ab": np.float64(result.cost),
            "accumulated_last_row": accumulated_cost(cdist(a, b, "cityblock"))[-1],
            "path_int": whole.path.T,
            "cost_int": np.float64(whole.cost),
        }
        for name, value in values.items():
            check.verify(folder, case, name, value)
