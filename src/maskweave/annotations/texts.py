"""Text as other programs save it: UTF-8, UTF-16 and UTF-32 with or without a mark, gzip, decimal commas."""

from __future__ import annotations

import gzip
import re
from json import detect_encoding
from pathlib import Path
from typing import IO

from maskweave.errors import InvalidValue, SourceNotFound

_GZIP = b"\x1f\x8b"
_COMMA = re.compile(r"\s*[+-]?(0,\d+|\d+,(?!\d{3}\s*$)\d+)(e[+-]?\d+)?\s*", re.IGNORECASE)


def open_text(path: Path, *, errors: str = "strict") -> IO[str]:
    """Open a text file in the encoding that its first bytes tell, unpacked where it is gzip.

    Raises `OSError` where it cannot be read. So does reading on where gzip is damaged (or `EOFError`).
    """
    with path.open("rb") as file:
        head = file.read(4)
    if not head.startswith(_GZIP):
        return path.open(encoding=detect_encoding(head), errors=errors)
    with gzip.open(path) as unpacked:
        head = unpacked.read(4)
    return gzip.open(path, "rt", encoding=detect_encoding(head), errors=errors)


def read_text(path: Path) -> str:
    """A whole text file; raises `OSError` and `UnicodeError` for what cannot be read or is no text."""
    with path.open("rb") as file:
        encoding = detect_encoding(file.read(4))
    return path.read_text(encoding=encoding)


def lines_of(path: Path, need: str) -> list[str]:
    """The lines of a small text file, stripped; only line feeds end one, since names may hold other separators.

    Raises `SourceNotFound`, or `InvalidValue` that says what was needed where it is no text.
    """
    try:
        return [line.strip() for line in read_text(path).split("\n")]
    except UnicodeError as error:
        raise InvalidValue(f"{path}: need {need}, got other data ({error})") from error
    except OSError as error:
        raise SourceNotFound(f"{path}: cannot be read ({error.strerror})") from error


def decimal(text: str) -> float:
    """A number as text, also with a decimal comma; raises `ValueError` for anything else.

    A comma before three digits may stand for thousands, so that such a number is none, but for 0,125.

    >>> decimal("0.5"), decimal("0,125"), decimal("12,5")
    (0.5, 0.125, 12.5)
    """
    return float(text.replace(",", ".") if _COMMA.fullmatch(text) else text)
