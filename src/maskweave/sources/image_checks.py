"""Find what decoders of images keep to themselves: damage, odd colors, and files that are no image."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from maskweave.errors import UnreadableImage
from maskweave.sources.kinds import foreign_format, is_dicom, is_heif, is_nifti, kind_by_content, wrapping

_GAMMA, _SAME_GAMMA = 0.45455, 0.06  # 1 / 2.2, nearly what sRGB has
_PIECE = 1 << 20
_PNG_CHANNELS = {2: 3, 4: 2, 6: 4}
_PNG_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
"""Of an interlaced PNG: where each begins, and its steps, across and down."""
_CICP_PRIMARIES = (b"\1", b"\2")  # codes of ITU-T H.273 that are sRGB's or say nothing
_CICP_TRANSFERS = (b"\1", b"\2", b"\6", b"\x0d")


def check_png(data: Path | bytes) -> list[str]:
    """Compare the checksums of a PNG's critical chunks, which Pillow does not do for pixels.

    Returns a sentence for colors that are not those of sRGB. Raises `ValueError` for a wrong checksum or a missing
    end. Layout: https://www.w3.org/TR/png-3/#5Chunk-layout
    """
    warnings = []
    for kind, body, checksum in _png_chunks(data):
        if kind[:1].isupper() and zlib.crc32(body, zlib.crc32(kind)) != checksum:
            raise ValueError(f"wrong checksum of {kind.decode('ascii', 'replace')}")
        if kind == b"cICP" and (body[:1] not in _CICP_PRIMARIES or body[1:2] not in _CICP_TRANSFERS):
            warnings.append("its color space (cICP, as of HDR) is not sRGB and not applied: colors differ")
    return warnings


def check_png_rows(data: Path | bytes) -> None:
    """Raise `ValueError` where a PNG's pixels end before its last row, which Pillow leaves black without a word.

    Filters and passes: https://www.w3.org/TR/png-3/#7Scanline
    """
    inflate, length, needed = zlib.decompressobj(), 0, 0
    for kind, body, _ in _png_chunks(data):
        if kind == b"IHDR":
            needed = _png_bytes(body)
        packed = body if kind == b"IDAT" else b""
        while packed:
            length += len(inflate.decompress(packed, _PIECE))
            packed = inflate.unconsumed_tail
    if length < needed:
        raise ValueError(f"its pixels end after {length} of {needed} bytes")


def _png_chunks(data: Path | bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Kind, body and checksum of each chunk up to the end; raises `struct.error` where that is missing."""
    with data.open("rb") if isinstance(data, Path) else BytesIO(data) as file:
        file.seek(8)
        kind = b""
        while kind != b"IEND":
            length, kind = struct.unpack(">I4s", file.read(8))
            body = file.read(length)
            (checksum,) = struct.unpack(">I", file.read(4))
            yield kind, body, checksum


def _png_bytes(head: bytes) -> int:
    """Bytes of all rows, unpacked, as the header says."""
    width, height, depth, color, _, _, is_interlaced = struct.unpack(">IIBBBBB", head)
    bits = depth * _PNG_CHANNELS.get(color, 1)
    total = 0
    for x, y, step_x, step_y in _PNG_PASSES if is_interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - x) // step_x), -(-(height - y) // step_y)
        total += rows * (1 + -(-columns * bits // 8)) if columns > 0 and rows > 0 else 0
    return total


def gamma_warning(image: Pillow.Image) -> list[str]:
    """A sentence where a PNG without a profile says that its values are not those of sRGB."""
    info = image.info
    gamma = info.get("gamma")
    if gamma is None or info.get("icc_profile") or "srgb" in info or abs(gamma - _GAMMA) < _SAME_GAMMA:
        return []
    return [f"its gamma of {gamma:g} is not applied: it is shown darker or brighter by programs that do"]


def check_psd(image: Any, label: str) -> None:
    """Raise `UnreadableImage` for a PSD that was saved without its merged image (resource 1057, VersionInfo)."""
    for number, _, data in image.resources:
        if number == 1057 and data[4:5] == b"\0":
            raise UnreadableImage(
                f"{label}: a PSD without its merged image; save it with 'Maximize compatibility', or as PNG"
            )


def not_an_image(head: bytes) -> str:
    """A file that no decoder takes, by its first bytes: what was needed, what it is, and what to do."""
    return f"need an image (JPEG, PNG, WebP, TIFF, BMP, GIF), got {_what_it_is(head)}"


def _what_it_is(head: bytes) -> str:
    foreign = foreign_format(head)
    kind = kind_by_content(head)
    printable = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)
    if is_dicom(head) or is_nifti(head):
        what = "a medical image, which is read from a file of its own: give segment, or stream(), its path"
    elif is_heif(head) and "HEIF" in Pillow.OPEN:
        what = "HEIC that is damaged or cut short; copy or load it again"
    elif is_heif(head):
        what = "HEIC, which needs a reader: `pip install 'maskweave[heif]'`, or export it as JPEG"
    elif foreign is not None:
        what = f"{foreign}, which is not supported; export it as PNG or JPEG"
    elif head.startswith(b"8BPS"):
        what = "a Photoshop file that has not 8 bits a channel, which is not supported; save it as PNG"
    elif kind == "video":
        what = "a video"
    elif kind == "image":
        what = "one whose header is damaged"
    elif (wrapped := wrapping(head)) is not None:
        what = wrapped
    elif printable:
        start = head[:24].decode("ascii").strip().splitlines()
        what = f"text that begins {start[0] if start else ' '!r}"
    else:
        what = f"other or damaged data that begins {head[:8].hex(' ')}"
    return what
