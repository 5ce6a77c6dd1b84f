from __future__ import annotations

from dataclasses import replace

import numpy as np

from spfem.explore.clips import align_clips
from spfem.settings import PairingSettings
from tests.explore.made_up import made_clip


def test_a_clip_fits_itself_and_noise_is_doubted():
    clip = made_clip("neutral")
    tone = np.sin(np.cumsum(np.linspace(0.05, 0.4, len(clip.waveform)))).astype(np.float32)
    settings = PairingSettings()
    pair = align_clips(replace(clip, waveform=tone), replace(clip, waveform=tone), settings)
    assert np.array_equal(pair.path[:, 0], pair.path[:, 1])
    assert not pair.remark
    other = replace(made_clip("sad"), waveform=tone[::-1].copy())
    strict = replace(settings, maximum_cost=1.0)
    assert "hardly fit" in align_clips(replace(clip, waveform=tone), other, strict).remark
