"""Still images: files, bytes, Pillow images and arrays."""

from __future__ import annotations

import logging
import math
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from maskweave.sources.base import MAX_PIXELS, Closing, check_budget, warn_once
from maskweave.sources.kinds import HEAD, is_heif, is_pipe, is_regular, is_tiff
from maskweave.sources.pixels import rgb_from_array, rgb_from_pillow, upright
from maskweave.types.arrays import Array, Image, Size
from maskweave.types.frame import Frame, SourceInfo

FORMATS = (
    *("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "JPEG2000", "AVIF", "HEIF", "PPM", "PSD"),
)
"""Pillow's decoders that are let near a file; others (EPS starts Ghostscript) are never tried."""

ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
"""Formats whose further images are the frames of an animation."""

Encoded: TypeAlias = str | PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""An image in a file or in the bytes of one."""

_MAX_BYTES = 500_000_000
"""The most that is read from a pipe or an open file."""
_ORIENTATION, _RESOLUTION = 0x0112, 0x011A  # tags of EXIF and TIFF
_TURNED = (5, 6, 7, 8)  # orientations that exchange width and height
_EXTENDED_WEBP, _WEBP_ANIMATION, _WEBP_ALPHA = b"VP8X", 2, 16  # bits of the byte at 20 (RFC 9649, 2.7)
_pillow_lock = threading.Lock()
logging.getLogger("PIL").addHandler(
    logging.NullHandler()
)  # what it logs is told by us, or read by another reader


def read_image(data: Encoded, *, max_pixels: int = MAX_PIXELS, label: str | None = None) -> Image:
    """Decode one image to (H, W, 3) uint8 RGB, upright, by the rules of `maskweave.sources.pixels`.

    ``data`` is a path, encoded bytes, or a file opened with "rb". ``max_pixels`` is compared with the size in
    the header before anything is decoded. ``label`` names the image in errors. Of an animation or a
    multi-page file the first image is read.

    Raises `SourceNotFound`, `ImageTooLarge`, or `UnreadableImage` for whatever is no image, damaged or
    cut short; missing pixels are never filled with gray. Raises `InvalidValue` for ``data`` of another type.
    """
    label = label or (str(data) if isinstance(data, str | PathLike) else "image data")
    with _readable(label):
        encoded = _encoded(data, label, need="a path, bytes or an open binary file")
        return _decode(_without_waiting(encoded, label), max_pixels, label, []).image


def image_size(data: Path | bytes) -> Size:
    """(height, width) as an image, or the bytes of one, is decoded, EXIF orientation applied; only its head is read.

    Raises `UnreadableImage`.
    """
    (height, width), orientation = stored_size(data)
    return (width, height) if orientation in _TURNED else (height, width)


def stored_size(data: Path | bytes) -> tuple[Size, int]:
    """(height, width) as an image, or the bytes of one, is stored, and its EXIF orientation; only its head is read.

    Raises `UnreadableImage`.
    """
    try:
        with open_encoded(data) as image:
            width, height = image.size
            orientation = _orientation(image)
    except (OSError, ValueError, SyntaxError, struct.error) as error:
        label = data if isinstance(data, Path) else "image data"
        raise UnreadableImage(
            f"{label}: not a readable image. Repair it or take it out of the data set."
        ) from error
    return (height, width), orientation


def read_all(file: IO[Any], label: str) -> bytes:
    """The rest of an open binary file, of at most 500 MB.

    Raises `UnreadableImage` when there is more, `InvalidValue` when the file gives text.
    """
    received = bytearray()
    while piece := file.read(1 << 20):
        if not isinstance(piece, bytes):
            raise InvalidValue(f'{label}: need a file that gives bytes, got text; open it with "rb"')
        received += piece
        if len(received) > _MAX_BYTES:
            raise UnreadableImage(f"{label}: need at most {_MAX_BYTES / 1e6:g} MB, got more; pass a file")
    return bytes(received)


class ImageSource(Closing):
    """One still image as a source of one `Frame`, whose image shares no memory with ``data``.

    ``data`` is a path, encoded bytes, a file opened with "rb" (read at once), a Pillow image, or a uint8
    array: (H, W, 3) RGB, (H, W) gray or (H, W, 4) RGBA. ``name`` is the stem for outputs; a path brings its
    own. ``label`` names the image in errors. Paths are read when iterated, pipes only once.
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
        decoded = self._decoded()
        yield Frame(
            decoded.image,
            source=self.info.name,
            file_name=path.name if path else "",
            dpi=decoded.dpi,
        )

    def _decoded(self) -> _Decoded:
        if isinstance(self._data, np.ndarray):
            return _Decoded(rgb_from_array(self._data))
        with _readable(self._label):
            if isinstance(self._data, Pillow.Image):
                return _loaded(self._data, self._max_pixels, self._label, self.warnings)
            self._data = _without_waiting(self._data, self._label)
            return _decode(self._data, self._max_pixels, self._label, self.warnings)


@dataclass(frozen=True)
class _Decoded:
    """An upright image, and its pixels per inch across and down."""

    image: Image
    dpi: tuple[float, float] | None = None


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
    """Turn whatever a broken image provokes in the block into a `SourceError` that begins with ``label``."""
    try:
        yield
    except MaskWeaveError:
        raise
    except FileNotFoundError:
        raise SourceNotFound(f"{label}: no such file; check the path") from None
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise ImageTooLarge(f"{label}: unpacks to more pixels than its header says ({error})") from error
    except OSError as error:
        if error.filename is None:  # Pillow's own, about the content
            raise UnreadableImage(f"{label}: damaged or cut short ({_reason(error)})") from error
        raise UnreadableImage(f"{label}: need a readable file, got {error.strerror}") from error
    except Exception as error:  # a broken file can provoke nearly any exception inside a decoder
        raise UnreadableImage(f"{label}: damaged or cut short ({_reason(error)})") from error


def _decode(data: Path | bytes, max_pixels: int, label: str, warnings: list[str]) -> _Decoded:
    """The image, upright; ``warnings`` gets what else is in the file, or could not be honored."""
    head = _head(data)
    if not head:
        raise UnreadableImage(f"{label}: need an image, got an empty file (0 bytes); copy or load it again")
    page = _checked_page(data, label) if is_tiff(head) else 0
    try:
        image = open_encoded(data)
    except UnidentifiedImageError as error:
        from maskweave.sources.image_checks import not_an_image

        raise UnreadableImage(f"{label}: {not_an_image(head)}") from error
    with image:
        if page:
            image.seek(page)
        check_budget(*image.size, max_pixels=max_pixels, label=label, hint=_hint(image))
        if image.format == "PNG":
            from maskweave.sources.image_checks import check_png, gamma_warning

            warn_once(warnings, *check_png(data), *gamma_warning(image))
        if image.format == "PSD":
            from maskweave.sources.image_checks import check_psd

            check_psd(image, label)
        if image.format == "JPEG2000":
            from maskweave.sources.jpeg2000 import load_jpeg2000

            decoded = _loaded(load_jpeg2000(image, data, warnings), max_pixels, label, warnings)
        else:
            decoded = _loaded(image, max_pixels, label, warnings)
        if image.format == "PNG" and _has_even_side(decoded.image):
            from maskweave.sources.image_checks import check_png_rows

            check_png_rows(data)
        warn_once(warnings, *_unread_images(image, data))
        return decoded


def _has_even_side(image: Image) -> bool:
    """Whether a row or column at the border is of one color, as one that was never filled."""
    return any(bool((side == side[0]).all()) for side in (image[-1], image[0], image[:, 0], image[:, -1]))


def open_encoded(data: Path | bytes) -> Pillow.Image:
    """Open a file or the bytes of one, without decoding it yet.

    Raises `PIL.UnidentifiedImageError` for what none of `FORMATS` is, and nearly anything for what is damaged.
    """
    head = _head(data)
    if is_heif(head):
        _register_heif()
    if head[12:16] == _EXTENDED_WEBP and head[20] & (_WEBP_ANIMATION | _WEBP_ALPHA) == _WEBP_ANIMATION:
        # what no frame covers is transparent, also where none of them is; Pillow would make it black
        data = data.read_bytes() if isinstance(data, Path) else data
        data = data[:20] + bytes([head[20] | _WEBP_ALPHA]) + data[21:]
    with _pillow_quiet():
        return Pillow.open(data if isinstance(data, Path) else BytesIO(data), formats=_formats())


def pillow_opens(path: Path) -> bool:
    """Whether Pillow knows the kind of image that an intact file holds."""
    try:
        open_encoded(path).close()
    except Exception:  # a kind that it does not know can provoke nearly any exception inside a decoder
        return False
    return True


def _register_heif() -> None:
    try:
        import pillow_heif
    except ImportError:
        return
    pillow_heif.register_heif_opener()


def _checked_page(data: Path | bytes, label: str) -> int:
    """The number of a TIFF's first page that is no smaller view of another.

    Raises `UnreadableImage` for an intact file that Pillow does not decode, or decodes to other numbers.
    """
    from maskweave.sources.tiff import tiff_pages

    pages = tiff_pages(data if isinstance(data, Path) else BytesIO(data)).pages
    if not pages:
        return 0
    if pages[0].is_raw_photo:
        raise UnreadableImage(
            f"{label}: a camera's raw photo, which has to be developed; export it as JPEG or TIFF"
        )
    if not pages[0].pillow_is_right or (isinstance(data, Path) and not pillow_opens(data)):
        raise UnreadableImage(
            f"{label}: a TIFF of {pages[0].in_words()}, which Pillow does not decode; "
            "with `pip install 'maskweave[geo]'` segment reads it as a file"
        )
    return pages[0].number


def _unread_images(image: Pillow.Image, data: Path | bytes) -> list[str]:
    """A sentence about what else a file holds; of a phone's MPO the others only help to show the first."""
    if image.format == "GIF":
        from maskweave.sources.gif import gif_frames

        if gif_frames(data).is_cut:
            return ["an animation that is cut short, of which the first frame was read"]
    try:
        count = int(getattr(image, "n_frames", 1))
    except Exception:  # the first is good even where the next is damaged
        return []
    if count < 2 or image.format not in (*ANIMATED, "HEIF"):
        return []
    if image.format == "HEIF":
        return [f"{count} images, of which the primary one was read; export the others to have them"]
    return [f"an animation of {count} frames, of which the first was read; --as-video reads them all"]


def _hint(image: Pillow.Image) -> str:
    """What helps against a file with too many pixels: only TIFF can be read piece by piece."""
    if image.format == "TIFF":
        return "read it in tiles (--tile 1024, in Python load(tile=1024))"
    return "scale it down, save it as a tiled TIFF and use --tile 1024"


def _loaded(image: Pillow.Image, max_pixels: int, label: str, warnings: list[str]) -> _Decoded:
    if not _in_memory(image):
        check_budget(*image.size, max_pixels=max_pixels, label=label)
    if 0 in image.size:
        raise UnreadableImage(f"{label}: need pixels, got an image of {image.size[0]} x {image.size[1]}")
    turned = _orientation(image) in _TURNED  # asked before loading, which turns a TIFF upright
    image.load()
    dpi = _dpi(image)
    return _Decoded(rgb_upright(image, warnings), dpi[::-1] if dpi is not None and turned else dpi)


def rgb_upright(image: Pillow.Image, warnings: list[str]) -> Image:
    """(H, W, 3) uint8 RGB of a loaded image, turned as its metadata says; ``warnings`` as `rgb_from_pillow`."""
    return upright(rgb_from_pillow(image, warnings), _orientation(image))


def _dpi(image: Pillow.Image) -> tuple[float, float] | None:
    """Pixels per inch across and down, as stored; None where there are none, or none that can be."""
    if _RESOLUTION not in (
        getattr(image, "tag_v2", None) or {_RESOLUTION: 0}
    ):  # of a TIFF Pillow says 1 then
        return None
    try:
        across, down = (float(each) for each in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 <= across < math.inf and 1 <= down < math.inf else None


def _in_memory(image: Pillow.Image) -> bool:
    """Whether an image's pixels are decoded. Pillow does not tell: it has its core image and no tile is left."""
    attributes = vars(image)
    core = attributes.get("_im", attributes.get("im"))  # Pillow before 11 calls it im
    return core is not None and not getattr(image, "tile", ())


def _orientation(image: Pillow.Image) -> int:
    """EXIF orientation of a loaded image (Pillow has turned TIFF by then); broken EXIF means upright."""
    try:
        with _pillow_quiet():
            return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # the pixels are good even where the metadata is not
        return 1


def _head(data: Path | bytes) -> bytes:
    if isinstance(data, bytes):
        return data[:HEAD]
    with data.open("rb") as file:
        return file.read(HEAD)


def _formats() -> list[str]:
    Pillow.init()
    return [name for name in FORMATS if name in Pillow.OPEN]


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
