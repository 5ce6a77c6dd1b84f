"""Everything that is known about a folder of recordings after looking through it.

Which corpus a run uses: the embedded one, a known one below the data folder, or any folder.

Whether the clips of recordings can be used: a cheap look, one frame a file is decoded.

The stage that lists recordings for a workspace: looked through once, then read back.

What a folder of recordings holds, what is wrong with it, what can be made of it, in print.
"""

from __future__ import annotations

import csv
import os
import re
import textwrap
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from tqdm.auto import tqdm

from spfem.corpus.clips import (
    LIST_NAME,
    Clip,
    Corpus,
    DamagedClip,
    damage_rows,
    read_list,
    save_list,
    whole,
)
from spfem.corpus.folder import (
    MP4_SUFFIXES,
    FolderContent,
    FoundClip,
    FoundFile,
    walk_folder,
    why_cut_off,
)
from spfem.corpus.layouts import find_clips, protocol_roles, roles_of
from spfem.corpus.protocol import edit_protocol, find_protocol, held_back_clips, protocol_names
from spfem.errors import CorpusError, InputError, SettingsError
from spfem.files import digest, writing
from spfem.media.container import PICTURES_FPS, open_media, picture_paths, sound_tracks, suffix_of
from spfem.media.probe import moving_streams, probe_video
from spfem.run.artifacts import RECORD_NAME, open_stage
from spfem.settings import EMOTIONS

EMBEDDED = "synthetic"
CORPORA = (EMBEDDED, "mead", "ravdess")


@dataclass(frozen=True)
class CorpusChoice:
    """Name of a corpus in folders of results, and where its recordings lie (None: embedded)."""

    name: str
    recordings: Path | None


def choose_corpus(corpus: str, data: Path, base: Path) -> CorpusChoice:
    """The corpus that `--corpus` means.

    Args:
        corpus: `synthetic`; `mead` or `ravdess` for that folder below `data`; or any folder with
            recordings, whose own name then names the results.
        data: folder of generated data.
        base: what relative folders are relative to.

    Raises:
        SettingsError: if it is neither, or a folder whose name is taken.
    """
    if corpus == EMBEDDED:
        return CorpusChoice(corpus, None)
    folder = data / corpus if corpus in CORPORA else base / Path(corpus).expanduser()
    if not folder.is_dir():
        raise SettingsError(
            f"corpus {corpus!r} is unknown: there is no folder {folder}; give "
            f"{', '.join(CORPORA)} or a folder with recordings"
        )
    name = corpus if corpus in CORPORA else re.sub(r"[^\w.]+", "-", folder.resolve().name.lower())
    name = name.strip("-._")
    if not name or name == EMBEDDED:
        raise SettingsError(
            f"corpus {corpus!r}: the folder's name would name the results, and "
            f"{name or 'an empty name'!r} cannot; rename the folder"
        )
    return CorpusChoice(name, folder.resolve())


THREADS = min(16, 4 * (os.cpu_count() or 1))  # they mostly wait for the disk
EDGE_BYTES = 1 << 16
SHORTEST_SECONDS = 0.4  # one window of ten frames at 25 frames a second
UNEQUAL_SECONDS = 0.25  # sound and video that differ more are remarked upon
UNEQUAL_SHARE = 0.5  # the shorter must be at least so much of the longer


@dataclass(frozen=True)
class CheckedClip:
    """A clip that can be used.

    Attributes:
        clip: as found.
        fps: frames per second.
        seconds: of the video.
        content: digest of size, first and last 64 KiB of its files.
        remark: something odd about it that does not keep it from use.
    """

    clip: FoundClip
    fps: Fraction
    seconds: float
    content: str
    remark: DamagedClip | None = None


class _UnusableError(Exception):
    """Reason and details why a clip cannot be used."""


def check_clips(
    content: FolderContent, clips: Iterable[FoundClip]
) -> Iterator[CheckedClip | DamagedClip]:
    """Check clips in threads, with a bar of progress; the order is that of the clips."""
    clips = list(clips)
    with ThreadPoolExecutor(THREADS) as pool:
        answers = pool.map(lambda clip: check_clip(content, clip), clips)
        yield from tqdm(answers, total=len(clips), desc="checking", unit="clip", mininterval=1.0)


