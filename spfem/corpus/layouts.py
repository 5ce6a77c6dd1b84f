"""What a layout makes of a folder's files: clips, and what it does not use.

* MEAD as released: `<actor>/video/front/<emotion>/level_<k>/<nnn>.mp4` and `<actor>/audio/...`;
* the processed layout of ASCCL: `<actor>/img/<emotion>/<clip>/<frame>.png`, sound in `audio`;
* RAVDESS: `Actor_<nn>/01-01-05-02-01-01-<nn>.mp4`, of which the fields are modality, channel,
  emotion, intensity, statement, repetition and actor;
* any folder with a table `clips.csv`: clip, actor, emotion, sentence, path;
* a folder that holds a corpus list already, such as the embedded corpus.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path

from spfem.corpus.clips import LIST_NAME, ROLES, read_list
from spfem.corpus.folder import FolderContent, FoundClips, compose
from spfem.corpus.protocol import PublishedProtocol, load_protocol
from spfem.errors import CorpusError
from spfem.media.container import AUDIO_SUFFIXES, VIDEO_SUFFIXES, suffix_of
from spfem.settings import EMOTIONS

SYNONYMS = {
    "neutral": ("neutral", "neutrality"),
    "angry": ("angry", "anger"),
    "disgusted": ("disgusted", "disgust"),
    "fear": ("fear", "fearful", "afraid", "scared"),
    "happy": ("happy", "happiness", "joy"),
    "sad": ("sad", "sadness"),
    "surprised": ("surprised", "surprise"),
}
EMOTION_OF = {word: emotion for emotion in EMOTIONS for word in SYNONYMS[emotion]}


def find_listed(content: FolderContent) -> FoundClips:
    """Clips of the list; those whose files are gone become damaged.

    Raises:
        CorpusError: if the list is damaged.
    """
    corpus = read_list(content.root / LIST_NAME)
    found = FoundClips(roles=dict(corpus.roles))
    for clip in corpus.clips:
        names = [path.relative_to(corpus.root).as_posix() for path in (clip.video, clip.audio)]
        gone = [name for name in names if name not in content.files]
        if gone:
            found.complain(
                gone[0], "missing", "is in the list, but not in the folder; copy it again"
            )
            continue
        facts = clip.actor, clip.emotion, clip.level, clip.number, clip.sentence
        found.clips.append(content.clip(*facts, *names))
    return found.drop_duplicates()


_PLACE = r"(?P<emotion>[a-z]+)/level_(?P<level>\d)/(?P<number>[^/]+)\.(?P<suffix>\w+)$"
_VIDEO = re.compile(r"(?P<person>.*/)?(?P<view>[a-z]+(?:_\d+)?)/" + _PLACE)
_AUDIO = re.compile(r"(?P<person>.*/)?" + _PLACE)
_VIEWS = ("front", "down", "top", "left_30", "left_60", "right_30", "right_60")


def actor_of(content: FolderContent, person: str | None) -> str:
    """Name of the actor from the folders above view or emotion, of which the last may be left out.

    The corpus itself may be the folder of one actor.
    """
    names = [name for name in (person or "").split("/") if name]
    if names and names[-1] in ("video", "audio"):
        names.pop()
    return names[-1] if names else content.root.resolve().name


def find_mead(content: FolderContent) -> FoundClips:
    """Clips of a folder that holds MEAD, also where `video/` or `audio/` are left out."""
    found, protocol = FoundClips(), load_protocol("mead")
    videos: dict[tuple[str, str, str], list[str]] = {}
    sounds: dict[tuple[str, str, str], str] = {}
    for name in sorted(content.files):
        suffix = suffix_of(name)
        match = _VIDEO.match(name)
        if match and match["view"] in _VIEWS and suffix not in AUDIO_SUFFIXES:
            reason = _why_unused(match, protocol)
            if suffix not in VIDEO_SUFFIXES:
                details = f"{suffix or 'no suffix'} in the place of a video; rename or remove it"
                found.complain(name, "wrong extension", details)
            elif reason:
                found.unused[reason] += 1
            else:
                key = actor_of(content, match["person"]), match["emotion"], match["number"]
                videos.setdefault(key, []).append(name)
        elif (
            suffix in AUDIO_SUFFIXES
            and (match := _AUDIO.match(name))
            and not _why_unused(match, protocol)
        ):
            actor = actor_of(content, match["person"])
            sounds[actor, match["emotion"], match["number"]] = name
    _add_clips(content, found, protocol, videos, sounds)
    for key, name in sorted(sounds.items()) if videos else ():
        if key not in videos:
            found.complain(name, "no video", "a sound without its video; copy the video too")
    return found.drop_duplicates()


def _why_unused(match: re.Match[str], protocol: PublishedProtocol) -> str:
    """Why a file of MEAD is left out; empty if it is used."""
    emotion, level = match["emotion"], int(match["level"])
    view = match.groupdict().get("view", "front")
    if emotion not in protocol.emotions:
        return f"emotion {emotion}"
    if view != "front":
        return "other views than front"
    if level != protocol.levels[protocol.emotions[emotion]]:
        return "other levels than 1 (neutral) and 3"
    return ""


def _add_clips(
    content: FolderContent,
    found: FoundClips,
    protocol: PublishedProtocol,
    videos: Mapping[tuple[str, str, str], list[str]],
    sounds: Mapping[tuple[str, str, str], str],
) -> None:
    """Clips that the protocol makes of actor, folder of the emotion and number of each file.

    The numbers of an actor and emotion tell what words a number stands for.
    """
    numbers: dict[tuple[str, str], set[str]] = {}
    for actor, folder, number in videos:
        numbers.setdefault((actor, folder), set()).add(number)
    for key, names in sorted(videos.items()):
        actor, folder, number = key
        emotion = protocol.emotions[folder]
        sentence = protocol.sentence(emotion, number, numbers[actor, folder])
        facts = actor, emotion, protocol.levels[emotion], number, sentence
        found.clips += [content.clip(*facts, name, sounds.get(key)) for name in names]


_FRAMES = re.compile(
    r"(?P<person>.*/)?(?P<kind>img|align_img)/(?P<emotion>[a-z]+)/(?P<number>[^/]+)$"
)
_SOUND = re.compile(
    r"(?P<person>.*/)?audio/(?P<emotion>[a-z]+)/(?:level_\d/)?(?P<number>[^/]+)\.\w+$"
)


def find_asccl(content: FolderContent) -> FoundClips:
    """Clips of a folder in the processed layout.

    Frames come from `img`; where only the cropped `align_img` is there, from that. The folders
    `audio_feature` and `DECA` are not read: features and codes are made anew from the frames.
    """
    found, protocol = FoundClips(), load_protocol("mead")
    frames: dict[tuple[str, str, str], dict[str, str]] = {}
    for name in sorted(content.pictures):
        match = _FRAMES.match(name)
        if not match:
            continue
        if match["emotion"] not in protocol.emotions:
            found.unused[f"emotion {match['emotion']}"] += 1
        else:
            key = actor_of(content, match["person"]), match["emotion"], match["number"]
            frames.setdefault(key, {})[match["kind"]] = name
    sounds: dict[tuple[str, str, str], str] = {}
    for name in sorted(content.files):
        if suffix_of(name) in AUDIO_SUFFIXES and (match := _SOUND.match(name)):
            sounds[actor_of(content, match["person"]), match["emotion"], match["number"]] = name
    videos = {key: [names.get("img") or names["align_img"]] for key, names in frames.items()}
    _add_clips(content, found, protocol, videos, sounds)
    for key in sorted(videos.keys() - sounds.keys()):
        details = f"there is no sound file audio/{key[1]}/{key[2]}; copy it too"
        found.complain(videos[key][0], "no sound", details)
    found.clips = [clip for clip in found.clips if clip.audio_file is not None]
    return found.drop_duplicates()


SPEECH = "01"
WITH_SOUND, VIDEO_ONLY, AUDIO_ONLY = "01", "02", "03"
_NAME = re.compile(
    r"(?:.*/)?(?P<modality>0[1-3])-(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])"
    r"-(?P<statement>0[12])-(?P<repetition>0[12])-(?P<actor>\d\d)\.\w+$"
)


def find_ravdess(content: FolderContent) -> FoundClips:
    """Clips of a folder that holds RAVDESS, whatever the folders between.

    A clip's level is its intensity (1 normal, 2 strong); its number has the digits intensity,
    statement and repetition; its sentence is the statement. The video with sound is taken, or the
    one without together with the sound file. Emotions and intensities are those of the protocol;
    song and calm, which has no counterpart in the papers, are left out.
    """
    found, protocol = FoundClips(), load_protocol("ravdess")
    takes: dict[tuple[str, ...], dict[str, str]] = {}
    for name in sorted(content.files):
        match = _NAME.match(name)
        if not match:
            continue
        if match["channel"] != SPEECH:
            found.unused["song"] += 1
        elif match["emotion"] not in protocol.emotions:
            found.unused["emotion calm"] += 1
        elif int(match["intensity"]) != protocol.levels[protocol.emotions[match["emotion"]]]:
            found.unused["other intensities than normal (neutral) and strong"] += 1
        else:
            modality = match["modality"]
            wanted = AUDIO_SUFFIXES if modality == AUDIO_ONLY else VIDEO_SUFFIXES
            parts = ("emotion", "intensity", "statement", "repetition", "actor")
            files = takes.setdefault(tuple(match[part] for part in parts), {})
            if suffix_of(name) not in wanted:
                ending = f"a file of modality {modality} ends with {wanted[0]}"
                details = f"{ending}; rename or remove it"
                found.complain(name, "wrong extension", details)
            elif modality in files:
                details = f"the same clip as {files[modality]}; remove one of them"
                found.complain(name, "duplicate", details)
            else:
                files[modality] = name
    takes = {key: files for key, files in takes.items() if files}
    for key, files in sorted(takes.items()):
        code, intensity, statement, repetition, actor = key
        emotion = protocol.emotions[code]
        video = files.get(WITH_SOUND) or files.get(VIDEO_ONLY)
        if video is None:
            details = "a sound without its video; copy the video too"
            found.complain(files[AUDIO_ONLY], "no video", details)
            continue
        found.clips.append(
            content.clip(
                actor=f"Actor_{actor}",
                emotion=emotion,
                level=int(intensity),
                number=f"{int(intensity)}{int(statement)}{int(repetition)}",
                sentence=protocol.sentence(emotion, statement),
                video=video,
                audio=None if WITH_SOUND in files else files.get(AUDIO_ONLY),
            )
        )
    return found.drop_duplicates()


DELIMITERS = ",;\t"


def read_text(path: Path) -> str:
    """The text of a table in UTF-8 or, with its mark, UTF-16, without any mark.

    Raises:
        OSError: if the file cannot be read.
        UnicodeError: if it is in another encoding.
    """
    data = path.read_bytes()
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    return data.decode("utf-16" if wide else "utf-8-sig")


def find_delimiter(text: str) -> str:
    r"""What separates the columns, by the first line.

    Example:
        >>> find_delimiter("clip;actor\n1;2")
        ';'
    """
    head = text.partition("\n")[0]
    return max(DELIMITERS, key=head.count)


TABLE_NAME = "clips.csv"
COLUMNS = ("clip", "actor", "emotion", "sentence", "path")
OPTIONAL_COLUMNS = ("level", "audio", "role")


class _BadRowError(Exception):
    """Reason and details of a row that cannot be used."""


def find_listed_in_table(content: FolderContent) -> FoundClips:
    """Clips of the table; videos that it does not name are counted as unused.

    Columns: `clip` is a name of the clip, once within actor and emotion; `sentence` is any text
    that is equal for equal words; `path` and the optional `audio` are relative to the table.
    `level` defaults to 1 for neutral and 3 for the others; `role` is train, held_out or target.

    Raises:
        CorpusError: if the table cannot be read, has no such columns or gives an actor two roles.
    """
    path = content.root / TABLE_NAME
    found, named = FoundClips(), set[str]()
    for number, row in enumerate(_read_rows(path), 2):
        place = f"{TABLE_NAME} line {number}"
        try:
            facts, files, role = _parse_row(row, content)
        except _BadRowError as error:
            found.complain(place, *error.args)
            continue
        if role and found.roles.setdefault(facts[0], role) != role:
            raise CorpusError(
                f"{path} line {number}: actor {facts[0]} has the role {role!r} here and "
                f"{found.roles[facts[0]]!r} above; give each actor one role"
            )
        found.clips.append(content.clip(*facts, *files))
        named.update(files)
    spare = sum(suffix_of(name) in VIDEO_SUFFIXES and name not in named for name in content.files)
    if spare:
        found.unused[f"videos that {TABLE_NAME} does not name"] = spare
    return found.drop_duplicates()


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        text = read_text(path)
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=find_delimiter(text)))
    except (OSError, UnicodeError, csv.Error) as error:
        raise CorpusError(
            f"{path} cannot be read as a table ({error}); save it as UTF-8 with commas"
        ) from None
    missing = [name for name in COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise CorpusError(
            f"{path} has no column {', '.join(missing)}; its first line must name "
            f"{', '.join(COLUMNS)} (optional: {', '.join(OPTIONAL_COLUMNS)})"
        )
    return [{key: (value or "").strip() for key, value in row.items() if key} for row in rows]


def _parse_row(
    row: Mapping[str, str], content: FolderContent
) -> tuple[tuple[str, str, int, str, str], list[str], str]:
    """Facts, names of files and role (empty if not given) of a row."""
    values = {name: compose(row[name]) for name in COLUMNS}
    for name in COLUMNS:
        if not values[name]:
            raise _BadRowError("empty cell", f"column {name} is empty")
    for name in ("clip", "actor"):  # they become names of files
        if values[name].startswith(".") or any(mark in values[name] for mark in "/\\\0"):
            raise _BadRowError(
                "bad name", f"{name} {values[name]!r} starts with a dot or has a slash"
            )
    emotion = EMOTION_OF.get(values["emotion"].lower())
    if emotion is None:
        known = ", ".join(EMOTIONS)
        raise _BadRowError("unknown emotion", f"{values['emotion']!r}; choose one of {known}")
    role = row.get("role", "")
    if role and role not in ROLES:
        raise _BadRowError("unknown role", f"{role!r}; choose one of {', '.join(ROLES)}")
    level = row.get("level") or ("1" if emotion == EMOTIONS[0] else "3")
    if level not in ("1", "2", "3"):
        raise _BadRowError("bad level", f"{level!r}; give 1, 2 or 3")
    places = [text for text in (row["path"], row.get("audio")) if text]
    facts = values["actor"], emotion, int(level), values["clip"], values["sentence"]
    return facts, [_inside(compose(text), content) for text in places], role


def _inside(text: str, content: FolderContent) -> str:
    """Name of a file in the corpus from a path in the table, relative or absolute."""
    path, root = os.path.normpath(text.replace("\\", "/")), content.root
    if os.path.isabs(path):  # either may be written through links
        places = ((Path(path), root.absolute()), (Path(path).resolve(), root.resolve()))
        inside = [one.relative_to(top) for one, top in places if one.is_relative_to(top)]
        path = inside[0].as_posix() if inside else ".."
    if path.startswith(".."):
        raise _BadRowError(
            "path outside", f"{text} leaves the corpus; move or link the file into it"
        )
    if path not in content.files and path not in content.pictures:
        raise _BadRowError("missing", f"{text} is not there; correct the path or copy the file")
    return path


def find_clips(content: FolderContent) -> tuple[str, FoundClips]:
    """The kind of a folder and its clips.

    A table or a list in the folder decides; without them, the layout that explains most clips.

    Raises:
        CorpusError: if no layout finds a clip, or table or list are damaged.
    """
    if TABLE_NAME in content.files:
        return "table", find_listed_in_table(content)
    if LIST_NAME in content.files:
        return "list", find_listed(content)
    layouts = {"mead": find_mead, "ravdess": find_ravdess, "asccl": find_asccl}
    answers = {kind: find(content) for kind, find in layouts.items()}
    kind = max(answers, key=lambda name: (len(answers[name].clips), len(answers[name].damaged)))
    if not answers[kind].clips and not answers[kind].damaged:
        videos = sum(suffix_of(name) in VIDEO_SUFFIXES for name in content.files)
        raise CorpusError(
            f"{content.root} is laid out neither like MEAD (<actor>/video/front/<emotion>/level_3/"
            "001.mp4) nor like RAVDESS (Actor_01/01-01-05-02-01-01-01.mp4) nor like ASCCL's "
            f"processed data (<actor>/img/<emotion>/001/), and has no table {TABLE_NAME}; "
            f"{videos} videos were seen. For own clips write {TABLE_NAME} into the folder, with "
            f"the columns {', '.join(COLUMNS)}"
        )
    return kind, answers[kind]
