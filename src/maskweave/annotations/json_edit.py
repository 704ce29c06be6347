"""Replace single values in JSON text and leave all other text as it is, to the last space."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from json import JSONDecoder
from typing import Any

from maskweave.errors import InvalidValue

_WHITE = re.compile(r"[ \t\n\r]*")
_DECODER = JSONDecoder(strict=False)


@dataclass(frozen=True)
class Part:
    """An element of a list, or a member of an object, in its text.

    Attributes:
        key: Of a member; "" for an element.
        start: Where it begins; of a member that is its key.
        value_start: Where its value begins.
        end: Behind its last character.
        value: What stands there.
    """

    key: str
    start: int
    value_start: int
    end: int
    value: Any


def parts_of(text: str, start: int = 0) -> tuple[list[Part], int]:
    """The elements or members of the list or object that begins at ``start``, and the place behind it.

    Raises `InvalidValue` for text that is neither.
    """
    try:
        parts = list(_parts(text, _skip(text, start)))
    except (ValueError, IndexError, RecursionError) as error:
        raise InvalidValue(f"need JSON, got something else ({error})") from error
    end = _skip(text, parts[-1].end if parts else _skip(text, start) + 1)
    return parts, end + 1


def with_values(text: str, values: Mapping[str, str | None], style: Style) -> str:
    """The text of an object with other values, each as JSON text; None takes a member away, new ones come last."""
    parts, _ = parts_of(text)
    known = {part.key for part in parts}
    replaced = {
        place: None if (new := values[part.key]) is None else text[part.start : part.value_start] + new
        for place, part in enumerate(parts)
        if part.key in values
    }
    added = [
        f"{json.dumps(key)}{style.colon}{value}"
        for key, value in values.items()
        if key not in known and value is not None
    ]
    return rebuilt(text, replaced, added)


def rebuilt(text: str, replaced: Mapping[int, str | None], added: Sequence[str] = ()) -> str:
    """The text of a list or object with some parts replaced (None: left out) and others added at its end.

    What separates the parts stays; added ones are separated as the last ones are.

    >>> rebuilt("[1,  2, 3 ]", {1: None, 2: "9"}, ["4"])
    '[1, 9, 4 ]'
    """
    parts, end = parts_of(text)
    gaps = [text[one.end : other.start] for one, other in pairwise(parts)]
    usual = gaps[-1] if gaps else ", "
    pieces: list[str] = []
    for place, part in enumerate(parts):
        new = replaced.get(place, text[part.start : part.end])
        if new is not None:
            pieces += [gaps[place - 1] if pieces else "", new]
    for new in added:
        pieces += [usual if pieces else "", new]
    first, last = (parts[0].start, parts[-1].end) if parts else (end - 1, end - 1)
    return text[:first] + "".join(pieces) + text[last:]


@dataclass(frozen=True)
class Style:
    """How a file writes its JSON, for what is added to it.

    Attributes:
        comma: Between two parts.
        colon: Between key and value.
        ascii: Whether other characters are escaped.
        indent: What each level is moved in by; None where all stands on one line.
        base: What stands before the lines of an element.
    """

    comma: str = ", "
    colon: str = ": "
    ascii: bool = True
    indent: str | None = None
    base: str = ""

    def text(self, value: Any, *, flat: bool = False) -> str:
        """A value as the file would write it; ``flat``: on one line in any case."""
        indent = None if flat else self.indent
        written = json.dumps(
            value,
            indent=indent,
            separators=(self.comma if indent is None else ",", self.colon),
            ensure_ascii=self.ascii,
        )
        return written.replace("\n", f"\n{self.base}")


def style_of(text: str, sample: str) -> Style:
    """The style of a file's ``text``, of which ``sample`` is an object out of one of its lists.

    >>> style_of("", '{"id":1,"name":"cat"}')
    Style(comma=',', colon=':', ascii=True, indent=None, base='')
    """
    parts, _ = parts_of(sample)
    colon = ":" if parts and _gap(sample, parts[0]) == ":" else ": "
    gap = sample[parts[0].end : parts[1].start] if len(parts) > 1 else ", "
    if "\n" not in gap:
        return Style("," if gap == "," else ", ", colon, text.isascii())
    inner = gap.rpartition("\n")[2]
    base = sample.rpartition("\n")[2].removesuffix("}")
    return Style(", ", colon, text.isascii(), inner.removeprefix(base) or None, base)


def _gap(text: str, part: Part) -> str:
    return text[part.start : part.value_start].removeprefix(json.dumps(part.key))


def _parts(text: str, start: int) -> Iterator[Part]:
    closing = {"[": "]", "{": "}"}[text[start]] if text[start] in "[{" else ""
    if not closing:
        raise ValueError(f"a list or an object should begin with {text[start : start + 20]!r}")
    at = _skip(text, start + 1)
    while text[at] != closing:
        begin, key = at, ""
        if closing == "}":
            key, at = _DECODER.raw_decode(text, at)
            at = _consumed(text, _skip(text, at), ":")
        value_start = _skip(text, at)
        value, at = _DECODER.raw_decode(text, value_start)
        yield Part(key, begin, value_start, at, value)
        at = _skip(text, at)
        if text[at] != closing:
            at = _skip(text, _consumed(text, at, ","))


def _skip(text: str, at: int) -> int:
    found = _WHITE.match(text, at)
    return at if found is None else found.end()


def _consumed(text: str, at: int, sign: str) -> int:
    if text[at] != sign:
        raise ValueError(f"{sign!r} should stand where {text[at : at + 20]!r} stands")
    return at + 1
