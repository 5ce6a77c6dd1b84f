"""What an executed notebook must not show its reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

WARNING = re.compile(r"warn(ing)?\b|deprecated|IProgress not found|absl::|TFLite|XNNPACK", re.I)


def spoken_warnings(notebook: dict[str, Any]) -> Iterator[str]:
    """Texts of a notebook's outputs that went to standard error, or that warn in plain text.

    Tables and pictures are not read: a column may be called a warning.
    """
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            text = "".join(output.get("text", []))
            if output.get("name") == "stderr" or WARNING.search(text):
                yield text
            if output["output_type"] == "error":
                yield f"{output['ename']}: {output['evalue']}"