def check_clip(content: FolderContent, clip: FoundClip) -> CheckedClip | DamagedClip:
    """Look at the headers of a clip's files; what keeps it from use is returned, not raised."""
    files = [clip.video] if clip.audio is None else [clip.video, clip.audio]
    name = clip.video
    try:
        contents = []
        for name in files:
            contents.append(_content_of(content, name))
        name = clip.video
        fps, seconds, sound_inside = _video_facts(content, clip.video)
        name = clip.audio or clip.video
        sound = sound_inside if clip.audio is None else _sound_seconds(content.locate(clip.audio))
        return CheckedClip(clip, fps, seconds, "-".join(contents), _compare(clip, seconds, sound))
    except _UnusableError as error:
        return DamagedClip(name, *error.args)
    except InputError as error:
        return DamagedClip(name, "not readable as media", str(error))
    except OSError as error:
        return DamagedClip(name, "unreadable", f"{error.strerror or error}; check disk and rights")


def _content_of(content: FolderContent, name: str) -> str:
    """Digest that tells a file from others; refuses empty and truncated files."""
    found = content.files.get(name)
    if found is None:
        return _content_of_pictures(content, name)
    if found.size == 0:
        raise _UnusableError("empty", "0 bytes; copy it again")
    path = content.locate(name)
    missing = why_cut_off(path) if suffix_of(name) in MP4_SUFFIXES else ""
    if missing:
        raise _UnusableError("truncated", f"{missing}; copy or download it again")
    return _edges(path, found)


def _edges(path: Path, found: FoundFile) -> str:
    hasher = sha256(str(found.size).encode())
    with path.open("rb") as file:
        hasher.update(file.read(EDGE_BYTES))
        file.seek(max(0, found.size - EDGE_BYTES))
        hasher.update(file.read(EDGE_BYTES))
    return hasher.hexdigest()[:16]


def _content_of_pictures(content: FolderContent, name: str) -> str:
    folder = content.pictures[name]
    hasher = sha256(f"{folder.first} {folder.last} {folder.count} {folder.size}".encode())
    paths = picture_paths(content.locate(name))
    for path in (paths[0], paths[-1]):
        hasher.update(path.read_bytes())
    return hasher.hexdigest()[:16]


def _video_facts(content: FolderContent, name: str) -> tuple[Fraction, float, float | None]:
    """Rate, seconds of video, and seconds of the sound inside (None without sound)."""
    if name in content.pictures:
        folder = content.pictures[name]
        frames = folder.last - folder.first + 1
        _refuse_short(frames / PICTURES_FPS)
        return Fraction(PICTURES_FPS), frames / PICTURES_FPS, None
    path = content.locate(name)
    with open_media(path) as container:
        if not moving_streams(container):
            raise _UnusableError("no video track", "give a video file")
    facts = probe_video(path)
    seconds = facts.seconds or 0.0
    _refuse_short(seconds)
    sound = None if facts.sound is None else facts.sound.seconds or seconds
    return facts.fps, seconds, sound


def _refuse_short(seconds: float) -> None:
    if seconds < SHORTEST_SECONDS:
        raise _UnusableError("too short", f"{seconds:.2f} s; a window needs {SHORTEST_SECONDS} s")


def _sound_seconds(path: Path) -> float | None:
    with open_media(path) as container:
        tracks = [track for track in sound_tracks(container) if track.decodable]
        return tracks[0].seconds or (container.duration or 0) / 1e6 if tracks else None


def _compare(clip: FoundClip, seconds: float, sound: float | None) -> DamagedClip | None:
    """A remark where sound and video differ in length.

    Raises:
        _UnusableError: if there is no sound, or the lengths cannot belong together.
    """
    if sound is None:
        raise _UnusableError("no sound", "no audio track; pairing needs it, so add a sound file")
    name = clip.audio or clip.video
    details = f"sound {sound:.2f} s, video {seconds:.2f} s"
    kind = "audio longer than video" if sound > seconds else "audio shorter than video"
    if min(sound, seconds) < UNEQUAL_SHARE * max(sound, seconds):
        raise _UnusableError(kind, f"{details}; they do not belong together")
    if abs(sound - seconds) <= UNEQUAL_SECONDS:
        return None
    return DamagedClip(name, kind, f"{details}; the common part is used", used=True)


