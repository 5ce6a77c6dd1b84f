"""Tables as spreadsheets save them: with a mark at the start, semicolons or tabs."""

from __future__ import annotations

import csv
import io
from pathlib import Path

DELIMITERS = ",;\t"


def read_text(path: Path) -> str:
    """The text of a table in UTF-8 or, with its mark, UTF-16, without any mark.

    Raises:
        OSError: if the file cannot be read.
        UnicodeError: if it is in another encoding.
    """
    data = path.read_bytes()
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    return data.decode("utf-16" if wide else "utf-8-sig")


def find_delimiter(text: str) -> str:
    r"""What separates the columns, by the first line.

    Example:
        >>> find_delimiter("clip;actor\n1;2")
        ';'
    """
    head = text.partition("\n")[0]
    return max(DELIMITERS, key=head.count)


def parse_rows(text: str, *, strict: bool = False) -> list[dict[str, str]]:
    """Rows by the names of the first line.

    Args:
        text: of the table.
        strict: refuse quotes that do not end.

    Raises:
        csv.Error: if it is no table.
    """
    lines = io.StringIO(text, newline="")
    return list(csv.DictReader(lines, delimiter=find_delimiter(text), strict=strict))
