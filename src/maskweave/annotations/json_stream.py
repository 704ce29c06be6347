"""Stream large JSON files: the lists at their top level are never in memory as a whole."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from maskweave.annotations.report import Report
from maskweave.annotations.texts import open_text, read_text
from maskweave.annotations.values import shown
from maskweave.errors import InvalidValue, SourceNotFound

_PIECE = 1 << 16
_WHITE = re.compile(r"[ \t\n\r]*")
_NEXT_BRACKET = re.compile(r'[^"\[\]{}]*(?:"(?:[^"\\]|\\.)*"[^"\[\]{}]*)*[\[\]{}]', re.DOTALL)
"""Up to and with the next bracket that is not inside a text."""
_MAX_CHARACTERS = 256_000_000  # characters of one value; a value beyond that is no record


def read_json(path: Path, *, need: str) -> Any:
    """A whole small JSON file; raises `SourceNotFound`, or `InvalidValue` that says what was needed."""
    try:
        return json.loads(read_text(path))
    except FileNotFoundError as error:
        raise SourceNotFound(f"{path}: no such file") from error
    except (ValueError, RecursionError, OSError) as error:
        raise InvalidValue(f"{path}: need {need}, got no JSON ({error})") from error


@dataclass(frozen=True)
class JsonOutline:
    """What a JSON file is made of, by which formats know it: ``keys`` are those at its top level.

    ``inner``: of each member that is a list or an object, the keys of its first object, or its own; of a file that is
    one list, under "". ``kind``: the text of its member "type", else "". ``fault``: why the file is no JSON, else "".
    """

    keys: frozenset[str] = frozenset()
    inner: Mapping[str, frozenset[str]] = field(default_factory=dict)
    kind: str = ""
    fault: str = ""


_ENOUGH = (
    {"images", "annotations"},
    {"videos", "annotations"},
    {"shapes", "imagePath"},
    {"features", "type"},
)
"""Keys after which the rest of a file changes nothing about what it is."""


def json_outline(path: Path) -> JsonOutline:
    """The outline of a JSON file whatever its suffix, as far as it can be read; an empty one of any other file."""
    try:
        if not path.is_file():
            return JsonOutline()
        stat = path.stat()
        return _outline(path, stat.st_size, stat.st_mtime_ns)
    except OSError:
        return JsonOutline()


@lru_cache(maxsize=4)
def _outline(path: Path, size: int, changed: int) -> JsonOutline:
    """As `json_outline`; every format asks for the same file, which is read once."""
    keys: set[str] = set()
    inner: dict[str, frozenset[str]] = {}
    kind = fault = ""
    try:
        with open_text(path) as file:
            text = _Text(file, path)
            if text.peek() == "[":
                inner[""] = text.skip_list()
            else:
                kind = _skim(text, keys, inner)
    except (InvalidValue, EOFError) as error:
        fault = str(error).removeprefix(f"{path}: ")
    return JsonOutline(frozenset(keys), inner, kind, fault)


def _skim(text: _Text, keys: set[str], inner: dict[str, frozenset[str]]) -> str:
    """Note the members of an object until they are enough; returns the text of its "type"."""
    kind = ""
    text.consume("{")
    while text.peek() != "}":
        key = str(text.value())
        keys.add(key)
        text.consume(":")
        if text.peek() == "[":
            inner[key] = text.skip_list()
        else:
            value = text.value()
            kind = str(value) if key == "type" else kind
            if isinstance(value, dict):
                inner[key] = frozenset(value)
        if any(each <= keys for each in _ENOUGH):
            return kind
        if text.peek() != "}":
            text.consume(",")
    text.consume("}")
    if text.peek():
        text.fail("more follows after its end: several values (JSON lines) belong into one list")
    return kind


def stream_lists(path: Path, lists: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of a JSON object's members, in file order; of ``lists`` each element by itself.

    A member of ``lists`` that is no list raises `InvalidValue`, as does text that is no JSON. A file that is one list
    yields its elements under the key "".
    """
    try:
        file = open_text(path)
    except (OSError, EOFError) as error:
        raise SourceNotFound(f"{path}: cannot be read ({error})") from error
    with file:
        text = _Text(file, path)
        if text.peek() == "[":
            yield from (("", value) for value in _elements(text))
        else:
            yield from _object(text, path, lists)
        if text.peek():
            text.fail("more follows after its end")