NAMES = {"mead": "mead", "asccl": "mead", "ravdess": "ravdess"}
WITHOUT_ROLE = "clips of actors whom the papers did not use, or who cannot be edited"
TOO_FEW = "needs two neutral sentences, one to edit and one to learn from; its clips are left out"
RATE_TOLERANCE = 0.005  # 29.97 and 30 are one rate: after ten seconds they are 10 ms apart


@dataclass(frozen=True)
class Survey:
    """A folder of recordings.

    Attributes:
        root: the folder.
        name: `mead` or `ravdess` where the papers' protocol fits, else that of the folder.
        kind: `mead`, `ravdess`, `asccl`, `table` or `list`.
        clips: that can be used, in the order of a corpus.
        damaged: files that are left out, and those used with a remark.
        unused: why other files are not used -> how many.
        roles: of the actors of `clips`.
        fps: frames per second of the clips; None if there is no clip.
        files, ignored: how many files were seen, and hidden or unfinished ones passed over.
    """

    root: Path
    name: str
    kind: str
    clips: tuple[CheckedClip, ...]
    damaged: tuple[DamagedClip, ...]
    unused: Mapping[str, int]
    roles: Mapping[str, str]
    fps: Fraction | None
    files: int
    ignored: int

    def digest(self) -> str:
        """Digest of words, roles, rate and content of all clips, but not of places and times.

        The content of a file is told by its size, first and last 64 KiB.
        """
        rows = [[one.clip.key, one.clip.sentence, one.content] for one in self.clips]
        return digest([sorted(rows), dict(self.roles), str(self.fps)])

    def corpus(self) -> Corpus:
        """The clips as a corpus.

        Raises:
            CorpusError: if no clip can be used.
        """
        if self.fps is None:
            first = self.damaged[0] if self.damaged else None
            why = f"; the first: {first.path}: {first.reason}, {first.details}" if first else ""
            raise CorpusError(f"{self.root}: no clip can be used{why}")
        return Corpus(
            root=self.root,
            name=self.name,
            fps=whole(self.fps),
            clips=tuple(_open(self.root, one.clip) for one in self.clips),
            roles=self.roles,
            digest=self.digest(),
            damaged=self.damaged,
        )


def _open(root: Path, found: FoundClip) -> Clip:
    return Clip(
        root=root,
        actor=found.actor,
        emotion=found.emotion,
        level=found.level,
        number=found.number,
        sentence=found.sentence,
        video_file=root / found.video,
        audio_file=root / found.audio if found.audio else None,
    )


def survey_folder(root: Path) -> Survey:
    """Look through a folder of recordings; nothing in it is changed.

    Raises:
        CorpusError: if it is no folder, or its layout is not known.
    """
    return survey_content(walk_folder(root))


def survey_content(content: FolderContent) -> Survey:
    """As `survey_folder`, of a folder that was walked already."""
    kind, found = find_clips(content)
    damaged = [*content.damaged, *found.damaged]
    checked = []
    for answer in check_clips(content, found.clips):
        if isinstance(answer, DamagedClip):
            damaged.append(answer)
        else:
            checked.append(answer)
    fps = most_common_rate([one.fps for one in checked])
    clips = []
    for one in checked:
        if fps is not None and not _is_same_rate(one.fps, fps):
            details = (
                f"{float(one.fps):.3f} frames a second, most clips have {float(fps):.3f}; "
                f"convert it: ffmpeg -i OLD -r {fps} NEW"
            )
            damaged.append(DamagedClip(one.clip.video, "another frame rate", details))
            continue
        clips.append(one)
        if one.remark is not None:
            damaged.append(one.remark)
    name = _name_of(content.root, kind, {one.clip.actor for one in clips})
    stated = {one.clip.actor: one.clip.role for one in clips}
    editable = _editable(content.root, name, [one.clip for one in clips])
    roles = roles_of(name, stated, editable)
    targets = [actor for actor, role in roles.items() if role == "target"]
    for actor in targets:
        if actor not in editable and editable.intersection(targets):
            del roles[actor]
            damaged.append(DamagedClip(actor, "target without clips to learn from", TOO_FEW))
    unused = found.unused
    if outside := sum(one.clip.actor not in roles for one in clips):
        unused[WITHOUT_ROLE] = outside
    damaged += _missing_emotions(clips, roles)
    return Survey(
        root=content.root,
        name=name,
        kind=kind,
        clips=tuple(
            sorted(
                (one for one in clips if one.clip.actor in roles), key=lambda one: one.clip.order
            )
        ),
        damaged=tuple(sorted(damaged, key=lambda one: (one.path, one.reason))),
        unused=dict(unused),
        roles=roles,
        fps=fps,
        files=len(content.files) + sum(each.count for each in content.pictures.values()),
        ignored=content.ignored,
    )


