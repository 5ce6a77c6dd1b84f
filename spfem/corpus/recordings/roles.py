"""What each actor of recordings is used for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from spfem.corpus.recordings.found import FoundClip
from spfem.evaluation.published_protocol import find_protocol
from spfem.settings import EMOTIONS

MOST_TARGETS = 6  # as many as the papers edit


def share_out(actors: Iterable[str], editable: Collection[str] = ()) -> dict[str, str]:
    """Roles of actors of whom nothing is known.

    One actor is a target; of two, one is to learn from; from three on, one tests the metrics
    (`held_out`); from four on, two are targets, and later a third of all, at most six. Targets
    are the last in sorted order of those who are `editable`, where these suffice.
    """
    names = sorted(set(actors), key=lambda actor: (actor in editable, actor))
    few = 2 if len(names) > 3 else 1
    targets = min(MOST_TARGETS, max(few, len(names) // 3))
    roles = dict.fromkeys(names, "train")
    roles |= dict.fromkeys(names[-targets:], "target")
    if len(names) > 2:
        roles[names[-targets - 1]] = "held_out"
    return roles


def protocol_roles(name: str, actors: Iterable[str]) -> dict[str, str]:
    """The papers' roles, without actors whom they did not use.

    Empty unless the corpus `name` has a protocol, and an actor to learn from and a target are
    there. Without the papers' held-out actor, the last one to learn from takes that role.
    """
    protocol = find_protocol(name)
    known = {actor: protocol.role(actor) for actor in sorted(actors)} if protocol else {}
    roles = {actor: role for actor, role in known.items() if role}
    learning = [actor for actor, role in roles.items() if role == "train"]
    if not learning or "target" not in roles.values():
        return {}
    if "held_out" not in roles.values() and len(learning) > 1:
        roles[learning[-1]] = "held_out"
    return roles


def roles_of(name: str, clips: Iterable[FoundClip]) -> dict[str, str]:
    """Role of each actor; those without one are not used.

    The papers' roles where these can be had; else the corpus's own, and the rule of `share_out`
    for actors without one.
    """
    clips = list(clips)
    actors = {clip.actor for clip in clips}
    stated = {clip.actor: clip.role for clip in clips if clip.role}
    emotions, neutral = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for clip in clips:
        emotions[clip.actor].add(clip.emotion)
        if clip.emotion == EMOTIONS[0]:
            neutral[clip.actor].add(clip.sentence)
    # a target needs a neutral clip to learn from, another to edit, and a reference of each emotion
    editable = {
        actor
        for actor in actors
        if len(neutral[actor]) > 1 and len(emotions[actor]) == len(EMOTIONS)
    }
    return protocol_roles(name, actors) or share_out(actors, editable) | stated
