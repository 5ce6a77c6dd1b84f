"""`python -m spfem.released`: NED folders in and out; light, so that `--help` loads no torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spfem.errors import InputError
from spfem.processes import run_command

if TYPE_CHECKING:
    from spfem.face.track import FaceTrack
    from spfem.released.deca import Deca
    from spfem.released.deca_codes import DecaCodes
    from spfem.released.ned_export import ClipToWrite


IMPORT_DESCRIPTION = """\
Read a folder that NED or SCMCL preprocessed, whole, and say what is in it.

DIR is the folder of one person (videos, images, masks, ..._aligned, DECA and so on, flat or in
sub-folders of 50 frames). Each folder must hold the same frames. Pickles are read without running
anything in them.

In Python, spfem.released.ned.read_clips(open_ned_folder(DIR)) gives the clips: align is that of a
FaceTrack, to_renderer_clip gives what a renderer of NED's layout learns from, and expression the
FLAME vectors of the manipulator. NED keeps no 478 landmarks and no codes of our own head, so
stages that need these must track the videos again.
"""
EXPORT_DESCRIPTION = """\
Write folders that NED and SCMCL take for preprocessed ones.

SOURCE is a video (it is tracked first), a folder of a finished face stage (data/<run>/faces; one
folder an actor is written, with clips named <emotion>_<number>), or a folder of NED itself, for
another division (--split).

