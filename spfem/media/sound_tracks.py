"""The sound tracks of a file, and which of them can be heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from av.audio.stream import AudioStream
from av.container import InputContainer

from spfem.media.files import in_seconds

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext


@dataclass(frozen=True)
class SoundTrack:
    """One sound track of a file.

    Attributes:
        index: of its stream.
        codec: FFmpeg's name, empty if it knows none.
        rate: samples a second; 0 if it cannot be decoded.
        channels: 0 if it cannot be decoded.
        seconds: length, where header or packets tell.
        language: as the file says it, or empty.
    """

    index: int
    codec: str
    rate: int
    channels: int
    seconds: float | None
    language: str = ""

    @property
    def decodable(self) -> bool:
        """Whether there is a decoder, and the track has samples."""
        return self.rate > 0 and self.channels > 0

    @property
    def title(self) -> str:
        """Words for messages."""
        kind = self.codec or "unknown codec"
        return f"{kind}, {self.language}" if self.language else kind


def sound_tracks(container: InputContainer) -> list[SoundTrack]:
    """The sound tracks of an open file."""
    return [_sound_track(stream) for stream in container.streams.audio]


def audio_stream(container: InputContainer, track: SoundTrack) -> AudioStream:
    """The stream of a sound track in an open file."""
    return next(one for one in container.streams.audio if one.index == track.index)


def _sound_track(stream: AudioStream) -> SoundTrack:
    context = cast("AudioCodecContext | None", stream.codec_context)
    language = stream.metadata.get("language", "")
    language = "" if language == "und" else language
    seconds = float(in_seconds(stream.duration, stream.time_base)) or None
    if context is None:
        return SoundTrack(stream.index, "", 0, 0, seconds, language)
    return SoundTrack(
        stream.index, context.name, context.rate or 0, context.channels or 0, seconds, language
    )


def with_length(track: SoundTrack, lengths: dict[int, float]) -> SoundTrack:
    """The track with its length from those of the streams by index, where the header lacked it."""
    if track.seconds is not None:
        return track
    return SoundTrack(
        track.index, track.codec, track.rate, track.channels, lengths.get(track.index),
        track.language,
    )  # fmt: skip
