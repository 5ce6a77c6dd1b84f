from __future__ import annotations

import numpy as np

from spfem.edit.adapt import write_comparison
from spfem.media.probe import probe_video
from spfem.media.video import read_video, write_video
from tests.edit.made_up import write_clip
from tests.media.clips import audio_bytes, moving_frames


def test_comparison_has_every_panel_every_frame_and_the_sound(tmp_path):
    source = write_clip(tmp_path / "source.mp4", moving_frames(20, 96, 96))
    result = tmp_path / "result.mp4"
    write_video(result, moving_frames(20, 96, 96)[..., ::-1], 25, audio_from=source)
    reference = tmp_path / "reference.mp4"
    write_video(reference, moving_frames(6, 50, 96), 30)
    out = tmp_path / "out.mp4"
    write_comparison(out, source, result, reference=reference, comment="manipulated")
    facts = probe_video(out)
    assert facts.frames == 20
    assert facts.fps == 25
    assert facts.width > 2.5 * 96
    assert audio_bytes(out) == audio_bytes(source)
    frames = read_video(out).frames.astype(int)
    height = frames.shape[1] - 96
    left = frames[:, height : height + 96, :96]
    assert np.abs(left - read_video(source).frames).mean() < 8
