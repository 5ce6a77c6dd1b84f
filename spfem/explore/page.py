"""The explorer as one file that needs neither a network nor a kernel."""

from __future__ import annotations

import io
import json
import zlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spfem.artifacts import writing
from spfem.errors import InputError
from spfem.explore.explorer import WITHOUT_PLACES, CorrelationExplorer
from spfem.explore.module import module_text, style_text
from spfem.explore.view import view_place

TEMPLATE = Path(__file__).with_name("page.html")
MOST_BYTES = 8_000_000
FIRST_LEVEL = 1
FIRST_METRICS = ("spatial", "spatial_before")
LEVELS = (2, 1, 0)  # in the order in which they are taken in, after the first, while there is room


def write_page(explorer: CorrelationExplorer, path: Path, *, most_bytes: int = MOST_BYTES) -> Path:
    """Write the chosen clips with as many metrics and levels as the size allows.

    Descriptors are rounded to bytes. The same explorer gives the same bytes.

    Args:
        explorer: whose clips and metrics.
        path: of the page.
        most_bytes: of the file.

    Raises:
        InputError: if not even the clips and one metric fit.
    """
    from jinja2 import Environment, StrictUndefined

    choice, picture = explorer.choice, io.BytesIO()
    view_place(explorer).draw().savefig(picture, dpi=110)
    packets: list[dict[str, str]] = []
    left = most_bytes - len(module_text()) - len(style_text()) - 2 * len(picture.getvalue())
    for number, asks in enumerate(_wishes(explorer)):
        made = [_packed(explorer, ask) for ask in asks]
        size = sum(len(part) for packet in made for part in packet.values())
        if size <= left:
            packets, left = packets + made, left - size
        elif number < 2:
            raise InputError(f"the clips of {path} take more than {most_bytes} bytes; cut them")
    choices = json.dumps([choice, (*choice[:3], choice.second, choice.first)])
    text = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        TEMPLATE.read_text("utf-8")
    ).render(
        title=f"Explorer: {choice.actor}, {choice.sentence}, {choice.first} and {choice.second}",
        style=style_text(),
        module=module_text(),
        picture=b64encode(picture.getvalue()).decode(),
        alt="A chosen place of a face, and how similar every place of other faces is to it.",
        packets=packets,
        choices=choices.replace("<", "\\u003c"),  # nothing ends the script
    )  # fmt: skip
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
    places = [(name, FIRST_LEVEL) for name in FIRST_METRICS if name in names]
    places += [(name, level) for level in LEVELS for name in names if name != WITHOUT_PLACES]
    for number, (name, level) in enumerate(dict.fromkeys(places)):
        if level < explorer.level_count(name):
            yield [("places", *clip, name, level) for clip in clips]
        if number == 0 and WITHOUT_PLACES in names:
            yield [("distances", *choice), ("distances", *back)]


def _packed(explorer: CorrelationExplorer, ask: Sequence[Any]) -> dict[str, str]:
    header, parts = explorer.packet(ask, np.int8).to_wire()
    header = {**header, "bytes": [len(part) for part in parts]}
    return {
        "ask": json.dumps(ask, separators=(",", ":"), ensure_ascii=False),
        "header": json.dumps(header, ensure_ascii=False),
        "body": b64encode(zlib.compress(b"".join(parts))).decode(),
    }
