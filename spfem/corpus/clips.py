"""A corpus: clips on disk in MEAD's folder layout, listed in one `corpus.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from spfem.artifacts import write_json
from spfem.errors import CorpusError
from spfem.settings import EMOTIONS

LIST_NAME = "corpus.json"
ROLES = ("train", "held_out", "target")


@dataclass(frozen=True)
class Clip:
    """One actor says one sentence in one emotion.

    Attributes:
        root: the corpus folder.
        actor: name of the actor, also the folder name.
        emotion: one of `EMOTIONS`.
        level: intensity, 1 for neutral, else 1 to 3.
        number: of the clip within actor and emotion, three digits.
        sentence: key of the words; equal keys are the same words, whatever the emotion.
    """

    root: Path
    actor: str
    emotion: str
    level: int
    number: str
    sentence: str

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
        """The video file, with sound."""
        return self._file("video", "front", suffix=".mp4")

    @property
    def audio(self) -> Path:
        """The sound alone."""
        return self._file("audio", suffix=".m4a")

    @property
    def truth(self) -> Path:
        """Arrays of the exact truth; only the embedded corpus has them."""
        return self.root / "truth" / f"{self.key}.npz"

    def counterpart(self, emotion: str) -> tuple[Path, Path]:
        """Video and truth arrays of the same clip with only the emotion changed (targets only)."""
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
        fps: frames per second of every clip.
        clips: sorted by actor, emotion (order of `EMOTIONS`) and number.
        roles: actor -> `train` (metrics learn from it), `held_out` (tests the metrics),
            `target` (is edited).
        digest: of the content; stages that read the corpus depend on it.
    """

    root: Path
    name: str
    fps: int
    clips: tuple[Clip, ...]
    roles: Mapping[str, str]
    digest: str

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


def _order(clip: Clip) -> tuple[str, int, int, str]:
    return clip.actor, clip.label, clip.level, clip.number


def _check(root: Path, clips: Iterable[Clip], roles: Mapping[str, str]) -> None:
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


def save_corpus(
    root: Path, name: str, fps: int, clips: Iterable[Clip], roles: Mapping[str, str], digest: str
) -> Corpus:
    """Write `corpus.json` for clips whose files lie below `root`; return the open corpus.

    Raises:
        CorpusError: if the list contradicts itself or a file is missing.
    """
    clips = tuple(clips)
    _check(root, clips, roles)
    rows = [
        {
            "actor": clip.actor,
            "emotion": clip.emotion,
            "level": clip.level,
            "number": clip.number,
            "sentence": clip.sentence,
        }
        for clip in sorted(clips, key=_order)
    ]
    value = {"name": name, "fps": fps, "roles": dict(roles), "digest": digest, "clips": rows}
    write_json(root / LIST_NAME, value)
    return open_corpus(root)


def open_corpus(root: Path | str) -> Corpus:
    """Open a corpus folder and check that every listed video and audio file is there.

    Raises:
        CorpusError: if `root` is not a corpus, its list is damaged, or files are missing or empty.
    """
    root = Path(root)
    listing = root / LIST_NAME
    if not listing.is_file():
        raise CorpusError(f"{root} is not a corpus (it has no {LIST_NAME}); build or choose one")
    try:
        value = json.loads(listing.read_text(encoding="utf-8"))
        rows, roles = value["clips"], {str(a): str(r) for a, r in value["roles"].items()}
        clips = tuple(
            Clip(
                root=root,
                actor=str(row["actor"]),
                emotion=str(row["emotion"]),
                level=int(row["level"]),
                number=str(row["number"]),
                sentence=str(row["sentence"]),
            )
            for row in rows
        )
        facts = str(value["name"]), int(value["fps"]), str(value["digest"])
    except (ValueError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise CorpusError(
            f"{listing} is damaged ({type(error).__name__}: {error}); build the corpus again"
        ) from None
    _check(root, clips, roles)
    for clip in clips:
        for file in (clip.video, clip.audio):
            if not file.is_file() or file.stat().st_size == 0:
                raise CorpusError(f"{file} is missing or empty; build the corpus again")
    return Corpus(root, facts[0], facts[1], tuple(sorted(clips, key=_order)), roles, facts[2])
