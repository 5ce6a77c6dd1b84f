"""What a layout makes of a folder's files: clips, and what it does not use."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from spfem.corpus.damage import DamagedClip
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


@dataclass(frozen=True)
class FoundClip:
    """A clip of a folder; the first five fields are those of `Clip`.

    Attributes:
        video: path of the video or of a folder of pictures, relative to the corpus.
        audio: path of the sound; None if it lies inside the video.
        role: of the actor, where the corpus itself says it.
    """

    actor: str
    emotion: str
    level: int
    number: str
    sentence: str
    video: str
    audio: str | None = None
    role: str | None = None

    @property
    def key(self) -> str:
        """As `Clip.key`."""
        return f"{self.actor}/{self.emotion}/level_{self.level}/{self.number}"

    @property
    def order(self) -> tuple[str, int, int, str]:
        """What clips are sorted by."""
        return self.actor, EMOTIONS.index(self.emotion), self.level, self.number


@dataclass
class FoundClips:
    """All clips of a layout.

    Attributes:
        clips: each key once.
        unused: why files are not used -> how many.
        damaged: files that belong to no clip, duplicates and the like.
    """

    clips: list[FoundClip] = field(default_factory=list)
    unused: Counter[str] = field(default_factory=Counter)
    damaged: list[DamagedClip] = field(default_factory=list)

    def drop_duplicates(self) -> FoundClips:
        """Keep the first clip of a key; the others become damaged."""
        first: dict[tuple[str, str, str], FoundClip] = {}
        for clip in self.clips:
            # pairs are named by numbers alone, so a number counts once within actor and emotion
            key = clip.actor, clip.emotion, clip.number
            if first.setdefault(key, clip) is not clip:
                details = f"the same clip as {first[key].video}; remove one of them"
                self.damaged.append(DamagedClip(clip.video, "duplicate", details))
        self.clips = list(first.values())
        return self
