"""The explorer as one file that needs neither a network nor a kernel."""

from __future__ import annotations

import html
import io
import json
import zlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spfem.errors import InputError
from spfem.explore.explorer import RAW, WITHOUT_PLACES, Choice, CorrelationExplorer
from spfem.explore.packets import Packet, round_values
from spfem.explore.widget import module_text, style_text
from spfem.files import writing
from studies.explorer_corpus import view_place

TEMPLATE = Path(__file__).with_name("explorer_page.html")
MOST_BYTES = 8_000_000
MOST_MOVED = 0.004  # of similarities, by leaving numbers out; rounding moves them by 0.012 more
BEFORE_AND_AFTER = ("spatial", "spatial_before")
# How the room is split: what is taken in, in this order, while it fits. Level 2 is the smallest;
# of a metric whose level does not fit, finer ones are not tried; nor what the chosen pair lacks.
SPLIT = (  # whether further clips or the chosen pair, whether other metrics than those, the level
    (False, False, 2), (True, False, 2), (False, True, 2), (True, True, 2),
    (False, False, 1), (False, True, 1), (True, False, 1), (True, True, 1),
    (False, False, 0), (False, True, 0),
)  # fmt: skip
TAG_BYTES = 64  # of the element around a packet


class Lot(NamedTuple):
    """Clips that a page takes in together: by source, actor, sentence and emotion.

    Attributes:
        pairs: in both directions, of these clips, and with those of the same words before them.
        clips: these.
        words: all clips of the same words on the page, which share their axes.
    """

    pairs: list[Choice]
    clips: list[tuple[str, ...]]
    words: list[tuple[str, ...]]


def write_page(explorer: CorrelationExplorer, path: Path, *, most_bytes: int = MOST_BYTES) -> Path:
    """Write the chosen clips and some more, with as many metrics and levels as the size allows.

    More are the same words by the same person in a third emotion, and another person. The same
    explorer gives the same page.

    Raises:
        InputError: if not even the chosen clips and one metric fit.
    """
    from jinja2 import Environment, StrictUndefined

    choice, picture = explorer.choice, io.BytesIO()
    view_place(explorer).draw().savefig(picture, dpi=110)
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        TEMPLATE.read_text("utf-8")
    )

    title = f"Explorer: {choice.actor}, {choice.sentence}, {choice.first} and {choice.second}"

    def render(packets: list[dict[str, str]], pairs: list[Choice]) -> str:
        return template.render(
            title=title,
            style=style_text(),
            module=module_text(),
            picture=b64encode(picture.getvalue()).decode(),
            packets=packets,
            choices=json.dumps(pairs).replace("<", "\\u003c"),  # nothing ends the script
        )

    lots, held = _lots(explorer), set[int]()
    missed: set[int | tuple[int, str]] = set()
    packets: list[dict[str, str]] = []
    left = most_bytes - len(render([], [pair for lot in lots for pair in lot.pairs]).encode())
    for number, name, level in _wishes(explorer, len(lots)):
        if {number, (number, name), (0, name)} & missed:
            continue
        lot, begins = lots[number], number not in held
        made = _packets(explorer, lot, name, level, begins=begins)
        made = [packet for packet in made if packet not in packets]
        parts = [html.escape(part) for packet in made for part in packet.values()]
        size = TAG_BYTES * len(made) + sum(len(part.encode()) for part in parts)
        if size <= left:
            packets, left = packets + made, left - size
            held.add(number)
        elif number == 0 and begins:
            raise InputError(f"the clips of {path} take more than {most_bytes} bytes; cut them")
        else:
            missed.add(number if begins else (number, name))
    with writing(path) as aside:
        shown = [pair for number in sorted(held) for pair in lots[number].pairs]
        aside.write_text(render(packets, shown), encoding="utf-8")
    return path


