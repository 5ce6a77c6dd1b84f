"""What each actor of recordings is used for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from spfem.corpus.published_protocol import find_protocol

MOST_TARGETS = 6  # as many as the papers edit


def share_out(actors: Iterable[str], editable: Collection[str] = ()) -> dict[str, str]:
    """Roles of actors of whom nothing is known.

    One actor is a target; of two, one is to learn from; from three on, one tests the metrics
    (`held_out`); from four on, two are targets, and later a third of all, at most six. Targets
    are the last in sorted order of those who are `editable`, as far as there are any.
    """
    names = sorted(set(actors), key=lambda actor: (actor in editable, actor))
    few = 2 if len(names) > 3 else 1
    targets = min(MOST_TARGETS, max(few, len(names) // 3), len(editable) or len(names))
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


def roles_of(
    name: str, stated: Mapping[str, str | None], editable: Collection[str]
) -> dict[str, str]:
    """Role of each actor; those without one are not used.

    The papers' roles where these can be had; else the corpus's own, and the rule of `share_out`
    for actors without one.

    Args:
        name: of the corpus.
        stated: every actor -> role that the corpus itself gives, or None.
        editable: actors with enough clips to be a target.
    """
    own = {actor: role for actor, role in stated.items() if role}
    return protocol_roles(name, stated) or share_out(stated, editable) | own