With --deca, codes are written to DECA/ (of a face stage also <actor>_deca_scmcl.pkl) and the
NMFC and shape images are those of FLAME, which published checkpoints know. Without, there are no
codes, because those of the default head model are no FLAME coefficients, and the images are drawn
from the default head: a renderer must be trained on them. What is left out is said in
made_by_spfem.json.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of both commands."""
    whole = argparse.ArgumentParser(prog="python -m spfem.released", allow_abbrev=False)
    commands = whole.add_subparsers(dest="command", required=True)

    def command(name: str, title: str, description: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            allow_abbrev=False,
            help=title,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    parser = command(
        "import-ned", "read folders that NED or SCMCL preprocessed", IMPORT_DESCRIPTION
    )
    parser.add_argument("source", type=Path, metavar="DIR", help="folder of one person")
    add = command(
        "export-ned", "write folders as NED and SCMCL preprocess them", EXPORT_DESCRIPTION
    ).add_argument
    add("source", type=Path, metavar="SOURCE", help="see above")
    add("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    add(
        "--split",
        action="store_true",
        help="as for NED's training: sub-folders of 50 frames, landmarks with the mouth, no whole "
        "frames (default: as for its test)",
    )
    add("--deca", type=Path, metavar="DIR", help="folder with the files of FLAME and DECA")
    add(
        "--corpus",
        type=Path,
        metavar="DIR",
        help="recordings of a face stage (default: corpus/ beside the stage)",
    )
    return whole


def import_ned(arguments: argparse.Namespace) -> None:
    """Run `import-ned`."""
    from spfem.released.ned import open_ned_folder, read_clips

    opened = open_ned_folder(arguments.source)
    for clip in read_clips(opened):
        known = "with" if clip.codes is not None else "without"
        print(f"{clip.name}: {len(clip)} frames, {known} DECA codes")
    if opened.missing:
        print(f"not there: {', '.join(opened.missing)}")


def export_ned(arguments: argparse.Namespace) -> None:
    """Run `export-ned`.

    Raises:
        InputError: if the source is nothing that can be exported.
    """
    from spfem.released.deca_codes import write_person_codes
    from spfem.released.ned_export import new_folder, write_ned_folder

    source: Path = arguments.source
    with new_folder(arguments.out) as folder:
        if source.is_file():
            persons: Iterator[tuple[str, Iterator[ClipToWrite]]] = iter([("", _video(arguments))])
        elif (source / "artifact.json").is_file():
            persons = _persons_of_stage(arguments)
        elif (source / "images").is_dir() or (source / "faces_aligned").is_dir():
            persons = iter([("", _ned_clips(source))])
        else:
            raise InputError(
                f"{source} is no video, no folder of a face stage and none of NED; give one"
            )
        for actor, clips in persons:
            codes: list[tuple[str, str, DecaCodes]] = []
            noted = _note_codes(clips, codes) if actor else clips
            frames = write_ned_folder(folder / actor, noted, split=arguments.split)
            if codes:
                write_person_codes(folder / f"{actor}_deca_scmcl.pkl", codes)
            print(f"{actor or arguments.out.name}: {frames} frames")
    if not arguments.deca and source.is_file():
        print("without DECA codes, and drawn from the default head; see export-ned --help")
    print(f"wrote {arguments.out}")


def _note_codes(
    clips: Iterator[ClipToWrite], codes: list[tuple[str, str, DecaCodes]]
) -> Iterator[ClipToWrite]:
    """Pass clips on and gather their codes for the file of the person."""
    for item in clips:
        if item.clip.codes is not None:
            emotion, number = item.clip.name.split("_", 1)
            codes.append((emotion, number, item.clip.codes))
        yield item


def _video(arguments: argparse.Namespace) -> Iterator[ClipToWrite]:
    from spfem.face.track import track_clip
    from spfem.released.ned_files import NED_SIZE
    from spfem.settings import FaceSettings

    track = track_clip(arguments.source, FaceSettings(face_size=NED_SIZE))  # for fine masks
    yield _to_write(arguments, arguments.source.stem, arguments.source, track, _deca(arguments))


def _persons_of_stage(arguments: argparse.Namespace) -> Iterator[tuple[str, Iterator[ClipToWrite]]]:
    from spfem.corpus.clips import open_corpus
    from spfem.face.track import FaceTrack
    from spfem.run.faces import track_path

    corpus = open_corpus(arguments.corpus or arguments.source.parent / "corpus")
    deca = _deca(arguments)
    tracked = [c for c in corpus.clips if track_path(arguments.source, c.key).is_file()]
    if not tracked:
        raise InputError(
            f"{arguments.source} has no track of a clip of {corpus.root}; name its recordings with "
            "--corpus"
        )

    def clips_of(actor: str) -> Iterator[ClipToWrite]:
        for clip in tracked:
            if clip.actor == actor:
                track = FaceTrack.load(track_path(arguments.source, clip.key))
                name = f"{clip.emotion}_{clip.number}"
                yield _to_write(arguments, name, clip.video, track, deca)

    for actor in dict.fromkeys(clip.actor for clip in tracked):
        yield actor, clips_of(actor)


def _ned_clips(folder: Path) -> Iterator[ClipToWrite]:
    from spfem.released.ned import open_ned_folder, read_clips
    from spfem.released.ned_export import ClipToWrite

    return map(ClipToWrite, read_clips(open_ned_folder(folder)))


def _to_write(
    arguments: argparse.Namespace, name: str, video: Path, track: FaceTrack, deca: Deca | None
) -> ClipToWrite:
    from spfem.media.video import read_video, stream_frames
    from spfem.released.ned_export import ClipToWrite, ned_clip_of_track

    frames = read_video(video).frames
    clip = ned_clip_of_track(name, frames, track, mouth=arguments.split, deca=deca)
    return ClipToWrite(clip, video, None if arguments.split else lambda: stream_frames(video))


def _deca(arguments: argparse.Namespace) -> Deca | None:
    if arguments.deca is None:
        return None
    from spfem.released.deca import load_deca

    return load_deca(arguments.deca)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; errors and signals end as in `python -m spfem`."""
    arguments = build_parser().parse_args(words)
    chosen = export_ned if arguments.command == "export-ned" else import_ned
    return run_command(lambda: chosen(arguments))


if __name__ == "__main__":
    sys.exit(main())
