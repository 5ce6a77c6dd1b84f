"""The released audio alignment, literally: cells and path in pure Python."""

from __future__ import annotations

import numpy as np


def mfcc(audio, rate=16000, fps=30):
    audio = audio.astype(np.float64)
    signal = np.append(audio[0], audio[1:] - 0.97 * audio[:-1])
    window, hop = round(0.025 * rate), round(rate / fps)
    count = 1 + max(0, int(np.ceil((len(signal) - window) / hop)))
    signal = np.concatenate([signal, np.zeros((count - 1) * hop + window - len(signal))])
    points = np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), 28)
    bins = np.floor(513 * 700 * (10 ** (points / 2595) - 1) / rate)
    bank = np.zeros((26, 257))
    for band in range(26):
        for i in range(int(bins[band]), int(bins[band + 1])):
            bank[band, i] = (i - bins[band]) / (bins[band + 1] - bins[band])
        for i in range(int(bins[band + 1]), int(bins[band + 2])):
            bank[band, i] = (bins[band + 2] - i) / (bins[band + 2] - bins[band + 1])
    frames = np.array([signal[i * hop : i * hop + window] for i in range(count)])
    power = np.abs(np.fft.rfft(frames, 512)) ** 2 / 512
    energy = np.where(power.sum(1) == 0, np.finfo(float).eps, power.sum(1))
    bands = power @ bank.T
    bands = np.log(np.where(bands == 0, np.finfo(float).eps, bands))
    k, n = np.arange(13)[:, None], np.arange(26)[None]
    basis = np.sqrt(2 / 26) * np.cos(np.pi * k * (2 * n + 1) / 52)
    basis[0] /= np.sqrt(2)
    cepstra = bands @ basis.T * (1 + 11 * np.sin(np.pi * np.arange(13) / 22))
    cepstra[:, 0] = np.log(energy)
    return cepstra


def dtw(a, b):
    """Total cost and path, a list of (i, j)."""
    rows, columns = len(a), len(b)
    total = np.zeros((rows + 1, columns + 1))
    total[0, 1:] = np.inf
    total[1:, 0] = np.inf
    for i in range(rows):
        for j in range(columns):
            total[i + 1, j + 1] = np.linalg.norm(a[i] - b[j], ord=1)
            total[i + 1, j + 1] += min(total[i, j], total[i, j + 1], total[i + 1, j])
    i, j = rows - 1, columns - 1
    path = [(i, j)]
    while i > 0 or j > 0:
        step = np.argmin((total[i, j], total[i, j + 1], total[i + 1, j]))
        if step == 0:
            i, j = i - 1, j - 1
        elif step == 1:
            i -= 1
        else:
            j -= 1
        path.insert(0, (i, j))
    return total[-1, -1], path
