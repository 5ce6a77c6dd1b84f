"""What a result can keep of its source, said and tried before work begins."""

from __future__ import annotations

import os
import shutil
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av

from spfem.errors import ArtifactError, InputError
from spfem.media.colour import RGB
from spfem.media.mux import copied_packets, is_copied
from spfem.media.probe import VideoFacts

LEAST_FREE_SHARE = 0.5  # of the source's size, that must be free where the result goes
LEAST_FREE_BYTES = 1 << 20


def check_result(source: Path, facts: VideoFacts, out: Path) -> tuple[str, ...]:
    """Try all that a result with the sound of `source` needs, but its pictures.

    Sound is taken over into memory as it will be into the file, and the place is written to, so
    that what cannot be written fails now and not after hours of work.

    Args:
        source: the video.
        facts: of it.
        out: where the result will be.

    Returns:
        What the result will lack, see `list_losses`.

    Raises:
        InputError: if its sound cannot be written.
        ArtifactError: if the place cannot be written to, or has no space.
    """
    _check_place(source, out)
    if facts.sounds and not facts.has_audio:
        raise InputError(
            f"{source}: no sound track has a decoder here "
            f"({'; '.join(track.title for track in facts.sounds)}); convert its sound to AAC"
        )
    if facts.has_audio:
        try:
            _try_sound(source)
        except (av.FFmpegError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{source}: its sound cannot be written into an mp4 file ({reason}); convert its "
                "sound to AAC"
            ) from None
    return list_losses(facts)


def _check_place(source: Path, out: Path) -> None:
    folder = out.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if out.is_dir():
            raise ArtifactError(f"{out} is a folder; give the name of a new mp4 file")
        trial = folder / f".{out.stem[:100]}.{os.getpid()}.part"
        trial.write_bytes(b"")
        trial.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ArtifactError(
            f"{out} cannot be written ({error.strerror}); choose another place"
        ) from None
    needed = max(LEAST_FREE_BYTES, round(LEAST_FREE_SHARE * source.stat().st_size))
    if free < needed:
        raise ArtifactError(
            f"{folder} has {free / 1e6:.0f} MB left, and the result needs about "
            f"{needed / 1e6:.0f} MB; free some space"
        )


def _try_sound(source: Path) -> None:
    with av.open(BytesIO(), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        sound = copied_packets(container, source)
        first = next(sound, None)
        for packet in stream.encode(av.VideoFrame(32, 32, "yuv420p")):
            container.mux(packet)
        container.mux(stream.encode(None))
        if first is not None:
            container.mux(first[1])
        for _, packet in sound:
            container.mux(packet)


def list_losses(facts: VideoFacts) -> tuple[str, ...]:
    """What an mp4 file made of such a video lacks, each in a few words."""
    losses = []
    if facts.colour.is_hdr:
        losses.append("high dynamic range (tone-mapped to BT.709)")
    elif facts.colour.bits > 8:
        losses.append(f"{facts.colour.bits} bits a colour (8 are written)")
    if facts.colour.matrix == RGB:
        losses.append("RGB (4:2:0 in BT.709 is written)")
    for number, track in enumerate(facts.sounds, 1):
        if not track.decodable:
            losses.append(f"sound track {number} ({track.title}: no decoder)")
        elif not is_copied(track):
            losses.append(f"the encoding of sound track {number} ({track.title}; AAC is written)")
    losses += [f"a track of {kind}" for kind in sorted(set(facts.others) - {"unknown"})]
    return tuple(losses)