def stream_objects(
    path: Path, lists: tuple[str, ...], report: Report, *, unnamed: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of ``lists`` as `stream_lists` does; what stands there and is no object is a problem.

    ``unnamed``: which list a file that is one list alone is.
    """
    for key, value in stream_lists(path, lists):
        name = key or unnamed
        if name not in lists:
            continue
        if isinstance(value, dict):
            yield name, value
        else:
            report.problem(f"{path.name}, {name}", f"need objects, got {shown(value)}")


class _Text:
    """A text file with a window that grows where a value needs it."""

    def __init__(self, file: IO[str], path: Path) -> None:
        self._file, self._path = file, path
        self._window, self._at, self._ended = "", 0, False
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is no white space, "" at the end."""
        while True:
            match = _WHITE.match(self._window, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._window):
                return self._window[self._at]
            if not self._more(_PIECE):
                return ""

    def consume(self, wanted: str) -> None:
        """Pass the next character, which must be one of ``wanted``."""
        got = self.peek()
        if not got or got not in wanted:
            self.fail(f"{' or '.join(wanted)} where {got or 'the end'!r} is")
        self._at += 1

    def value(self) -> Any:
        """The next value, whole."""
        if not self.peek():
            self.fail("a value where the end is")
        step = _PIECE
        while True:
            try:
                value, end = self._decoder.raw_decode(self._window, self._at)
                if end < len(self._window) or not self._more(_PIECE):  # a number may go on
                    self._at = end
                    return value
            except RecursionError:
                self.fail("values nested less deeply")
            except ValueError as error:
                step *= 2
                if len(self._window) - self._at > _MAX_CHARACTERS or not self._more(step):
                    self.fail(str(error))

    def skip_list(self) -> frozenset[str]:
        """Pass a list without making its values; returns the keys of its first element, where that is an object."""
        self.consume("[")
        if self.peek() == "]":
            self.consume("]")
            return frozenset()
        first = self.value()
        depth = 1
        while depth:
            match = _NEXT_BRACKET.match(self._window, self._at)
            if match is None:
                if len(self._window) - self._at > _MAX_CHARACTERS or not self._more(_PIECE * 16):
                    self.fail("the end of a list where the end of the file is")
                continue
            self._at = match.end()
            depth += 1 if self._window[self._at - 1] in "[{" else -1
        return frozenset(first) if isinstance(first, dict) else frozenset()

    def fail(self, why: str) -> None:
        raise InvalidValue(f"{self._path}: need JSON; {why}")

    def _more(self, count: int) -> bool:
        if self._ended:
            return False
        try:
            piece = self._file.read(count)
        except UnicodeError as error:
            raise InvalidValue(
                f"{self._path}: need JSON in UTF-8 ({error}); save it in that encoding"
            ) from error
        except (OSError, EOFError, zlib.error) as error:  # gzip that is damaged or cut
            raise InvalidValue(
                f"{self._path}: need a whole file, its end cannot be unpacked ({error})"
            ) from error
        self._ended = not piece
        self._window, self._at = self._window[self._at :] + piece, 0
        return bool(piece)


def _object(text: _Text, path: Path, lists: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    text.consume("{")
    while text.peek() != "}":
        key = text.value()
        if not isinstance(key, str):
            raise InvalidValue(f"{path}: need JSON; a key is {key!r}")
        text.consume(":")
        if key not in lists:
            yield key, text.value()
        elif text.peek() == "[":
            yield from ((key, value) for value in _elements(text))
        elif text.peek() != "n" or text.value() is not None:  # null is as good as no list
            raise InvalidValue(f"{path}: need a list under {key!r}, got something else")
        if text.peek() != "}":
            text.consume(",")
    text.consume("}")


def _elements(text: _Text) -> Iterator[Any]:
    text.consume("[")
    while text.peek() != "]":
        yield text.value()
        if text.peek() != "]":
            text.consume(",")
    text.consume("]")
