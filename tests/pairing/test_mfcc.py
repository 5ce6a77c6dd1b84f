"""Cepstra against a slow implementation from the definition."""

import math

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.pairing.dtw import hop_samples, mfcc


def slow_mfcc(audio, sample_rate, hop, cepstra=13):
    """Frame by frame, filter by filter, with a plain discrete Fourier and cosine transform."""
    signal = [audio[0]] + [audio[i] - 0.97 * audio[i - 1] for i in range(1, len(audio))]
    window = round(0.025 * sample_rate)
    size = 1
    while size < window:
        size *= 2
    count = 1 if len(signal) <= window else 1 + math.ceil((len(signal) - window) / hop)
    signal += [0.0] * (count * hop + window)
    mel = np.linspace(0, 2595 * math.log10(1 + sample_rate / 2 / 700), 28)
    edges = [math.floor((size + 1) * 700 * (10 ** (m / 2595) - 1) / sample_rate) for m in mel]
    rows = []
    for start in range(0, count * hop, hop):
        power = np.abs(np.fft.rfft(signal[start : start + window], size)) ** 2 / size
        logs = []
        for left, centre, right in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
            energy = sum((k - left) / (centre - left) * power[k] for k in range(left, centre))
            energy += sum((right - k) / (right - centre) * power[k] for k in range(centre, right))
            logs.append(math.log(max(energy, 2.220446049250313e-16)))
        row = []
        for k in range(cepstra):
            value = sum(x * math.cos(math.pi * k * (2 * n + 1) / 52) for n, x in enumerate(logs))
            value *= math.sqrt(1 / 26) if k == 0 else math.sqrt(2 / 26)
            row.append(value * (1 + 11 * math.sin(math.pi * k / 22)))
        row[0] = math.log(max(power.sum(), 2.220446049250313e-16))
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize(("rate", "fps"), [(16000, 30), (16000, 25), (8000, 25)])
def test_matches_the_definition(rate, fps):
    audio = np.random.default_rng(1).normal(0, 0.1, 3000)
    np.testing.assert_allclose(
        mfcc(audio, rate, fps), slow_mfcc(audio, rate, round(rate / fps)), atol=1e-8
    )


@pytest.mark.parametrize("bad", [np.zeros(0), np.zeros((2, 9)), np.zeros(9, np.int16)])
def test_bad_input(bad):
    with pytest.raises(ShapeError, match="audio"):
        mfcc(bad)


def test_rows_follow_the_frame_rate():
    assert hop_samples(16000, 30) == 533
    assert hop_samples(16000, 25) == 640
    assert mfcc(np.full(48000, 0.1), 16000, 30).shape == (91, 13)
    assert mfcc(np.full(10, 0.1), 16000, 25).shape == (1, 13)
    assert mfcc(np.full(4000, 0.1), cepstra=5).shape[1] == 5
