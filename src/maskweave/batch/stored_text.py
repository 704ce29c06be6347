"""Encode file names as text that any database, JSON and Parquet file can hold, and back.

File systems hold names of any bytes; Python keeps those that are no UTF-8 as lone surrogates, which nothing else
takes.
"""

from __future__ import annotations

import os
from urllib.parse import quote_from_bytes, unquote_to_bytes

_MARK = "\x1b"
"""Before text that is escaped; it begins no name that anybody has typed, and where it does, that is escaped, too."""


def stored_text(text: str) -> str:
    r"""Text without surrogates; plain names stay as they are.

    >>> stored_text("café"), stored_text("caf\udce9 1.jpg")
    ('café', '\x1bcaf%E9%201.jpg')
    """
    if not text.startswith(_MARK):
        try:
            text.encode()
        except UnicodeEncodeError:
            pass
        else:
            return text
    return _MARK + quote_from_bytes(os.fsencode(text))


def original_text(text: str) -> str:
    """What `stored_text` was given."""
    return os.fsdecode(unquote_to_bytes(text[1:])) if text.startswith(_MARK) else text
