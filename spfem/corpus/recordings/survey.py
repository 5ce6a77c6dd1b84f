"""Everything that is known about a folder of recordings after looking through it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from spfem.artifacts import digest
from spfem.corpus.clips import Clip, Corpus, whole
from spfem.corpus.damage import DamagedClip
from spfem.corpus.protocol import held_back_clips
from spfem.corpus.published_protocol import protocol_names
from spfem.corpus.recordings.check import CheckedClip, check_clips
from spfem.corpus.recordings.found import FoundClip
from spfem.corpus.recordings.layouts import find_clips
from spfem.corpus.recordings.roles import protocol_roles, roles_of
from spfem.corpus.recordings.walk import FolderContent, walk_folder
from spfem.errors import CorpusError
from spfem.settings import EMOTIONS

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
