"""The frames of a video for several readings, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from spfem.errors import InputError
from spfem.media.video import stream_frames

HELD_BYTES = 2**30  # 172 frames of 1920 x 1080, 5461 of 256 x 256
MOST_FRAMES = 4500  # three minutes at 25 frames per second


class ReplayedFrames:
    """Frames (H, W, 3) uint8 RGB of a video file, one by one, as often as they are asked for.

    They are kept in memory while they fit into `held_bytes`; a longer clip is decoded again for
    each reading, about a third more work at 1920 x 1080.

    Args:
        path: of the video.
        held_bytes: most memory for frames.
        most_frames: of a clip; a longer one is refused while it is read.
    """

    def __init__(
        self, path: Path, *, held_bytes: int = HELD_BYTES, most_frames: int = MOST_FRAMES
    ) -> None:
        self.path, self.held_bytes, self.most_frames = path, held_bytes, most_frames
        self._held: list[np.ndarray] | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        """Read the frames.

        Raises:
            InputError: if the video cannot be read, or has more than `most_frames`.
        """
        if self._held is not None:
            yield from self._held
            return
        held: list[np.ndarray] | None = []
        for count, frame in enumerate(stream_frames(self.path), 1):
            if count > self.most_frames:
                raise InputError(
                    f"{self.path} has more than {self.most_frames} frames, which would take too "
                    "much memory; cut it into clips"
                )
            if held is not None and count * frame.nbytes > self.held_bytes:
                held = None
            if held is not None:
                held.append(frame)
            yield frame
        self._held = held
