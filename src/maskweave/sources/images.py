"""Still pictures: files, bytes, Pillow pictures and arrays."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeAlias

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from maskweave.errors import (
    ImageTooLarge,
    InvalidValue,
    MaskWeaveError,
    SourceNotFound,
    UnreadableImage,
)
from maskweave.sources.base import MAX_PIXELS, Closing, check_budget
from maskweave.sources.kinds import is_pipe, is_regular, kind_by_content
from maskweave.sources.pixels import rgb_from_array, rgb_from_pillow, upright
from maskweave.types.arrays import Array, Image, Size
from maskweave.types.frame import Frame, SourceInfo

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "JPEG2000", "AVIF", "PPM")
"""Pillow's decoders that are let near a file; others (EPS starts Ghostscript) are never tried."""

Encoded: TypeAlias = str | PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""A picture in a file or in the bytes of one."""

_MOST_BYTES = 500_000_000
"""The most that is read from a pipe or an open file."""
_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)  # orientations that exchange width and height
_pillow_lock = threading.Lock()


def read_image(data: Encoded, *, max_pixels: int = MAX_PIXELS, label: str | None = None) -> Image:
    """Decode one picture to (H, W, 3) uint8 RGB, upright, by the rules of `maskweave.sources.pixels`.

    ``data`` is a path, encoded bytes, or a file opened with "rb". ``max_pixels`` is compared with the size in
    the header before anything is decoded. ``label`` names the picture in errors. Of an animation or a
    multi-page file the first picture is read.

    Raises `SourceNotFound`, `ImageTooLarge`, or `UnreadableImage` for whatever is no picture, damaged or
    cut short; missing pixels are never filled with grey. Raises `InvalidValue` for ``data`` of another type.
    """
    label = label or (str(data) if isinstance(data, str | PathLike) else "image data")
    with _readable(label):
        encoded = _encoded(data, label, need="a path, bytes or an open binary file")
        return _decode(_without_waiting(encoded, label), max_pixels, label)


def picture_size(path: Path) -> Size:
    """(height, width) as the picture is decoded, EXIF orientation applied; only its head is read.

    Raises `UnreadableImage`.
    """
    try:
        with _pillow_quiet():
            picture = Pillow.open(path, formats=_formats())
        with picture:
            width, height = picture.size
            turned = _orientation(picture) in _TURNED
    except (OSError, ValueError, SyntaxError, struct.error) as error:
        raise UnreadableImage(
            f"{path}: not a readable image. Repair it or take it out of the data set."
        ) from error
    return (width, height) if turned else (height, width)


def read_all(file: IO[Any], label: str) -> bytes:
    """The rest of an open binary file, of at most 500 MB.

    Raises `UnreadableImage` when there is more, `InvalidValue` when the file gives text.
    """
    received = bytearray()
    while piece := file.read(1 << 20):
        if not isinstance(piece, bytes):
            raise InvalidValue(f'{label}: need a file that gives bytes, got text; open it with "rb"')
        received += piece
        if len(received) > _MOST_BYTES:
            raise UnreadableImage(f"{label}: need at most {_MOST_BYTES / 1e6:g} MB, got more; pass a file")
    return bytes(received)


class ImageSource(Closing):
    """One still picture as a source of one `Frame`, whose image shares no memory with ``data``.

    ``data`` is a path, encoded bytes, a file opened with "rb" (read at once), a Pillow picture, or a uint8
    array: (H, W, 3) RGB, (H, W) grey or (H, W, 4) RGBA. ``name`` is the stem for outputs; a path brings its
    own. ``label`` names the picture in errors. Paths are read when iterated, pipes only once.
    ``max_pixels`` bounds what is decoded; pixels that are in memory already have no budget.

    Raises `InvalidValue` for another type; iterating raises what `read_image` raises, and `InvalidValue` for
    an array of another kind.

    >>> frames = list(ImageSource(np.zeros((2, 3), np.uint8), "dark"))
    >>> frames[0].image.shape, frames[0].source
    ((2, 3, 3), 'dark')
    """

    def __init__(
        self,
        data: Encoded | Pillow.Image | Array,
        name: str | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        label: str | None = None,
    ) -> None:
        self._data: Path | bytes | Pillow.Image | Array
        if isinstance(data, np.ndarray | Pillow.Image):
            self._data = data
        else:
            self._data = _encoded(data, label or name or "image", need=_NEED)
        self._max_pixels = max_pixels
        path = self._data if isinstance(self._data, Path) else None
        self.info = SourceInfo(
            name=name or (path.stem if path else "image"), kind="image", path=path, frame_count=1
        )
        self._label = label or (str(path) if path else self.info.name)
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        path = self.info.path
        yield Frame(self._image(), source=self.info.name, file_name=path.name if path else "")

    def _image(self) -> Image:
        if isinstance(self._data, np.ndarray):
            return rgb_from_array(self._data)
        with _readable(self._label):
            if isinstance(self._data, Pillow.Image):
                return _loaded(self._data, self._max_pixels, self._label)
            self._data = _without_waiting(self._data, self._label)
            told: list[str] = []
            image = _decode(self._data, self._max_pixels, self._label, told)
            self.warnings += [line for line in told if line not in self.warnings]
            return image


_NEED = "a path, bytes, an open binary file, a PIL image or a uint8 array"


def _encoded(data: Any, label: str, *, need: str) -> Path | bytes:
    """The path, or a copy of the bytes; an open file is read to its end."""
    if isinstance(data, str | PathLike):
        return Path(data)
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if callable(getattr(data, "read", None)):
        with _readable(label):
            return read_all(data, label)
    raise InvalidValue(f"image: need {need}, got {type(data).__name__}")


def _without_waiting(data: Path | bytes, label: str) -> Path | bytes:
    """A pipe's bytes, since it can be read only once; anything else as it is."""
    if isinstance(data, bytes) or is_regular(data):
        return data
    if not is_pipe(data):
        raise UnreadableImage(f"{label}: need a file or a pipe, got a device; cameras are named camera:0")
    with data.open("rb") as file:
        return read_all(file, label)


