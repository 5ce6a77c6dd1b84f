"""Defaults of the lip-sync measure."""

from __future__ import annotations

from dataclasses import dataclass

from spfem.errors import SettingsError


@dataclass(frozen=True)
class LipSyncSettings:
    """LSE-D and LSE-C: the network that is learned, and the search.

    Raises:
        SettingsError: if no network can be made of the values.
    """

    released_file: str | None = None  # `syncnet_v2.model`; then nothing is learned
    crop_size: int = 32  # pixels, side of the lip crops; a multiple of 8
    width: int = 16  # channels of the first layer; oneDNN breaks on 8 and below
    embedding: int = 64  # coordinates of an embedding
    temperature: float = 0.1
    clips: int = 8  # of a batch
    moments: int = 16  # windows of each clip of a batch
    steps: int = 5000
    learning_rate: float = 2e-3
    search_frames: int = 15  # largest shift, as SyncNet; shorter clips take fewer
    shared_windows: int = 8  # that lips and sound must share at the largest shift

    def __post_init__(self) -> None:
        """Refuse settings of which no network can be made."""
        if self.crop_size < 8 or self.crop_size % 8:
            raise SettingsError(f"crop_size must be a multiple of 8, found {self.crop_size}")
        if min(self.clips, self.moments, self.embedding, self.width, self.shared_windows) < 1:
            raise SettingsError("sizes of the lip-sync network must be at least 1")
        if self.clips * self.moments < 2 or self.temperature <= 0 or self.search_frames < 1:
            raise SettingsError(
                "lip sync needs 2 windows a batch, a temperature above 0 and a search of 1 frame "
                f"or more, found {self.clips * self.moments}, {self.temperature} and "
                f"{self.search_frames}"
            )
