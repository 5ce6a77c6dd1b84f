"""The one module of JavaScript that draws the explorer, in a notebook and on a page."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("js")
FILES = ("packets", "similarity", "view", "paint", "controls", "sound", "export", "explorer")
NOT_HERE = re.compile(r"^(import .+;\n|export (?!default))", re.MULTILINE)


@cache
def module_text() -> str:
    """Its files in one, in the order of use; imports of each other go, names are unique."""
    texts = ((FOLDER / f"{name}.js").read_text("utf-8") for name in FILES)
    return "\n".join(NOT_HERE.sub("", text) for text in texts)


@cache
def style_text() -> str:
    """How it looks, in light and dark."""
    return (FOLDER / "explorer.css").read_text("utf-8")