@contextmanager
def _readable(label: str) -> Iterator[None]:
    """Turn whatever a broken picture provokes in the block into a `SourceError` that begins with ``label``."""
    try:
        yield
    except MaskWeaveError:
        raise
    except FileNotFoundError:
        raise SourceNotFound(f"{label}: no such file; check the path") from None
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise ImageTooLarge(f"{label}: unpacks to more pixels than its header says ({error})") from error
    except (PermissionError, IsADirectoryError) as error:
        raise UnreadableImage(f"{label}: need a readable file, got {error.strerror}") from error
    except Exception as error:  # a broken file can provoke nearly any exception inside a decoder
        raise UnreadableImage(f"{label}: damaged or cut short ({_reason(error)})") from error


def _decode(data: Path | bytes, max_pixels: int, label: str, told: list[str] | None = None) -> Image:
    """The picture, upright; ``told`` gets a sentence of what else is in the file."""
    head = _head(data)
    if not head:
        raise UnreadableImage(f"{label}: need a picture, got an empty file (0 bytes); copy or load it again")
    with _pillow_quiet():
        try:
            picture = Pillow.open(data if isinstance(data, Path) else BytesIO(data), formats=_formats())
        except UnidentifiedImageError as error:
            raise UnreadableImage(f"{label}: {_not_a_picture(head)}") from error
    with picture:
        check_budget(*picture.size, max_pixels=max_pixels, label=label, hint=_hint(picture))
        if picture.format == "PNG":
            _check_png(data)
        image = _loaded(picture, max_pixels, label)
        if told is not None and _is_animation(picture):
            told.append(
                "an animation, of which the first picture was read; save it as a video to have them all"
            )
        return image


def _is_animation(picture: Pillow.Image) -> bool:
    """Whether more pictures follow; those of a phone's MPO and of a TIFF are no animation."""
    try:
        return picture.format in _ANIMATED and bool(getattr(picture, "is_animated", False))
    except Exception:  # the first is good even where the next is damaged
        return True


def _hint(picture: Pillow.Image) -> str:
    """What helps against a file with too many pixels: only TIFF can be read piece by piece."""
    if picture.format == "TIFF":
        return "read it in tiles (--tile 1024, in Python load(tile=1024))"
    return "scale it down, save it as a tiled TIFF and use --tile 1024"


def _loaded(picture: Pillow.Image, max_pixels: int, label: str) -> Image:
    if not _in_memory(picture):
        check_budget(*picture.size, max_pixels=max_pixels, label=label)
    if 0 in picture.size:
        raise UnreadableImage(f"{label}: need pixels, got a picture of {picture.size[0]} x {picture.size[1]}")
    picture.load()
    return upright(rgb_from_pillow(picture), _orientation(picture))


def _in_memory(picture: Pillow.Image) -> bool:
    """Whether a picture's pixels are decoded. Pillow does not tell: it has its core image and no tile is left."""
    attributes = vars(picture)
    core = attributes.get("_im", attributes.get("im"))  # Pillow before 11 calls it im
    return core is not None and not getattr(picture, "tile", ())


def _check_png(data: Path | bytes) -> None:
    """Compare the checksums of a PNG's critical chunks, which Pillow does not do for pixels.

    Raises `ValueError` for a wrong one or a missing end. Layout: https://www.w3.org/TR/png-3/#5Chunk-layout
    """
    with data.open("rb") if isinstance(data, Path) else BytesIO(data) as file:
        file.seek(8)
        kind = b""
        while kind != b"IEND":
            length, kind = struct.unpack(">I4s", file.read(8))
            body = file.read(length)
            (checksum,) = struct.unpack(">I", file.read(4))
            if kind[:1].isupper() and zlib.crc32(body, zlib.crc32(kind)) != checksum:
                raise ValueError(f"wrong checksum of {kind.decode('ascii', 'replace')}")


def _orientation(picture: Pillow.Image) -> int:
    """EXIF orientation of a loaded picture (Pillow has turned TIFF by then); broken EXIF means upright."""
    try:
        with _pillow_quiet():
            return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # the pixels are good even where the metadata is not
        return 1


def _head(data: Path | bytes) -> bytes:
    if isinstance(data, bytes):
        return data[:64]
    with data.open("rb") as file:
        return file.read(64)


def _formats() -> list[str]:
    Pillow.init()
    return [name for name in FORMATS if name in Pillow.OPEN]


def _not_a_picture(head: bytes) -> str:
    wanted = "need a picture (JPEG, PNG, WebP, TIFF, BMP, GIF)"
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"msf1"):
        return f"{wanted}, got HEIC; export it as JPEG"
    kind = kind_by_content(head)
    if kind == "video":
        return f"{wanted}, got a video"
    if kind == "image":
        return f"{wanted}, got one whose header is damaged"
    printable = sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)
    if printable == len(head):
        start = head[:24].decode("ascii").splitlines()[0]
        return f"{wanted}, got text that begins {start!r}"
    return f"{wanted}, got other or damaged data that begins {head[:8].hex(' ')}"


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__


@contextmanager
def _pillow_quiet() -> Iterator[None]:
    """Read a header without Pillow's own bomb limit and chatter; the budget is checked by us.

    Both are process-wide settings, hence the lock, and no decoding under it.
    """
    with _pillow_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Pillow.MAX_IMAGE_PIXELS = limit
