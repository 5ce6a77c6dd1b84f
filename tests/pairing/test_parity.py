"""The recorded numbers of the reference alignment, by kind of case."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from spfem.pairing.dtw import accumulated_cost, align_sequences, mfcc
from tests.parity import compare_cases, in_precisions


def _mfcc_dtw(case):
    arrays, arguments = case.arrays, case.arguments
    rate = arguments["sample_rate"]
    a, b = (
        mfcc(
            arrays[name] / 32768.0,
            rate,
            rate / arguments["hop_samples"],
            cepstra=arguments["cepstra"],
            window_seconds=arguments["window_s"],
        )
        for name in ("a", "b")
    )
    result = align_sequences(a, b)
    whole = align_sequences(arrays["int_a"], arrays["int_b"])
    # The manifest does not say which sequences: one frame against four is what gives the number.
    single = align_sequences(arrays["int_a"][:1], arrays["int_b"][:4])
    case.verify("mfcc_a", a)
    case.verify("mfcc_b", b)
    case.verify("path_ab", result.path.T)
    case.verify("cost_ab", np.float64(result.cost))
    case.verify("accumulated_last_row", accumulated_cost(cdist(a, b, "cityblock"))[-1])
    case.verify("path_int", whole.path.T)
    case.verify("cost_int", np.float64(whole.cost))
    case.verify("cost_single", np.float64(single.cost))


COVERED = {"mfcc_dtw": _mfcc_dtw}


@pytest.mark.parametrize(("kind", "dtype"), in_precisions(COVERED, single_only=COVERED))
def test_recorded_outputs(check, parity_folder, kind, dtype):
    compare_cases(COVERED, check, parity_folder, kind, dtype)