def _name_of(root: Path, kind: str, actors: set[str]) -> str:
    """The name that finds the papers' protocol where it fits, else that of the folder."""
    name = NAMES.get(kind, "")
    if protocol_roles(name, actors):
        return name
    own = root.resolve().name
    return f"own {own}" if own in protocol_names() else own


def _editable(root: Path, name: str, clips: list[FoundClip]) -> set[str]:
    """Actors of whom a neutral clip can be edited that no network learned from."""
    roles = dict.fromkeys({clip.actor for clip in clips}, "target")
    corpus = Corpus(root, name, 0, tuple(_open(root, clip) for clip in clips), roles, "")
    editable = set()
    for actor in roles:
        try:
            held_back_clips(corpus, actor)
        except CorpusError:
            continue
        editable.add(actor)
    return editable


def _missing_emotions(clips: list[CheckedClip], roles: Mapping[str, str]) -> list[DamagedClip]:
    present = {(one.clip.actor, one.clip.emotion) for one in clips}
    details = "no usable clip; the actor's other emotions are used"
    return [
        DamagedClip(f"{actor}/{emotion}", "missing emotion", details, used=True)
        for actor in roles
        for emotion in EMOTIONS
        if (actor, emotion) not in present
    ]


def _is_same_rate(one: Fraction, other: Fraction) -> bool:
    return abs(one - other) <= RATE_TOLERANCE * other


def most_common_rate(rates: list[Fraction]) -> Fraction | None:
    """The rate that most clips have, within the tolerance; None without clips."""
    counts = Counter(rates)
    if not counts:
        return None

    def near(rate: Fraction) -> tuple[int, int, Fraction]:
        alike = sum(count for other, count in counts.items() if _is_same_rate(other, rate))
        return alike, counts[rate], rate

    return max(counts, key=near)


def list_recordings(root: Path, folder: Path) -> Corpus:
    """The corpus of a folder of recordings, listed in `corpus.json` of the stage folder.

    The recordings are only read. They are looked through anew when a name, size or time differs
    from the last run; within one run of Python they are walked once.

    Args:
        root: the recordings.
        folder: of the stage.

    Raises:
        CorpusError: if the folder's layout is not known, or no clip can be used.
        SettingsError: if the stage folder belongs to another folder of recordings.
        ArtifactError: as `open_stage`.
    """
    record = folder / RECORD_NAME
    stamp = record.stat().st_mtime_ns if record.exists() else 0
    return _list_recordings(root.resolve(), folder, stamp)


@lru_cache(maxsize=4)
def _list_recordings(root: Path, folder: Path, _stamp: int) -> Corpus:
    _check_owner(root, folder)
    content = walk_folder(root)
    stage = open_stage(
        folder,
        "corpus",
        settings={"root": str(root)},
        inputs={"files": content.digest()},
        code=(_list_recordings,),
    )
    if not stage.complete:
        survey = survey_content(content)
        save_list(survey.corpus(), folder)
        left_out = sum(not one.used for one in survey.damaged)
        stage.finish(kind=survey.kind, clips=len(survey.clips), damaged=left_out)
    return read_list(folder / LIST_NAME)


def _check_owner(root: Path, folder: Path) -> None:
    """Refuse to overwrite the results of another folder that has the same name."""
    try:
        owner = read_list(folder / LIST_NAME).root
    except CorpusError:
        return
    if owner != root and owner.is_dir():
        raise SettingsError(
            f"{folder.parent} holds the results of {owner}, not of {root}; rename one of the two "
            "folders of recordings, or choose another --data folder"
        )


