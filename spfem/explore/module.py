"""The one module of JavaScript that draws the explorer, in a notebook and on a page."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("js")
FILES = ("packets", "similarity", "view", "paint", "controls", "sound", "export", "explorer")
IMPORT = re.compile(r"^import .+;\n", re.MULTILINE)


@cache
def module_text() -> str:
    """Its files in one, in the order of use; imports of each other go, names are unique."""
    texts = [(FOLDER / f"{name}.js").read_text("utf-8") for name in FILES]
    plain = [re.sub(r"^export (?!default)", "", IMPORT.sub("", text), flags=re.M) for text in texts]
    return "\n".join(plain)


@cache
def style_text() -> str:
    """How it looks, in light and dark."""
    return (FOLDER / "explorer.css").read_text("utf-8")
