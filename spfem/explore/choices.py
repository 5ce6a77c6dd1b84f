"""From what a reader asks for to a selection that exists."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from spfem.errors import SettingsError
from spfem.explore.clips import ClipSource, ExploredPair
from spfem.explore.mismatch import says_something_else, usual_mismatch
from spfem.explore.selection import Selection
from spfem.settings import EMOTIONS

SECOND_EMOTION = "happy"  # shown first, where there is a choice


def apply_changes(selection: Selection, changes: Mapping[str, Any]) -> Selection:
    """The selection with some fields replaced, whether or not that exists.

    Raises:
        SettingsError: if a name or a value that stands for itself is wrong.
    """
    names = [each.name for each in fields(Selection)]
    unknown = sorted(set(changes) - set(names))
    if unknown:
        raise SettingsError(f"{unknown[0]!r} cannot be chosen; choose one of {', '.join(names)}")
    wanted = replace(selection, **changes)
    if wanted.temperature is not None and not wanted.temperature > 0:
        raise SettingsError(f"temperature must be above 0 or None, found {wanted.temperature}")
    if not -1 <= wanted.threshold <= 1:
        raise SettingsError(f"threshold must lie in -1..1, found {wanted.threshold}")
    return wanted


def settle_clips(
    wanted: Selection, sources: Mapping[str, ClipSource], given: Collection[str]
) -> Selection:
    """Choose clips that exist; what was not asked for follows what was.

    Args:
        wanted: with the changes.
        sources: of clips.
        given: names that were asked for.

    Raises:
        SettingsError: if something was asked for that does not exist.
    """

    def pick(name: str, offered: Sequence[str], usual: str) -> str:
        value = str(getattr(wanted, name))
        if value in offered:
            return value
        if name in given:
            raise SettingsError(
                f"{name} {value!r} is not there; choose one of {', '.join(offered)}"
            )
        return usual

    source = pick("source", list(sources), next(iter(sources)))
    actors = sources[source].actors()
    actor = pick("actor", actors, actors[0])
    sentences = sources[source].sentences(actor)
    sentence = pick("sentence", sentences, sentences[0])
    emotions = sources[source].emotions(actor, sentence)
    first = pick("first_emotion", emotions, _usual(emotions, EMOTIONS[0], ()))
    second = pick("second_emotion", emotions, _usual(emotions, SECOND_EMOTION, (first,)))
    return replace(
        wanted,
        source=source,
        actor=actor,
        sentence=sentence,
        first_emotion=first,
        second_emotion=second,
    )


def _usual(offered: Sequence[str], wished: str, others: Collection[str]) -> str:
    """`wished` if it is offered, else the first that is not among `others`."""
    left = [name for name in offered if name not in others] or list(offered)
    return wished if wished in left else left[0]


def settle_moments(wanted: Selection, pair: ExploredPair, given: Collection[str]) -> Selection:
    """Clamp the frame; keep the mismatched moment if something else is said there, or find one."""
    frame = min(max(int(wanted.frame), 0), len(pair.first.faces) - 1)
    matched, length = pair.matched_frame(frame), len(pair.second.faces)
    offset = int(wanted.mismatch_frames)
    other = matched + offset
    if "mismatch_frames" in given:
        offset = min(max(other, 0), length - 1) - matched
    elif not (0 <= other < length and says_something_else(pair, frame)[other]):
        offset = usual_mismatch(pair, frame)
    return replace(wanted, frame=frame, mismatch_frames=offset)


def settle_place(
    wanted: Selection,
    shape: tuple[int, int],
    before: tuple[int, int],
    given: Collection[str],
) -> Selection:
    """Keep the place on the face where the map has another size, and inside the map.

    Args:
        wanted: with the changes.
        shape: (H, W) of the map now.
        before: (H, W) of the map that row and column were chosen on.
        given: names that were asked for, in places of the new map.
    """
    place = []
    for name, side, old in zip(("row", "column"), shape, before, strict=True):
        at = float(getattr(wanted, name))
        if name not in given and side != old:
            at = (at + 0.5) * side / old - 0.5
        place.append(min(max(round(at), 1), side - 2))
    return replace(wanted, row=place[0], column=place[1])
