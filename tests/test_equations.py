import json
import re
from xml.etree import ElementTree

import pytest

from spfem.run.report import mathml
from tests.conftest import ROOT

BLOCK, INLINE = r"(?<!\\)\$\$(.+?)\$\$", r"(?<![$\\])\$([^$\s][^$]*?)(?<![$\\])\$"


def _equations():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "markdown":
                text = re.sub(r"`[^`]*`", "", "".join(cell["source"]))
                found = re.findall(BLOCK, text, re.DOTALL)
                rest = re.sub(BLOCK, "", text, flags=re.DOTALL)
                for tex in [*found, *re.findall(INLINE, rest, re.DOTALL)]:
                    yield path.stem, tex


def test_every_equation_of_the_notebooks_can_be_drawn_without_a_network():
    equations = list(_equations())
    assert len(equations) > 15
    unread = [(stem, tex) for stem, tex in equations if "<math" not in mathml(tex, block=True)]
    assert not unread
    for _, tex in equations:
        ElementTree.fromstring(mathml(tex, block=False))


@pytest.mark.parametrize(
    "tex", [r"\nosuchcommand x", r"\left( x", r"\begin{aligned}a&=b\end{aligned}"]
)
def test_what_cannot_be_read_stays_as_it_is(tex):
    assert mathml(tex, block=True) == f"<code>{tex.replace('&', '&amp;')}</code>"
