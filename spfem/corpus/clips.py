"""A corpus: clips on disk, who speaks in them, what each actor is used for; its `corpus.json`.

The embedded corpus lies in MEAD's folder layout, beside its list. Recordings may lie in any
layout elsewhere; then the list names the folder and every file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from spfem.errors import CorpusError
from spfem.files import write_json
from spfem.settings import EMOTIONS

LIST_NAME = "corpus.json"
ROLES = ("train", "held_out", "target")


@dataclass(frozen=True)
class DamagedClip:
    """A file or clip that something is wrong with: the form in which every stage reports it."""

    path: str  # of the file, relative to the corpus, or the key of the clip
    reason: str  # the kind of damage in a few words, the same for every file of that kind
    details: str = ""  # what was found and what to do
    used: bool = False  # whether the clip is used all the same


def damage_rows(damaged: Iterable[DamagedClip]) -> list[dict[str, Any]]:
    """Plain rows for a table or a JSON file, in the order of the paths."""
    return [asdict(one) for one in sorted(damaged, key=lambda one: (one.path, one.reason))]


@dataclass(frozen=True)
class Clip:
    """One actor says one sentence in one emotion.

    Attributes:
        root: the corpus folder.
        actor: name of the actor, also the folder name.
        emotion: one of `EMOTIONS`.
        level: intensity, 1 for neutral, else 1 to 3.
        number: of the clip within actor and emotion, three digits or any name.
        sentence: key of the words; equal keys are the same words, whatever the emotion.
        video_file: the video, where it does not lie in MEAD's layout.
        audio_file: the sound, where the video is named and the sound does not lie in it.
    """

    root: Path
    actor: str
    emotion: str
    level: int
    number: str
    sentence: str
    video_file: Path | None = None
    audio_file: Path | None = None

    @property
    def key(self) -> str:
        """Name of the clip within its corpus: `<actor>/<emotion>/level_<k>/<nnn>`."""
        return f"{self.actor}/{self.emotion}/level_{self.level}/{self.number}"

    @property
    def label(self) -> int:
        """Index of the emotion in `EMOTIONS`."""
        return EMOTIONS.index(self.emotion)

    def _file(self, *kind: str, suffix: str) -> Path:
        folder = self.root.joinpath(self.actor, *kind, self.emotion, f"level_{self.level}")
        return folder / f"{self.number}{suffix}"

    @property
    def video(self) -> Path:
        """The video: a file, or a folder of numbered pictures."""
        return self.video_file or self._file("video", "front", suffix=".mp4")

    @property
    def audio(self) -> Path:
        """A file with the sound, which may be the video itself."""
        return self.audio_file or self.video_file or self._file("audio", suffix=".m4a")

    @property
    def truth(self) -> Path:
        """Arrays of the exact truth; only the embedded corpus has them."""
        return self.root / "truth" / f"{self.key}.npz"

    def counterpart(self, emotion: str) -> tuple[Path, Path]:
        """Video and truth arrays of the same clip with only the emotion changed (targets only).

        Raises:
            CorpusError: if the emotion is unknown.
        """
        if emotion not in EMOTIONS:
            raise CorpusError(
                f"emotion {emotion!r} is unknown; choose one of {', '.join(EMOTIONS)}"
            )
        folder = self.root / "truth" / self.key
        return folder / f"as_{emotion}.mp4", folder / f"as_{emotion}.npz"


@dataclass(frozen=True)
class Corpus:
    """Clips and what each actor is used for.

    Attributes:
        root: the corpus folder.
        name: for example `synthetic`.
        fps: frames per second of every clip; an int where it is whole.
        clips: sorted by actor, emotion (order of `EMOTIONS`) and number.
        roles: actor -> `train` (metrics learn from it), `held_out` (tests the metrics),
            `target` (is edited).
        digest: of the content; stages that read the corpus depend on it.
        damaged: files of recordings that are left out, or used with a remark.
    """

    root: Path
    name: str
    fps: int | Fraction
    clips: tuple[Clip, ...]
    roles: Mapping[str, str]
    digest: str
    damaged: tuple[DamagedClip, ...] = ()

    @property
    def has_truth(self) -> bool:
        """Whether the exact truth of every clip is known, as of the embedded corpus."""
        return (self.root / "truth").is_dir()

    def select(
        self,
        *,
        role: str | None = None,
        actor: str | None = None,
        emotion: str | None = None,
        sentence: str | None = None,
    ) -> tuple[Clip, ...]:
        """Return the clips that match every given value, in the order of the corpus."""
        return tuple(
            clip
            for clip in self.clips
            if role in (None, self.roles[clip.actor])
            and actor in (None, clip.actor)
            and emotion in (None, clip.emotion)
            and sentence in (None, clip.sentence)
        )


def clip_order(clip: Clip) -> tuple[str, int, int, str]:
    """What the clips of a corpus are sorted by."""
    label = EMOTIONS.index(clip.emotion) if clip.emotion in EMOTIONS else -1
    return clip.actor, label, clip.level, clip.number


def check_list(root: Path, clips: Iterable[Clip], roles: Mapping[str, str]) -> None:
    """Check that clips and roles go together.

    Raises:
        CorpusError: if they contradict each other, or there is no clip.
    """
    for actor, role in roles.items():
        if role not in ROLES:
            raise CorpusError(
                f"{root}: actor {actor} has the role {role!r}; choose one of {', '.join(ROLES)}"
            )
    keys: set[str] = set()
    for clip in clips:
        if clip.emotion not in EMOTIONS:
            raise CorpusError(f"{root}: clip {clip.key} has the unknown emotion {clip.emotion!r}")
        if clip.actor not in roles:
            raise CorpusError(f"{root}: actor {clip.actor} has no role")
        if clip.key in keys:
            raise CorpusError(f"{root}: clip {clip.key} is listed twice")
        keys.add(clip.key)
    if not keys:
        raise CorpusError(f"{root} lists no clip")


def whole(rate: Fraction) -> int | Fraction:
    """A rate as an int where it is one, so that 25 stays 25 in settings and files."""
    return rate.numerator if rate.denominator == 1 else rate


def save_corpus(
    root: Path,
    name: str,
    fps: int,
    clips: Iterable[Clip],
    roles: Mapping[str, str],
    digest: str,
) -> Corpus:
    """Write `corpus.json` for clips whose files lie below `root`; return the open corpus.

    Raises:
        CorpusError: if the list contradicts itself or a file is missing.
    """
    save_list(Corpus(root, name, fps, tuple(clips), roles, digest), root)
    return open_corpus(root)


def save_list(corpus: Corpus, folder: Path) -> None:
    """Write `corpus.json`, for recordings into another folder: `corpus.root` stays untouched.

    Raises:
        CorpusError: if the list contradicts itself.
    """
    check_list(corpus.root, corpus.clips, corpus.roles)
    facts = ("actor", "emotion", "level", "number", "sentence")
    rows = []
    for clip in sorted(corpus.clips, key=clip_order):
        files = {"video": clip.video_file, "audio": clip.audio_file}
        named = {kind: path.relative_to(clip.root) for kind, path in files.items() if path}
        places = {kind: path.as_posix() for kind, path in named.items()}
        rows.append({name: getattr(clip, name) for name in facts} | places)
    value = {
        "name": corpus.name,
        "fps": corpus.fps if isinstance(corpus.fps, int) else str(corpus.fps),
        "roles": dict(corpus.roles),
        "digest": corpus.digest,
        "clips": rows,
    }
    if folder != corpus.root:
        value |= {"root": str(corpus.root), "damaged": damage_rows(corpus.damaged)}
    write_json(folder / LIST_NAME, value)


def _clip(root: Path, row: Mapping[str, Any]) -> Clip:
    return Clip(
        root=root,
        actor=str(row["actor"]),
        emotion=str(row["emotion"]),
        level=int(row["level"]),
        number=str(row["number"]),
        sentence=str(row["sentence"]),
        video_file=root / row["video"] if row.get("video") else None,
        audio_file=root / row["audio"] if row.get("audio") else None,
    )


def read_list(listing: Path) -> Corpus:
    """Read a `corpus.json` without looking for the files that it names.

    Raises:
        CorpusError: if the list is missing, damaged or contradicts itself.
    """
    if not listing.is_file():
        raise CorpusError(
            f"{listing.parent} is not a corpus (it has no {listing.name}); build or choose one"
        )
    try:
        value = json.loads(listing.read_text(encoding="utf-8"))
        root = Path(value.get("root", listing.parent))
        corpus = Corpus(
            root=root,
            name=str(value["name"]),
            fps=whole(Fraction(value["fps"])),
            clips=tuple(sorted((_clip(root, row) for row in value["clips"]), key=clip_order)),
            roles={str(actor): str(role) for actor, role in value["roles"].items()},
            digest=str(value["digest"]),
            damaged=tuple(DamagedClip(**row) for row in value.get("damaged", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise CorpusError(
            f"{listing} is damaged ({type(error).__name__}: {error}); build the corpus again"
        ) from None
    check_list(root, corpus.clips, corpus.roles)
    return corpus


def open_corpus(root: Path | str) -> Corpus:
    """Open a corpus folder and check that every listed video and audio file is there.

    Raises:
        CorpusError: if `root` is not a corpus, its list is damaged, or files are missing or empty.
    """
    corpus = read_list(Path(root) / LIST_NAME)
    for clip in corpus.clips:
        for file in (clip.video, clip.audio):
            if not file.exists() or (file.is_file() and file.stat().st_size == 0):
                raise CorpusError(f"{file} is missing or empty; build the corpus again")
    return corpus
