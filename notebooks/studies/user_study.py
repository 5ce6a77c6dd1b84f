"""A blinded comparison of result videos by people: the page to hand out, and the key to keep."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
from av.container import InputContainer
from av.video.stream import VideoStream

from spfem.errors import InputError
from spfem.files import write_json, writing
from spfem.media.audio import copied_packets
from spfem.media.container import VIDEO_SUFFIXES, is_ignored, open_media, suffix_of, write_media
from spfem.media.probe import UPRIGHT, probe_video, video_stream
from spfem.media.video import stream_frames, write_video
from spfem.settings import EMOTIONS

SOURCE, REFERENCE, SPOILT, REALISM = "source", "reference", "spoilt", "realism"
EDIT = re.compile(r"(?:intra|cross)-(?P<actor>\w+)-(?P<emotion>\w+)-(?P<number>\d+)-as-\w+")
WANTED = re.compile(rf"-as-({'|'.join(EMOTIONS)})$")
ADJECTIVES = {"fear": "afraid"}  # "looks more fear" is no English
NAME_DIGITS = 12
STUDIED_BASE = "moved"  # of a run: pictures without a renderer's own faults
SHOWN = ("h264", "vp9", "av1", "libdav1d")  # decoders of what browsers show in an mp4 file
TEMPLATE = Path(__file__).with_suffix(".html")
SCRIPT = Path(__file__).with_suffix(".js")


@dataclass(frozen=True)
class StudySettings:
    """How much a participant sees, and how answers become a table.

    The papers' studies are not described; questions and sizes are ours.
    """

    trials: int = 24  # comparisons a participant, besides checks and repeats
    checks: int = 2  # comparisons with a spoilt video, whose answer is known
    repeats: int = 3  # comparisons shown again with sides swapped
    check_blocks: int = 8  # blocks over the width of a spoilt frame
    resamples: int = 2000
    confidence: float = 0.95
    prior_wins: float = 0.5  # added to each side of each pair, so that strengths stay finite
    largest_file_bytes: int = 2_000_000  # of answers

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise InputError(f"trials {self.trials}: one comparison is the least")


@dataclass(frozen=True)
class StudyClip:
    """One clip that every method edited: results by method, and what they were made from, if known.

    The name is that of the files; the wanted emotion is from a name that ends in `-as-<emotion>`,
    empty if unknown.
    """

    name: str
    emotion: str
    videos: dict[str, Path]
    source: Path | None
    reference: Path | None


def find_clips(
    where: Path | Mapping[str, Path], methods: Sequence[str] | None = None
) -> list[StudyClip]:
    """The clips that every method has; `methods` are some of those found, or all if None.

    They are in a folder of videos by method, with the same file names in each; the names `source`
    and `reference` stand for what the results were made from. Or `where` is one folder that holds
    such folders, or the data of a run (`data/<corpus>-<scale>`), whose base `moved` is shown.

    Raises:
        InputError: if fewer than two methods or no common clip is found, or a method is missing.
    """
    if isinstance(where, Path):
        folders = _folders_inside(where)
    else:
        folders = {name: (path,) for name, path in where.items()}
    videos = {name: _videos(*part) for name, part in folders.items()}
    known = [name for name in videos if name not in (SOURCE, REFERENCE)]
    methods = known if methods is None else methods
    if missing := [name for name in methods if name not in known]:
        raise InputError(f"there are no videos of {', '.join(missing)}, only of {known or 'none'}")
    if len(methods) < 2:
        raise InputError(f"a comparison needs two methods or more, found {methods or 'none'}")
    shared = set.intersection(*(set(videos[name]) for name in methods))
    if not shared:
        raise InputError(f"no video has the same name in all of {', '.join(methods)}")
    sources = videos.get(SOURCE, {})
    if isinstance(where, Path) and not sources:
        sources = {n: path for n in shared if (path := _source_in_run(where, n))}
    return [
        StudyClip(
            name,
            found[1] if (found := WANTED.search(name)) else "",
            {method: videos[method][name] for method in methods},
            sources.get(name),
            videos.get(REFERENCE, {}).get(name),
        )
        for name in sorted(shared)
    ]


def _folders_inside(root: Path) -> dict[str, tuple[Path, ...]]:
    """By method; of a run those of all its seeds, each of which shows a share of the edits."""
    edits = root / "edits" / STUDIED_BASE
    folders = {}
    for path in sorted((edits if edits.is_dir() else root).glob("*")):
        part = tuple(sorted(path.glob("seed*"))) or (path,)
        if all(folder.is_dir() for folder in part) and _videos(*part):
            folders[path.name] = part
    return folders


def _videos(*folders: Path) -> dict[str, Path]:
    """Videos by name; of those with one name that of the first folder."""
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder; give one of videos for each method")
        for path in sorted(folder.glob("*")):
            kept = suffix_of(path.name) in VIDEO_SUFFIXES and not is_ignored(path.name)
            if kept and path.is_file():
                found.setdefault(path.stem, path)
    return found


def _source_in_run(run: Path, name: str) -> Path | None:
    """The source of an edit of a run, in its corpus of MEAD's layout."""
    edit = EDIT.fullmatch(name)
    if not edit:
        return None
    pattern = f"{edit['actor']}/video/front/{edit['emotion']}/level_*/{edit['number']}.mp4"
    return min((run / "corpus").glob(pattern), default=None)


