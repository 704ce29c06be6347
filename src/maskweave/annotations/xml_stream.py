"""XML read one child of the root at a time, without what makes XML dangerous: a file that declares a document type or
entities is refused, so nothing is expanded and nothing else is opened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from maskweave.errors import InvalidValue, SourceNotFound

_PIECE = 1 << 16
_DEEPEST = 40


@dataclass
class Element:
    """An XML element with all that is in it; ``text`` is what stands directly in it."""

    name: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def find(self, *path: str) -> Element | None:
        """The first descendant along ``path``, or None."""
        node: Element | None = self
        for name in path:
            node = next((child for child in node.children if child.name == name), None) if node else None
        return node

    def text_of(self, *path: str) -> str:
        """The text of `find`, stripped; "" where there is none."""
        found = self.find(*path)
        return found.text.strip() if found is not None else ""


class _Reader:
    def __init__(self, path: Path, root: str) -> None:
        self._path, self._root = path, root
        self._open: list[Element] = []
        self.whole: deque[Element] = deque()
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and name != self._root:
            raise InvalidValue(f"{self._path}: need XML with the root {self._root}, got {name}")
        if len(self._open) >= _DEEPEST:
            raise InvalidValue(f"{self._path}: need XML of at most {_DEEPEST} levels, got more")
        self._open.append(Element(name, attributes))

    def _end(self, name: str) -> None:
        element = self._open.pop()
        if len(self._open) == 1:
            self.whole.append(element)
        elif self._open:
            self._open[-1].children.append(element)

    def _text(self, text: str) -> None:
        if len(self._open) > 1:
            self._open[-1].text += text

    def _refuse(self, *_: object) -> None:
        raise InvalidValue(
            f"{self._path}: declares a document type or entities, which are refused; take them out of the file"
        )


def stream_elements(path: Path, *, root: str) -> Iterator[Element]:
    """Yield the children of the root element ``root``, each when it is whole.

    Raises `SourceNotFound`, or `InvalidValue` for what is no XML, has another root, or declares entities.
    """
    reader = _Reader(path, root)
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                reader.parser.Parse(piece, False)
                while reader.whole:
                    yield reader.whole.popleft()
            reader.parser.Parse(b"", True)
    except InvalidValue:
        raise
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: of an encoding that is none
        raise InvalidValue(f"{path}: need XML ({error})") from error
    except OSError as error:
        raise SourceNotFound(f"{path}: cannot be read ({error.strerror})") from error
    yield from reader.whole