Rows = list[dict[str, object]]
SHOWN = 20  # problems on the screen; `out` has them all
WIDTH = 100
NARROWEST = 30  # columns that text is folded into


@dataclass(frozen=True)
class Product:
    """A group of tables or figures.

    Attributes:
        name: of the group.
        possible: whether the recordings suffice for it.
        why: what it rests on, or what is missing.
    """

    name: str
    possible: bool
    why: str


def clip_rows(survey: Survey) -> Rows:
    """One row a clip that is used."""
    return [
        {
            "clip": one.clip.key,
            "role": survey.roles[one.clip.actor],
            "sentence": one.clip.sentence,
            "fps": round(float(one.fps), 3),
            "seconds": round(one.seconds, 3),
            "video": one.clip.video,
            "audio": one.clip.audio or one.clip.video,
        }
        for one in survey.clips
    ]


def actor_rows(survey: Survey) -> Rows:
    """One row an actor: role, clips of each emotion, sentences, pairs and minutes."""
    pairs = Counter(actor for actor, _ in count_pairs(survey).elements())
    rows: Rows = []
    for actor in sorted(survey.roles):
        own = [one for one in survey.clips if one.clip.actor == actor]
        emotions = Counter(one.clip.emotion for one in own)
        rows.append(
            {"actor": actor, "role": survey.roles[actor]}
            | {emotion: emotions[emotion] for emotion in EMOTIONS}
            | {
                "clips": len(own),
                "sentences": len({one.clip.sentence for one in own}),
                "pairs": pairs[actor],
                "minutes": round(sum(one.seconds for one in own) / 60, 2),
            }
        )
    return rows


def problem_rows(survey: Survey) -> Rows:
    """One row a problem: path, reason, details, and whether the clip is used all the same."""
    return damage_rows(survey.damaged)


def count_pairs(survey: Survey) -> Counter[tuple[str, str]]:
    """Pairs of the same words in neutral and in an emotion, by actor and emotion."""
    neutral = {
        (one.clip.actor, one.clip.sentence)
        for one in survey.clips
        if one.clip.emotion == EMOTIONS[0]
    }
    return Counter(
        (one.clip.actor, one.clip.emotion)
        for one in survey.clips
        if one.clip.emotion != EMOTIONS[0] and (one.clip.actor, one.clip.sentence) in neutral
    )


def list_products(survey: Survey) -> list[Product]:
    """Which tables can be made of the recordings, and what the others lack."""
    pairs: Counter[str] = Counter()
    for (actor, _), count in count_pairs(survey).items():
        pairs[survey.roles[actor]] += count
    targets = sorted(actor for actor, role in survey.roles.items() if role == "target")
    corpus = survey.corpus()
    protocol = find_protocol(corpus.name)
    theirs = [actor for actor in targets if protocol and actor in protocol.target_actors]
    truth = "the exact truth of every frame, which only the embedded corpus has"
    return [
        _by_pairs("metrics: learning curves", "train", pairs),
        _by_pairs("metrics: test on an unseen actor", "held_out", pairs),
        _by_pairs("supervision by pairs (SCMCL, LSCMC)", "target", pairs),
        _main_results(corpus, "intra", targets),
        _main_results(corpus, "cross", targets),
        Product(
            "main results beside the papers' tables",
            bool(theirs),
            f"{len(theirs)} target actors of the papers on {corpus.name}: {', '.join(theirs)}"
            if theirs
            else "none of the papers' target actors is there",
        ),
        Product(
            "checks against the exact truth",
            corpus.has_truth,
            f"{'holds' if corpus.has_truth else 'need'} {truth}",
        ),
    ]


def _by_pairs(name: str, role: str, pairs: Mapping[str, int]) -> Product:
    count = pairs.get(role, 0)
    if count:
        return Product(name, True, f"{count} pairs of actors with the role {role}")
    return Product(
        name,
        False,
        f"no actor with the role {role} says one sentence in neutral and in another emotion",
    )


