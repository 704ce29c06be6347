"""Receive the bodies of requests in files of our own: counted as they come, recognized by content, never by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal
from zipfile import is_zipfile

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from maskweave.serving.problems import Problem
from maskweave.sources.kinds import HEAD, kind_of_content

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

Kind = Literal["image", "video", "labels", "tracks"]
"""What a body has: also the name of its field in a form.

``labels``: the files of a data set, as a zip; ``tracks``: those of a video, as JSON.
"""

_NEEDS: dict[Kind, str] = {
    "image": "an image of a known format",
    "video": "a video of a known format",
    "labels": "a zip",
    "tracks": "a JSON object",
}
_MAX_PARTS = 8
_MAX_REQUEST = 8_000_000
"""Bytes of JSON beside a file: thousands of masks; more would hold up everybody while it is read."""
_PIECE_SECONDS = 20.0
"""Seconds in which at least something of a body must come."""


@dataclass
class Upload:
    """What a request brought: its ``file`` (None where it has none), the JSON text beside it, and a second file."""

    file: Path | None = None
    request: bytes = b""
    beside: Path | None = None

    def of_kind(self, kind: Kind) -> Path:
        """The file; raises a `Problem` when there is none, or when its content is not of the ``kind``."""
        if self.file is None:
            raise Problem(422, "InvalidValue", f"body: need a file in the field {kind!r}, got none")
        with self.file.open("rb") as file:
            head = file.read(HEAD)
        if not _is_kind(self.file, head, kind):
            raise Problem(
                415,
                "UnsupportedMediaType",
                f"body: need {_NEEDS[kind]}, its first bytes are {head[:8].hex(' ') or 'none'}",
            )
        return self.file


def _is_kind(file: Path, head: bytes, kind: Kind) -> bool:
    if kind == "labels":
        return is_zipfile(file)
    if kind == "tracks":
        return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    return kind_of_content(file) == kind


async def receive(
    request: Request, folder: Path, kind: Kind, *, seconds: float, beside: Kind | None = None
) -> Upload:
    """Receive a body: multipart with a field called as the ``kind``, or the bytes of the file itself.

    ``beside``: the kind of a second file of a form.

    Raises `Problem` for a malformed form and for one that takes longer than ``seconds``.
    """
    form, options = parse_options_header(request.headers.get("content-type", ""))
    path = folder / kind
    upload = Upload()
    with ExitStack() as stack:
        file = stack.enter_context(path.open("wb"))
        second = stack.enter_context((folder / beside).open("wb")) if beside else None
        try:
            async with asyncio.timeout(seconds):
                if form == b"multipart/form-data":
                    await _receive_form(request, options.get(b"boundary", b""), upload, file, second)
                else:
                    await _receive_raw(request, upload, file)
        except TimeoutError:
            raise Problem(
                408, "RequestTimeout", f"the body did not come within {seconds:g} seconds"
            ) from None
        except ClientDisconnect:
            raise Problem(400, "BadRequest", "the connection broke off") from None
    return upload


async def _receive_raw(request: Request, upload: Upload, file: BinaryIO) -> None:
    async for piece in _pieces(request):
        if piece:
            upload.file = Path(file.name)
            file.write(piece)


async def _receive_form(
    request: Request, boundary: bytes, upload: Upload, file: BinaryIO, second: BinaryIO | None
) -> None:
    form = _Form(upload, file, second)
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for piece in _pieces(request):
            parser.write(piece)
        parser.finalize()
    except FormParserError:
        raise Problem(422, "InvalidValue", "body: need a form (multipart), got a malformed one") from None
    if not form.is_whole:
        raise Problem(422, "InvalidValue", "body: need a whole form (multipart), got one that is cut short")
    upload.request = bytes(form.request)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        async with asyncio.timeout(_PIECE_SECONDS):
            piece = await anext(stream, None)
        if piece is None:
            return
        yield piece


class _Form:
    """The parts of a form: those named as the files go into them, "request" into memory, others nowhere."""

    def __init__(self, upload: Upload, file: BinaryIO, second: BinaryIO | None) -> None:
        self.request = bytearray()
        self.is_whole = False
        self._upload = upload
        self._files = {Path(each.name).name.encode(): each for each in (file, second) if each is not None}
        self._field = Path(file.name).name.encode()
        self._parts = 0
        self._header = [bytearray(), bytearray()]
        self._name = b""

    def callbacks(self) -> MultipartCallbacks:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_to_header(0),
            "on_header_value": self._add_to_header(1),
            "on_header_end": self._end_header,
            "on_part_data": self._add,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        self._name = b""
        if self._parts > _MAX_PARTS:
            raise Problem(422, "InvalidValue", f"body: need at most {_MAX_PARTS} fields, got more")

    def _add_to_header(self, which: int) -> Callable[[bytes, int, int], None]:
        def add(data: bytes, start: int, end: int) -> None:
            self._header[which] += data[start:end]

        return add

    def _end_header(self) -> None:
        name, value = (bytes(part) for part in self._header)
        self._header = [bytearray(), bytearray()]
        if name.lower() != b"content-disposition":
            return
        self._name = parse_options_header(value)[1].get(b"name", b"")
        if self._name not in self._files:
            return
        if (self._upload.file if self._name == self._field else self._upload.beside) is not None:
            raise Problem(422, "InvalidValue", f"body: need one file, got two in {self._name.decode()!r}")
        path = Path(self._files[self._name].name)
        if self._name == self._field:
            self._upload.file = path
        else:
            self._upload.beside = path

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._name in self._files:
            self._files[self._name].write(data[start:end])
        elif self._name == b"request":
            self.request += data[start:end]
            if len(self.request) > _MAX_REQUEST:
                raise Problem(
                    413, "TooLarge", f"request: need at most {_MAX_REQUEST / 1e6:g} MB of JSON, got more"
                )

    def _end(self) -> None:
        self.is_whole = True
