"""Edit a made-up clip of a given length and print the largest resident memory, in KB.

Run in a process of its own: `python -m tests.edit.measure_memory FOLDER FRAMES`. The tracker is
planted; decoding, gathering, moving and encoding are real.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from spfem.edit import EditRequest, edit_video
from spfem.face import clip_track as track
from spfem.face.tracker import TrackedFace
from spfem.head import load_head_model
from spfem.media.video import write_video
from tests.edit.made_up import save_models
from tests.face.planted import planted_clip

SIZE = (360, 480)  # 0.5 MB a frame
CYCLE = 16  # frames after which the planted head repeats


def planted_track(frames: Iterable[np.ndarray], fps: float, **_: object) -> TrackedFace:
    """Reads every frame, as the tracker does, and answers with a planted head."""
    count = sum(1 for _ in frames)
    planted = planted_clip(load_head_model(), CYCLE).tracked
    places = np.arange(count) % CYCLE
    height, width = SIZE
    factor = np.array([width / 128, height / 128, 1], np.float32)
    found = np.ones(count, bool)
    return TrackedFace(planted.landmarks[places] * factor, planted.blendshapes[places], found, SIZE)


def main(folder: Path, count: int) -> None:
    """Write the clip, edit it, print the peak."""
    track.track_landmarks = planted_track
    track.show_one_person = lambda frames, *_: frames
    track.LONGEST_SIDE = 10_000
    clip = folder / f"{count}.mp4"
    picture = np.full((*SIZE, 3), 120, np.uint8)
    write_video(clip, (picture for _ in range(count)), 25)
    models = save_models(folder / f"models{count}")
    edit_video(
        EditRequest(
            clip,
            folder / f"out{count}.mp4",
            emotion="sad",
            models=models,
            device="cpu",
            without_sound=True,
        )
    )
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