@dataclass
class Design:
    """A study: what the page may know, the key that it must not know, and the files to copy.

    `copies` tells where each blinded video comes from, `spoilt` those made by spoiling another.
    """

    page: dict[str, Any]
    key: dict[str, Any]
    copies: dict[str, Path] = field(default_factory=dict)
    spoilt: dict[str, Path] = field(default_factory=dict)


def make_design(clips: Sequence[StudyClip], settings: StudySettings, seed: int) -> Design:
    """Every pair of methods on every clip, and checks that pair a video with a spoilt copy.

    The same clips and seed give the same study. Which comparisons a participant sees, in which
    order and on which side, is drawn in the page for each participant.
    """
    names = random.Random(seed)
    # Not Python's own hash, which differs between runs.
    digest = hashlib.sha256(f"{seed} {[(c.name, sorted(c.videos)) for c in clips]}".encode())
    study = digest.hexdigest()[:NAME_DIGITS]
    design = Design({"study": study}, {"study": study, "seed": seed})
    methods = sorted({method for clip in clips for method in clip.videos})
    trials: list[dict[str, Any]] = []
    hidden: dict[str, dict[str, Any]] = {}

    def blind() -> str:
        return f"{names.getrandbits(4 * NAME_DIGITS):0{NAME_DIGITS}x}"

    def copy(path: Path, copies: dict[str, Path]) -> str:
        copies[name := blind()] = path
        return name

    def add(clip: StudyClip, shown: dict[str, Any], videos: dict[str, str], **facts: Any) -> None:
        pair = sorted(videos)  # by blinded name, so that the order says nothing
        trials.append({"id": blind(), **shown, "videos": pair, "fixed": "expected" in facts})
        hidden[trials[-1]["id"]] = {"clip": clip.name, "videos": videos, **facts}

    given: dict[str, dict[str, Any]] = {}
    for clip in clips:
        shown = given[clip.name] = {"emotion": ADJECTIVES.get(clip.emotion, clip.emotion)}
        for role, path in ((SOURCE, clip.source), (REFERENCE, clip.reference)):
            shown[role] = copy(path, design.copies) if path else ""
        blinded = {method: copy(path, design.copies) for method, path in clip.videos.items()}
        for group, (first, second) in enumerate(combinations(methods, 2)):
            add(clip, {**shown, "group": group}, {blinded[first]: first, blinded[second]: second})
    for clip in names.sample(list(clips), min(settings.checks, len(clips))):
        method = names.choice(sorted(clip.videos))
        good = copy(clip.videos[method], design.copies)
        bad = copy(clip.videos[method], design.spoilt)
        add(clip, {**given[clip.name], "group": -1}, {good: method, bad: SPOILT}, expected=good)
    design.page |= {
        "questions": _questions(clips),
        "trials": sorted(trials, key=lambda trial: trial["id"]),
        "perParticipant": settings.trials,
        "repeats": settings.repeats,
    }
    design.key |= {"methods": methods, "trials": dict(sorted(hidden.items()))}
    design.key["questions"] = [question["id"] for question in design.page["questions"]]
    return design


