"""The explorer as one file that needs neither a network nor a kernel."""

from __future__ import annotations

import io
import json
import re
import zlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from spfem.artifacts import writing
from spfem.correlation.place_descriptors import fewest_axes
from spfem.errors import InputError
from spfem.explore.explorer import RAW, WITHOUT_PLACES, CorrelationExplorer
from spfem.explore.packets import Packet, round_values
from spfem.explore.view import view_place
from spfem.stages.metric_loaders import METRIC_TITLES

TEMPLATE = Path(__file__).with_name("page.html")
MODULE = Path(__file__).with_name("js")
FILES = ("packets", "similarity", "view", "paint", "controls", "sound", "export", "explorer")
NOT_JOINED = re.compile(r"^(import .+;\n|export (?!default))", re.MULTILINE)
MOST_BYTES = 8_000_000
MOST_MOVED = 0.004  # of similarities, by leaving numbers out; rounding moves them as much
LEVELS = (2, 1, 0)  # in the order in which they are taken in, while there is room


@cache
def module_text() -> str:
    """The module of page and notebook: its files in one, in the order of use; names are unique."""
    texts = ((MODULE / f"{name}.js").read_text("utf-8") for name in FILES)
    return "\n".join(NOT_JOINED.sub("", text) for text in texts)


@cache
def style_text() -> str:
    """How it looks, in light and dark."""
    return (MODULE / "explorer.css").read_text("utf-8")


def write_page(explorer: CorrelationExplorer, path: Path, *, most_bytes: int = MOST_BYTES) -> Path:
    """Write the chosen clips with as many metrics and levels as the size allows.

    The same explorer gives the same page.

    Raises:
        InputError: if not even the clips and one metric fit.
    """
    from jinja2 import Environment, StrictUndefined

    choice, picture = explorer.choice, io.BytesIO()
    view_place(explorer).draw().savefig(picture, dpi=110)
    packets: list[dict[str, str]] = []
    left = most_bytes - len(module_text()) - len(style_text()) - 2 * len(picture.getvalue())
    for number, asks in enumerate(_wishes(explorer)):
        found = [explorer.packet(ask) for ask in asks]
        if asks[0][0] == "places":
            if found[0].header["level"] != asks[0][-1]:  # has not so many
                continue
            found = _compact(found)
        made = [_packed(ask, packet) for ask, packet in zip(asks, found, strict=True)]
        size = sum(len(part) for packet in made for part in packet.values())
        if size > left and number < 2:
            raise InputError(f"the clips of {path} take more than {most_bytes} bytes; cut them")
        if size > left:
            break
        packets, left = packets + made, left - size
    choices = json.dumps([choice, (*choice[:3], choice.second, choice.first)])
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    text = environment.from_string(TEMPLATE.read_text("utf-8")).render(
        title=f"Explorer: {choice.actor}, {choice.sentence}, {choice.first} and {choice.second}",
        style=style_text(),
        module=module_text(),
        picture=b64encode(picture.getvalue()).decode(),
        packets=packets,
        choices=choices.replace("<", "\\u003c"),  # nothing ends the script
    )
    with writing(path) as aside:
        aside.write_text(text, encoding="utf-8")
    return path


def _wishes(explorer: CorrelationExplorer) -> Iterator[list[Sequence[Any]]]:
    """What a page asks for, the most important first; what belongs together, together."""
    choice = explorer.choice
    back = choice._replace(first=choice.second, second=choice.first)
    clips = [(*choice[:3], emotion) for emotion in dict.fromkeys(choice[3:])]
    names = explorer.metrics()
    yield [("pair", *choice), ("pair", *back), *(("clip", *clip) for clip in clips)]
    order = ("spatial", *(name for name in METRIC_TITLES if name not in ("spatial", RAW)), RAW)
    for level in LEVELS:
        for name in order:  # raw needs most room
            if name == WITHOUT_PLACES and name in names and level == LEVELS[0]:
                yield [("distances", *choice), ("distances", *back)]
            elif name != WITHOUT_PLACES and name in names:
                yield [("places", *clip, name, level) for clip in clips]


def _compact(sides: list[Packet]) -> list[Packet]:
    """Descriptors of both clips in as few numbers as `MOST_MOVED` allows, as bytes."""
    values = [side.arrays["codes"] * side.header["scale"] for side in sides]
    rows = np.concatenate([side.reshape(-1, side.shape[2]) for side in values])
    axes, made = fewest_axes(rows, MOST_MOVED), []
    for side, described in zip(sides, values, strict=True):
        codes, scale = round_values(described @ axes, np.int8)
        made.append(Packet({**side.header, "scale": scale}, {**side.arrays, "codes": codes}))
    return made


def _packed(ask: Sequence[Any], packet: Packet) -> dict[str, str]:
    header, parts = packet.to_wire()
    header["bytes"] = [len(part) for part in parts]
    return {
        "ask": json.dumps(ask, separators=(",", ":"), ensure_ascii=False),
        "header": json.dumps(header, ensure_ascii=False),
        "body": b64encode(zlib.compress(b"".join(parts))).decode(),
    }
