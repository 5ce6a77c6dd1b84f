"""What each actor of recordings is used for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spfem.evaluation.published_protocol import find_protocol

MOST_TARGETS = 6  # as many as the papers edit


def share_out(actors: Iterable[str]) -> dict[str, str]:
    """Roles of actors of whom nothing is known; the last in sorted order are targets.

    One actor is a target; of two, one is to learn from; from three on, one tests the metrics
    (`held_out`); from four on, two are targets, and later a third of all, at most six.
    """
    names = sorted(set(actors))
    few = 2 if len(names) > 3 else 1
    targets = min(MOST_TARGETS, max(few, len(names) // 3))
    roles = dict.fromkeys(names, "train")
    roles |= dict.fromkeys(names[-targets:], "target")
    if len(names) > 2:
        roles[names[-targets - 1]] = "held_out"
    return roles


def roles_of(name: str, stated: Mapping[str, str | None]) -> dict[str, str]:
    """Role of each actor; those without one are not used.

    The papers' roles, where the corpus `name` has a protocol and both an actor to learn from and
    a target are there; without its held-out actor, the last one to learn from takes that role.
    Else the corpus's own roles, and the rule of `share_out` for actors without one.

    Args:
        name: of the corpus.
        stated: actor -> role that the corpus itself gives, or None.
    """
    protocol = find_protocol(name)
    if protocol:
        known = {actor: protocol.role(actor) for actor in sorted(stated)}
        roles = {actor: role for actor, role in known.items() if role}
        learning = [actor for actor, role in roles.items() if role == "train"]
        if learning and "target" in roles.values():
            if "held_out" not in roles.values() and len(learning) > 1:
                roles[learning[-1]] = "held_out"
            return roles
    return share_out(stated) | {actor: role for actor, role in stated.items() if role}