def _questions(clips: Sequence[StudyClip]) -> list[dict[str, str]]:
    """Realism, emotion similarity, mouth shape: presumably the questions of the papers' studies."""
    texts = {REALISM: "Which video looks more like a real recording?"}
    if all(clip.reference for clip in clips):
        texts["emotion"] = "In which video is the emotion more like that of the reference?"
    elif all(clip.emotion for clip in clips):
        texts["emotion"] = "In which video does the person look more {emotion}?"
    end = "the mouth of the original" if all(clip.source for clip in clips) else "what is said"
    texts["mouth"] = f"In which video does the mouth fit {end} better, moment by moment?"
    return [{"id": name, "text": text} for name, text in texts.items()]


def make_study(
    where: Path | Mapping[str, Path],
    out: Path,
    *,
    methods: Sequence[str] | None = None,
    settings: StudySettings | None = None,
    seed: int = 0,
) -> tuple[Path, Path]:
    """Write `page/` (index.html and blinded videos) and `key.json` below `out`.

    Folders of videos, and methods, are those of `find_clips`; `out` is a new or empty folder.

    Returns:
        The page to hand out, and the key to keep from participants.

    Raises:
        InputError: if the folder is in use, or videos are missing or damaged.
    """
    settings = StudySettings() if settings is None else settings
    found = find_clips(where, methods)
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; a study and its key need a folder of their own")
    design = make_design(found, settings, seed)
    page, key = out / "page", out / "key.json"
    try:
        for name, path in design.copies.items():
            copy_blinded(path, page / "videos" / f"{name}.mp4")
        for name, path in design.spoilt.items():
            spoil(path, page / "videos" / f"{name}.mp4", settings.check_blocks)
    except BaseException:
        shutil.rmtree(page, ignore_errors=True)
        raise
    write_json(key, design.key)
    # "<" is escaped so that no name can end the script.
    data = json.dumps(design.page, sort_keys=True).replace("<", "\\u003c")
    text = TEMPLATE.read_text("utf-8")
    text = text.replace("/*SCRIPT*/", SCRIPT.read_text("utf-8")).replace('"/*DATA*/"', data)
    with writing(page / "index.html") as aside:
        aside.write_text(text, encoding="utf-8")
    return page / "index.html", key


def copy_blinded(source: Path, target: Path) -> None:
    """Copy pictures and sound, without the metadata, which names the method.

    Pictures are copied bit by bit where browsers show them in an mp4 file, else encoded anew.

    Raises:
        InputError: if the file cannot be read.
    """
    facts = probe_video(source)
    with open_media(source) as old:
        stream = video_stream(old, source)
        known = "mp4" in old.format.name and stream.codec_context.name in SHOWN
        if known and facts.orientation == UPRIGHT:
            _copy_streams(old, stream, target, source)
            return
    colour = facts.colour.as_written()
    write_video(target, stream_frames(source), facts.fps, audio_from=source, colour=colour)


def _copy_streams(old: InputContainer, stream: VideoStream, target: Path, source: Path) -> None:
    with write_media(target) as new:
        video = new.add_stream_from_template(stream)
        video.metadata.clear()
        unit = stream.time_base or Fraction(1)
        shift = round(probe_video(source).start / unit)
        sound = copied_packets(new, source)
        waiting = next(sound, None)
        for packet in old.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            seconds = (packet.dts - shift) * unit
            packet.dts, packet.pts = packet.dts - shift, packet.pts - shift
            packet.stream = video
            while waiting is not None and waiting[0] <= seconds:
                new.mux(waiting[1])
                waiting = next(sound, None)
            new.mux(packet)
        for rest in filter(None, [waiting, *sound]):
            new.mux(rest[1])


def spoil(source: Path, target: Path, blocks: int) -> None:
    """Copy a video, with its sound, as so many coarse blocks a row: nobody takes it for better."""
    facts = probe_video(source)

    def coarse(frame: Any) -> Any:
        height, width = frame.shape[:2]
        size = (blocks, max(1, round(blocks * height / width)))
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)

    write_video(target, map(coarse, stream_frames(source)), facts.fps, audio_from=source)