def _lots(explorer: CorrelationExplorer) -> list[Lot]:
    """The chosen pair; its words in a third emotion; another person in the first two."""
    source, actor, sentence, *emotions = explorer.choice
    spoken = explorer.sources[source].spoken
    chosen = list(dict.fromkeys(emotions))
    third = [each for each in spoken[actor, sentence] if each not in chosen][:1]
    others = [key for key in spoken if key[0] != actor and {*chosen} <= {*spoken[key]}]
    others.sort(key=lambda key: key[1] != sentence)  # the same sentence before another

    def lot(actor: str, sentence: str, new: list[str], words: list[str]) -> Lot:
        known = words[: words.index(new[-1]) + 1]
        pairs = list(permutations(known, 2)) or [(known[0], known[0])]
        return Lot(
            [Choice(source, actor, sentence, *pair) for pair in pairs if {*pair} & {*new}],
            [(source, actor, sentence, emotion) for emotion in new],
            [(source, actor, sentence, emotion) for emotion in words],
        )

    lots = [lot(actor, sentence, new, chosen + third) for new in (chosen, third) if new]
    return lots + [lot(*key, chosen, chosen) for key in others[:1]]


def _wishes(explorer: CorrelationExplorer, lots: int) -> Iterator[tuple[int, str, int]]:
    """Number of a lot, metric and level, the most important first; sound has one level."""
    names = [name for name in explorer.metrics() if name not in (*BEFORE_AND_AFTER, RAW)]
    metrics = [name for name in (*BEFORE_AND_AFTER, *names, RAW) if name in explorer.metrics()]
    for further, other, level in SPLIT:
        for number in range(1, lots) if further else (0,):
            for name in metrics:
                once = name != WITHOUT_PLACES or level == SPLIT[0][2]
                if (name not in BEFORE_AND_AFTER) == other and once:
                    yield number, name, level


def _packets(
    explorer: CorrelationExplorer, lot: Lot, name: str, level: int, *, begins: bool
) -> list[dict[str, str]]:
    """A metric's packets of a lot; before the first ones, what every metric needs."""
    asks: list[tuple[Any, ...]] = []
    if begins:
        asks += [("pair", *pair) for pair in lot.pairs] + [("clip", *clip) for clip in lot.clips]
    if name == WITHOUT_PLACES:
        asks += [("distances", *pair) for pair in lot.pairs]
    made = [_packed(ask, explorer.packet(ask)) for ask in asks]
    if name != WITHOUT_PLACES:
        found = [explorer.packet(("places", *clip, name, level)) for clip in lot.words]
        level = found[0].header["level"]  # the last where there are not so many
        places = zip(lot.words, _compact(found), strict=True)
        wanted = [(clip, packet) for clip, packet in places if clip in lot.clips]
        made += [_packed(("places", *clip, name, level), packet) for clip, packet in wanted]
    return made


def _compact(sides: list[Packet]) -> list[Packet]:
    """Descriptors of several clips in as few numbers as `MOST_MOVED` allows, as bytes."""
    values = [side.arrays["codes"] * side.header["scale"] for side in sides]
    rows = np.concatenate([side.reshape(-1, side.shape[2]) for side in values])
    axes, made = fewest_axes(rows, MOST_MOVED), []
    for side, described in zip(sides, values, strict=True):
        codes, scale = round_values(described @ axes, np.int8)
        made.append(Packet({**side.header, "scale": scale}, {**side.arrays, "codes": codes}))
    return made


def _packed(ask: Sequence[Any], packet: Packet) -> dict[str, str]:
    arrays = dict(packet.arrays)
    if "codes" in arrays:  # axis by axis they deflate to two thirds: most axes are weak
        arrays["codes"] = np.moveaxis(arrays["codes"], -1, 0)
    header, parts = Packet(packet.header, arrays).to_wire()
    header["bytes"] = [len(part) for part in parts]
    return {
        "ask": json.dumps(ask, separators=(",", ":"), ensure_ascii=False),
        "header": json.dumps(header, ensure_ascii=False),
        "body": b64encode(zlib.compress(b"".join(parts), 9)).decode(),
    }


def fewest_axes(rows: np.ndarray, most_moved: float) -> np.ndarray:
    """Axes (D, K) on which no inner product of `rows` (N, D) moves by more than `most_moved`.

    What is left out of a row has at most that squared length. The strongest axis is the first: the
    numbers of later ones are small, and so pack well once they are rounded.
    """
    axes = np.linalg.eigh(rows.T @ rows)[1][:, ::-1]
    left_out = (rows**2).sum(1, keepdims=True) - np.cumsum((rows @ axes) ** 2, axis=1)
    size = min(int((left_out.max(axis=0) > most_moved).sum()) + 1, rows.shape[1])
    return axes[:, :size]
