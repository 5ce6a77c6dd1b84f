"""Equations in TeX as MathML, which browsers draw without a script or a network."""

from __future__ import annotations

import re
from html import escape

SPACE = '<mspace width="0.167em" />'
# Names of functions that stand in a row of symbols, with what is beside them.
FUNCTION = re.compile(
    r"(?P<before></m(?:i|n|row|sub|sup|subsup)>)?(?<!<msub>)(?<!<msup>)(?<!<msubsup>)"
    r"<mi>(?P<name>[a-z]{2,})</mi>(?P<open><mo[^>]*>(?:&#x00028;|\(|\[))?"
)
BAR = re.compile(r'<mo(?: stretchy="false")?>(\||&#x0007C;|&#x02016;)</mo>')
BIG_BAR = re.compile(r"(\\[bB]igg?[lr]?)\s*\\[lr]vert\b")  # known to the library as | alone
SIGN = re.compile(
    r"(>(?:&#x00028;|\(|\[|&#x0003D;|=|&#x0002C;|,)</mo>)<mo>(&#x02212;|&#x0002B;)</mo>"
)


def mathml(tex: str, *, block: bool) -> str:
    """Convert an equation; a block stands on a line of its own.

    A command that is not known leaves the whole equation as TeX, which can at least be read.
    """
    from latex2mathml import converter, exceptions

    unreadable = (
        exceptions.DenominatorNotFoundError,
        exceptions.ExtraLeftOrMissingRightError,
        exceptions.InvalidStyleForGenfracError,
        exceptions.NoAvailableTokensError,
    )
    words = escape(tex.strip())
    try:
        markup = converter.convert(
            BIG_BAR.sub(r"\1|", tex.strip()), display="block" if block else "inline"
        )
    except unreadable:
        return f"<code>{words}</code>"
    if "\\" in markup or re.search(r">&(?!#|\w+;)", markup):
        return f"<code>{words}</code>"
    return _set_as_tex_does(markup).replace("<math ", f'<math alttext="{words}" ', 1)


def _set_as_tex_does(markup: str) -> str:
    """Spaces and bars of TeX, which the library leaves to rules of MathML that differ."""
    markup = FUNCTION.sub(_with_spaces, markup)
    markup = BAR.sub(r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>', markup)
    return SIGN.sub(r'\1<mo form="prefix" lspace="0" rspace="0">\2</mo>', markup)


def _with_spaces(found: re.Match[str]) -> str:
    """A name such as log with a thin space on each side where no bracket follows."""
    before, after = found["before"] or "", found["open"] or ""
    return f"{before}{SPACE if before else ''}<mi>{found['name']}</mi>{after or SPACE}"
