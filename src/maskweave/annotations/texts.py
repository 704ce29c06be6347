"""Text as other programs save it: UTF-8 with or without a mark, UTF-16 with one (Windows), decimal commas."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_COMMA = re.compile(r"\s*[+-]?(0,\d+|\d+,(?!\d{3}\s*$)\d+)(e[+-]?\d+)?\s*", re.IGNORECASE)


def encoding_of(path: Path) -> str:
    """The encoding of a text file by its first bytes; raises `OSError` where it cannot be read."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in _UTF_16 else "utf-8-sig"


def read_text(path: Path) -> str:
    """A whole text file; raises `OSError` and `UnicodeError` for what cannot be read or is no text."""
    return path.read_text(encoding=encoding_of(path))


def decimal(text: str) -> float:
    """A number as text, also with a decimal comma; raises `ValueError` for anything else.

    A comma before three digits may stand for thousands, so that such a number is none, but for 0,125.

    >>> decimal("0.5"), decimal("0,125"), decimal("12,5")
    (0.5, 0.125, 12.5)
    """
    return float(text.replace(",", ".") if _COMMA.fullmatch(text) else text)
