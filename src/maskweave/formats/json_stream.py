"""Large JSON files read piece by piece: the lists at their top level are never in memory as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from maskweave.errors import InvalidValue, SourceNotFound

_PIECE = 1 << 16
_WHITE = re.compile(r"[ \t\n\r]*")
_ENDS_BYTES = 1 << 16
_LARGEST = 256_000_000  # characters of one value; a value beyond that is no record


def read_json(path: Path, *, need: str) -> Any:
    """A whole small JSON file; raises `SourceNotFound`, or `InvalidValue` that says what was needed."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SourceNotFound(f"{path}: no such file") from error
    except (ValueError, RecursionError, OSError) as error:
        raise InvalidValue(f"{path}: need {need}, got no JSON ({error})") from error


def json_ends(path: Path) -> str:
    """The first and last 64 KB of a ``.json`` file as one text, by which formats know it; "" for other files."""
    if path.suffix.lower() not in (".json", ".geojson") or not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            head = file.read(_ENDS_BYTES)
            length = file.seek(0, 2)
            file.seek(max(len(head), length - _ENDS_BYTES))
            return (head + b" " + file.read(_ENDS_BYTES)).decode("utf-8", "replace").lstrip("\ufeff")
    except OSError:
        return ""


def stream_lists(path: Path, lists: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of a JSON object's members, in file order; of ``lists`` each element by itself.

    A member of ``lists`` that is no list raises `InvalidValue`, as does text that is no JSON. A file that is one list
    yields its elements under the key "".
    """
    try:
        file = path.open(encoding="utf-8-sig")
    except OSError as error:
        raise SourceNotFound(f"{path}: cannot be read ({error.strerror})") from error
    with file:
        text = _Text(file, path)
        if text.peek() == "[":
            yield from (("", value) for value in _elements(text))
        else:
            yield from _object(text, path, lists)
        if text.peek():
            text.fail("more follows after its end")


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

    def take(self, wanted: str) -> None:
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
                if len(self._window) - self._at > _LARGEST or not self._more(step):
                    self.fail(str(error))

    def fail(self, why: str) -> None:
        raise InvalidValue(f"{self._path}: need JSON; {why}")

    def _more(self, count: int) -> bool:
        if self._ended:
            return False
        try:
            piece = self._file.read(count)
        except UnicodeDecodeError as error:
            raise InvalidValue(f"{self._path}: need JSON in UTF-8 ({error})") from error
        self._ended = not piece
        self._window, self._at = self._window[self._at :] + piece, 0
        return bool(piece)


def _object(text: _Text, path: Path, lists: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    text.take("{")
    while text.peek() != "}":
        key = text.value()
        if not isinstance(key, str):
            raise InvalidValue(f"{path}: need JSON; a key is {key!r}")
        text.take(":")
        if key not in lists:
            yield key, text.value()
        elif text.peek() == "[":
            yield from ((key, value) for value in _elements(text))
        else:
            raise InvalidValue(f"{path}: need a list under {key!r}, got something else")
        if text.peek() != "}":
            text.take(",")
    text.take("}")


def _elements(text: _Text) -> Iterator[Any]:
    text.take("[")
    while text.peek() != "]":
        yield text.value()
        if text.peek() != "]":
            text.take(",")
    text.take("]")
