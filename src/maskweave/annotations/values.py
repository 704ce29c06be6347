"""Parse values as other programs spell them: numbers as text, ids as floats, null for nothing.

Every reader takes its values through these functions, so that all of them take the same spellings.
"""

from __future__ import annotations

import math
import re
from typing import TypeAlias

from maskweave.annotations.texts import decimal
from maskweave.errors import BadRecord

Id: TypeAlias = int | str
"""An id of a file: a whole number where it is spelled like one, else its text."""

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_MAX_WHOLE = 1 << 62
_TRUE, _FALSE = frozenset({"1", "true", "yes"}), frozenset({"", "0", "false", "no", "null", "none"})


def shown(value: object) -> str:
    """A value for a message, of bounded length and on one line."""
    return repr(value)[:60] if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"


def identifier(value: object, what: str) -> Id:
    """An id; raises `BadRecord` for what is none.

    >>> identifier("17", "id"), identifier(17.0, "id"), identifier("abc_1", "id"), identifier("017", "id")
    (17, 17, 'abc_1', '017')

    Whole numbers of more than 62 bits, such as hashes, are their text:

    >>> identifier(10**20, "id") == identifier("100000000000000000000", "id")
    True
    """
    if isinstance(value, str) and value.strip():
        text = value.strip()
        if text.endswith(".0") and _WHOLE.fullmatch(text[:-2]):
            text = text[:-2]
        return int(text) if _WHOLE.fullmatch(text) else text
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRecord(f"need a number or a text as {what}, got {shown(value)}")
    return value if abs(value) < _MAX_WHOLE else str(value)


def whole(value: object, what: str) -> int:
    """A whole number; raises `BadRecord` for anything else.

    >>> whole("3", "frame"), whole(3.0, "frame")
    (3, 3)
    """
    number = identifier(value, what) if value is not None else None
    if not isinstance(number, int):
        raise BadRecord(f"need a whole number as {what}, got {shown(value)}")
    return number


def number(value: object, what: str, default: float | None = None) -> float:
    """A finite number, or ``default`` where there is null; raises `BadRecord` for anything else.

    >>> number("0.5", "score"), number(None, "score", 1.0)
    (0.5, 1.0)
    """
    if value is None and default is not None:
        return default
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise BadRecord(f"need a number as {what}, got {shown(value)}")
        found = decimal(value) if isinstance(value, str) else float(value)
    except (ValueError, OverflowError) as error:
        raise BadRecord(f"need a number as {what}, got {shown(value)}") from error
    if not math.isfinite(found):
        raise BadRecord(f"need finite numbers, got {shown(value)} as {what}")
    return found


def flag(value: object, what: str, *, default: bool = False) -> bool:
    """Yes or no, as JSON, a number or a word; ``default`` where there is null.

    >>> flag("0", "iscrowd"), flag(1.0, "iscrowd"), flag("False", "iscrowd"), flag(None, "iscrowd")
    (False, True, False, False)
    """
    if value is None:
        return default
    if isinstance(value, str):
        word = value.strip().lower().removesuffix(".0")
        if word in _TRUE | _FALSE:
            return word in _TRUE
    elif isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    raise BadRecord(f"need 0 or 1 as {what}, got {shown(value)}")


def score(value: object, default: float | None = 1.0) -> float:
    """A confidence in 0..1; raises `BadRecord` for anything else."""
    found = number(value, "score", default)
    if not 0 <= found <= 1:
        raise BadRecord(f"need a score in 0..1, got {found:g}")
    return found
