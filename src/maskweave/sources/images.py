"""Still pictures: files, bytes, Pillow pictures and arrays."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from maskweave.errors import ImageTooLarge, MaskWeaveError, SourceNotFound, UnreadableImage
from maskweave.sources.base import MAX_PIXELS, Closing, check_budget
from maskweave.sources.kinds import kind_by_content
from maskweave.sources.pixels import rgb_from_array, rgb_from_pillow, upright
from maskweave.types.arrays import Array, Image
from maskweave.types.frame import Frame, SourceInfo

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "JPEG2000", "AVIF", "PPM")
"""Pillow's decoders that are let near a file; others (EPS starts Ghostscript) are never tried."""

_ORIENTATION = 0x0112
_pillow_lock = threading.Lock()


def read_image(data: Path | bytes, *, max_pixels: int = MAX_PIXELS, label: str | None = None) -> Image:
    """Decode one picture to (H, W, 3) uint8 RGB, upright, by the rules of `maskweave.sources.pixels`.

    ``max_pixels`` is compared with the size in the header before anything is decoded. ``label`` names the
    picture in errors. Of an animation or a multi-page file the first picture is read.

    Raises `SourceNotFound`, `ImageTooLarge`, or `UnreadableImage` for whatever is no picture, damaged or
    cut short; missing pixels are never filled with grey.
    """
    label = label or (str(data) if isinstance(data, Path) else "image data")
    try:
        return _decode(data, max_pixels, label)
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


class ImageSource(Closing):
    """One still picture as a source of one `Frame`.

    ``data`` is a path, encoded bytes, a Pillow picture, or a uint8 array: (H, W, 3) RGB, (H, W) grey or
    (H, W, 4) RGBA. ``name`` is the stem for outputs; a path brings its own. Files are read when iterated.

    Iterating raises what `read_image` raises, and `InvalidValue` for an array of another kind.

    >>> frames = list(ImageSource(np.zeros((2, 3), np.uint8), "dark"))
    >>> frames[0].image.shape, frames[0].source
    ((2, 3, 3), 'dark')
    """

    def __init__(
        self,
        data: Path | str | bytes | Pillow.Image | Array,
        name: str | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._data = Path(data) if isinstance(data, str) else data
        self._max_pixels = max_pixels
        path = self._data if isinstance(self._data, Path) else None
        self.info = SourceInfo(
            name=name or (path.stem if path else "image"), kind="image", path=path, frame_count=1
        )
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(self._image(), source=self.info.name)

    def _image(self) -> Image:
        if isinstance(self._data, np.ndarray):
            return rgb_from_array(self._data)
        if isinstance(self._data, Pillow.Image):
            return _loaded(self._data, self._max_pixels, self.info.name)
        return read_image(
            self._data,
            max_pixels=self._max_pixels,
            label=None if isinstance(self._data, Path) else self.info.name,
        )


def _decode(data: Path | bytes, max_pixels: int, label: str) -> Image:
    head = _head(data)
    if not head:
        raise UnreadableImage(f"{label}: need a picture, got an empty file (0 bytes); copy or load it again")
    with _pillow_quiet():
        try:
            picture = Pillow.open(data if isinstance(data, Path) else BytesIO(data), formats=_formats())
        except UnidentifiedImageError as error:
            raise UnreadableImage(f"{label}: {_not_a_picture(head)}") from error
    with picture:
        check_budget(*picture.size, max_pixels=max_pixels, label=label)
        if picture.format == "PNG":
            _check_png(data)
        return _loaded(picture, max_pixels, label)


def _loaded(picture: Pillow.Image, max_pixels: int, label: str) -> Image:
    check_budget(*picture.size, max_pixels=max_pixels, label=label)
    if 0 in picture.size:
        raise UnreadableImage(f"{label}: need pixels, got a picture of {picture.size[0]} x {picture.size[1]}")
    picture.load()
    return upright(rgb_from_pillow(picture), _orientation(picture))


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
    if kind_by_content(head) == "image":
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