def _main_results(corpus: Corpus, setting: str, targets: list[str]) -> Product:
    name = f"main results, {setting}-ID"
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            edits = [edit for edit in edit_protocol(corpus) if edit.setting == setting]
    except CorpusError as error:
        return Product(name, False, str(error))
    notes = "; ".join(str(one.message) for one in caught) if setting == "cross" else ""
    if not edits:
        lack = notes or f"needs two target actors, there is {', '.join(targets) or 'none'}"
        return Product(name, False, lack)
    actors = len({edit.actor for edit in edits})
    why = f"{len(edits)} edits of {actors} target actors" + (f" ({notes})" if notes else "")
    return Product(name, True, why)


def report_folder(folder: Path, out: Path | None = None) -> None:
    """Print what a folder of recordings holds; nothing in it is changed.

    Args:
        folder: of the recordings.
        out: also write clips.csv, actors.csv, problems.csv and tables.csv into this folder.

    Raises:
        CorpusError: if the layout of the folder is not known, or, after the report, no clip can
            be used; or if `out` lies in the recordings.
    """
    if out is not None and out.resolve().is_relative_to(folder.resolve()):
        raise CorpusError(
            f"{out} (--out) lies in the recordings, which stay untouched; choose another"
        )
    survey = survey_folder(folder)
    tables: dict[str, Rows] = {
        "clips": clip_rows(survey),
        "actors": actor_rows(survey),
        "problems": problem_rows(survey),
        "tables": [],
    }
    _print_head(survey)
    _print_rows("actors and clips", tables["actors"])
    if survey.clips:
        for product in list_products(survey):
            answer = "yes" if product.possible else "no"
            tables["tables"].append(
                {"tables": product.name, "possible": answer, "why": product.why}
            )
    if survey.unused:
        _print_rows(
            "not used", [{"why": why, "files": n} for why, n in sorted(survey.unused.items())]
        )
    _print_problems(survey, tables["problems"])
    _print_rows("what can be made", tables["tables"])
    if out is not None:
        for name, rows in tables.items():
            print(f"wrote {_write(out / f'{name}.csv', rows)}")
    if not survey.clips:
        raise CorpusError(f"{folder}: no clip can be used, see above")
    print(f"\nnext: bash run_all.sh --corpus {folder}")


def _print_head(survey: Survey) -> None:
    hours = sum(one.seconds for one in survey.clips) / 3600
    rate = f"{float(survey.fps):.2f} frames a second" if survey.fps else "no frame rate"
    layouts = {
        "mead": "MEAD",
        "ravdess": "RAVDESS",
        "asccl": "processed layout of ASCCL",
        "table": "table clips.csv",
        "list": "list corpus.json",
    }
    print(f"{survey.root}: {layouts[survey.kind]}")
    print(f"{survey.files} files seen, {survey.ignored} hidden or unfinished ones passed over")
    print(
        f"{len(survey.clips)} clips of {len(survey.roles)} actors, "
        f"{len({one.clip.sentence for one in survey.clips})} sentences, {hours:.2f} hours, {rate}"
    )


def _print_problems(survey: Survey, rows: Rows) -> None:
    if not rows:
        print("\nno file is missing or damaged")
        return
    out = sum(not one.used for one in survey.damaged)
    counts = Counter(one.reason for one in survey.damaged)
    _print_rows(
        f"problems: {out} left out, {len(rows) - out} used all the same",
        [{"reason": reason, "number": n} for reason, n in counts.most_common()],
    )
    print()
    for row in rows[:SHOWN]:
        text = f"{row['path']}: {row['reason']}: {row['details']}"
        print(textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="      "))
    if len(rows) > SHOWN:
        print(f"  and {len(rows) - SHOWN} more; --out OUT writes them all")


def _print_rows(title: str, rows: Rows) -> None:
    """Print a table with columns as wide as needed; the last one is folded."""
    if not rows:
        return
    print(f"\n{title}")
    names = list(rows[0])
    lines = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(names) - 1)]
    for line in lines:
        start = "".join(f"  {text:{width}}" for text, width in zip(line[:-1], widths, strict=True))
        indent = " " * (len(start) + 2)
        if WIDTH - len(indent) < NARROWEST:
            print(f"{start}  {line[-1]}")
            continue
        print(textwrap.fill(line[-1], WIDTH, initial_indent=f"{start}  ", subsequent_indent=indent))


def _write(path: Path, rows: Rows) -> Path:
    with writing(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]) if rows else ["nothing"])
        table.writeheader()
        table.writerows(rows)
    return path
