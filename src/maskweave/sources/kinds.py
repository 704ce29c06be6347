"""Tell images from videos: by their first bytes where possible, else by their suffix."""

from __future__ import annotations

import re
import stat
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from maskweave.sources.motion_jpeg import is_motion_jpeg, is_multipart

Kind: TypeAlias = Literal["image", "video"]

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dib"),
    *(".gif", ".jp2", ".avif", ".heic", ".heif", ".psd", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Suffixes that a folder's images are found by."""

MEDICAL_SUFFIXES = (".dcm", ".dicom", ".ima", ".nii", ".nii.gz")
"""Suffixes that DICOM and NIfTI often have; the content decides."""

AUDIO_SUFFIXES = (".m4a", ".m4b", ".mp3", ".mka", ".oga", ".ogg", ".opus", ".wma", ".aac", ".flac", ".wav")
"""Suffixes of what mostly has a video's container and no video, so that in folders its tracks decide."""

MOTION_JPEG_SUFFIXES = (".mjpeg", ".mjpg", ".mjp")
"""Suffixes of JPEG images one after the other."""

VIDEO_SUFFIXES = (
    *(
        ".mp4",
        ".m4v",
        ".mov",
        ".qt",
        ".mkv",
        ".mk3d",
        ".webm",
        ".avi",
        ".divx",
        ".mpg",
        ".mpeg",
        ".mpe",
        ".m1v",
    ),
    *(".m2v", ".ts", ".mts", ".m2ts", ".m2t", ".tod", ".mod", ".vob", ".vro", ".evo", ".trp", ".tp", ".rec"),
    *(
        ".flv",
        ".f4v",
        ".wmv",
        ".asf",
        ".wtv",
        ".dvr-ms",
        ".3gp",
        ".3g2",
        ".ogv",
        ".ogm",
        ".y4m",
        ".mxf",
        ".gxf",
    ),
    *(".dv", ".nut", ".ivf", ".h264", ".264", ".h265", ".265", ".hevc", ".rm", ".rmvb", ".nsv", ".dav"),
    *MOTION_JPEG_SUFFIXES,
)
"""Suffixes that a folder's videos are found by."""

HEAD = 600
"""Bytes of a file's beginning that the functions here look at."""

TRACKS = 1 << 16
"""Bytes of a container's beginning in which its tracks are looked for."""
_VIDEO_TRACKS: tuple[tuple[bytes, tuple[bytes, ...]], ...] = (
    (b"OggS", (b"\x80theora", b"BBCD\0", b"OVP80")),
    (b"\x30\x26\xb2\x75", (bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b"),)),  # ASF's type of streams
    (b"\x1a\x45\xdf\xa3", (b"\x83\x81\x01",)),  # Matroska's type of tracks
)
"""Containers that often hold audio alone, and what says that there is a video track."""

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1")

_DICOM_ENCODINGS: tuple[tuple[Literal["<", ">"], bool], ...] = (("<", True), ("<", False), (">", True))
"""Byte order, and whether each element names its type (VR)."""
_SHORT_VRS = tuple(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG_VRS = tuple(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_MIN_ELEMENTS = 3

_FOREIGN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"gimp xcf", "a GIMP image with layers"),
    (0, b"8BPS\0\2", "a large Photoshop document (PSB)"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"BPG\xfb", "BPG"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    (0, b"P7\n", "PAM"),
    *((0, mark, "PFM") for mark in (b"PF\n", b"Pf\n")),
    (4, b"ftypcrx ", "a camera's raw photo (CR3)"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw photo (RAF)"),
    (0, b"IIRO", "a camera's raw photo (ORF)"),
    (0, b"IIU\0", "a camera's raw photo (RW2)"),
)
"""Images of formats that are not read, so that they are named for what they are."""

_DOCUMENTS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"<svg", "SVG"),
    (0, b"\0\0\1\0", "an icon"),
)
"""Files that can hold images, but are none."""

_WRAPPINGS: tuple[tuple[bytes, str], ...] = (
    (b"PK\3\4", "a ZIP archive; unpack it"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"BZh", "a bzip2 archive; unpack it"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
    (b"\x93NUMPY", "a NumPy array; pass it from Python, or save it as PNG"),
    (b"version https://git-lfs", "a pointer of Git LFS in place of the file; `git lfs pull` loads it"),
    (b"data:image/", "an image as base64 text; decode it first"),
    (b"\0\5\x16\7", "what macOS keeps beside a file (._name); pass the file itself"),
    (b"#EXTM3U", "a playlist; pass the video itself, or the playlist's http address"),
    (bytes(32), "nothing but zeros where it begins; it was never copied or loaded whole"),
)
"""What stands in place of an image or a video, and what to do."""

_FIRST_UNITS = (b"\x67", b"\x27", b"\x09", b"\x40\x01", b"\x46\x01")
"""How bare H.264 and H.265 begin, behind their start code."""

_SIGNATURES: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\xff\xd8\xff", "image"),  # JPEG
    (0, b"\x89PNG\r\n\x1a\n", "image"),
    (0, b"GIF8", "image"),
    (0, b"II*\x00", "image"),  # TIFF, little-endian
    (0, b"MM\x00*", "image"),  # TIFF, big-endian
    (0, b"II+\x00", "image"),  # BigTIFF
    (0, b"MM\x00+", "image"),
    (8, b"WEBP", "image"),
    (0, b"\x00\x00\x00\x0cjP  ", "image"),  # JPEG 2000
    (0, b"\xff\x4f\xff\x51", "image"),  # JPEG 2000 without a container
    (0, b"8BPS\0\1", "image"),  # Photoshop
    *((4, b"ftyp" + brand, "image") for brand in (b"avif", b"avis", *_HEIF_BRANDS)),
    (4, b"ftyp", "video"),  # MP4, MOV, 3GP
    *((4, atom, "video") for atom in (b"moov", b"mdat", b"wide", b"skip")),  # QuickTime without ftyp
    (0, b"\x1a\x45\xdf\xa3", "video"),  # Matroska, WebM
    (8, b"AVI ", "video"),
    (0, b"FLV\x01", "video"),
    (0, b"\x00\x00\x01\xba", "video"),  # MPEG program stream
    (0, b"\x00\x00\x01\xb3", "video"),  # MPEG video
    (0, b"OggS", "video"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video"),  # ASF, WMV
    (0, b"YUV4MPEG2", "video"),
    *((0, b"\x00\x00\x00\x01" + unit, "video") for unit in _FIRST_UNITS),
    (0, b"\x1f\x07\x00", "video"),  # DV
    (0, b"DHAV", "video"),  # Dahua's recorders
    (0, b"DAHUA", "video"),
    (0, b".RMF", "video"),  # RealMedia
    *((0, mark, "video") for mark in (b"NSVf", b"NSVs")),
    (0, b"DKIF", "video"),  # IVF
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "video"),  # MXF
    (0, b"nut/multimedia container", "video"),
    (0, b"\xb7\xd8\x00\x20\x37\x49\xda\x11", "video"),  # WTV
)


def kind_by_content(head: bytes) -> Kind | None:
    """Kind of a file that begins with ``head`` (`HEAD` bytes are enough), or None when they do not tell."""
    if foreign_format(head, documents=False) is not None:
        return "image"
    for offset, signature, kind in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return kind
    # MPEG transport stream: a sync byte per packet, or behind a time code of 4 bytes (M2TS)
    is_transport_stream = any(
        head[at : at + 1] == head[at + size : at + size + 1] == b"\x47" for at, size in ((0, 188), (4, 192))
    )
    if is_transport_stream or is_multipart(head):
        return "video"
    if is_dicom(head) or is_nifti(head) or is_bmp(head) or is_netpbm(head):
        return "image"
    return None


def has_video_track(head: bytes) -> bool:
    """Whether a container of a kind that may hold audio alone has video; ``head``: its first `TRACKS` bytes."""
    if head[4:8] == b"ftyp":  # where the description comes last, the brand tells
        return b"vide" in head if b"moov" in head else head[8:12] not in (b"M4A ", b"M4B ")
    return any(
        head.startswith(mark) and any(each in head for each in tracks) for mark, tracks in _VIDEO_TRACKS
    )


def foreign_format(head: bytes, *, documents: bool = True) -> str | None:
    """The name of an image's format that is not read; with ``documents`` also of what is no image itself."""
    for offset, signature, name in (*_FOREIGN, *(_DOCUMENTS if documents else ())):
        if head[offset : offset + len(signature)] == signature:
            return name
    return None


def wrapping(head: bytes) -> str | None:
    """What a file is that stands in place of an image or a video, and what to do with it."""
    return next((name for mark, name in _WRAPPINGS if head.startswith(mark)), None)


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a TIFF or a BigTIFF."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def is_dicom(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is DICOM.

    Files have 128 bytes of anything, then DICM (PS3.10, 7.1); those of older devices and of databases' exports begin
    with their first data elements: of group 2 or 8, their tags rising.
    """
    if head[128:132] == b"DICM":
        return True
    return any(_has_elements(head, order, explicit=explicit) for order, explicit in _DICOM_ENCODINGS)


def is_nifti(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a NIfTI volume, also one that gzip packed."""
    if head[:2] == b"\x1f\x8b":
        with suppress(zlib.error):
            return is_nifti(zlib.decompressobj(wbits=31).decompress(head, 400))
        return False
    sizes = (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big"))
    if 348 in sizes:
        return head[344:348] in (b"n+1\0", b"ni1\0")
    return 540 in sizes and head[4:8] in (b"n+2\0", b"ni2\0")


def _has_elements(head: bytes, order: Literal["<", ">"], *, explicit: bool) -> bool:
    """Whether ``head`` is a run of data elements in that encoding (PS3.5, 7.1), three at least."""
    at, last, count = 0, (0, 0), 0
    while at + 12 <= len(head) and count < _MIN_ELEMENTS:
        tag = struct.unpack_from(order + "HH", head, at)
        if tag <= last or tag[0] not in (2, 8):
            return False
        last, count = tag, count + 1
        vr = head[at + 4 : at + 6]
        if not explicit:
            (length,) = struct.unpack_from(order + "I", head, at + 4)
            at += 8 + length
        elif vr in _LONG_VRS:
            (length,) = struct.unpack_from(order + "I", head, at + 8)
            at += 12 + length
        elif vr in _SHORT_VRS:
            at += 8 + struct.unpack_from(order + "H", head, at + 6)[0]
        else:
            return False
    return count >= _MIN_ELEMENTS


def is_heif(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is HEIF (HEIC): its brand, or one it is compatible with."""
    if head[4:8] != b"ftyp":
        return False
    if head[8:12] in _HEIF_BRANDS:
        return True
    end = min(int.from_bytes(head[:4]), len(head))
    others = [head[at : at + 4] for at in range(16, end - 3, 4)]
    return head[8:12] == b"jpeg" or (bool(others) and all(each in _HEIF_BRANDS for each in others))


def is_bmp(head: bytes) -> bool:
    """Whether it is BMP: its second header has one of the sizes that such headers have."""
    return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in (12, 16, 40, 52, 56, 64, 108, 124)


def is_netpbm(head: bytes) -> bool:
    """Whether it is PBM, PGM or PPM: the mark, white space, then numbers or comments."""
    return re.match(rb"P[1-6]\s+(#[^\n]*\n\s*)*\d+\s", head) is not None


def kind_by_suffix(path: Path) -> Kind | None:
    """Kind that a file's suffix stands for, or None when it is not in the lists."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES or path.name.lower().endswith(MEDICAL_SUFFIXES):
        return "image"
    return "video" if suffix in VIDEO_SUFFIXES else None


def kind_of(path: Path) -> Kind | None:
    """Kind of an existing file: by content where it tells, else by suffix, else None.

    Raises `OSError` when the file cannot be read.
    """
    return kind_of_content(path) or kind_by_suffix(path)


def kind_of_content(path: Path) -> Kind | None:
    """Kind of an existing file by its content alone, or None; JPEG images one after the other are a video.

    A name of Motion JPEG says so, too. Raises `OSError` when the file cannot be read.
    """
    with path.open("rb") as file:
        kind = kind_by_content(file.read(HEAD))
        if kind == "image" and path.suffix.lower() in MOTION_JPEG_SUFFIXES:
            return "video"
        return "video" if kind == "image" and is_motion_jpeg(file) else kind


def is_regular(path: Path) -> bool:
    """Whether ``path`` is neither a pipe nor a device, which may wait for ever or be read only once.

    What is not there, or may not be looked at, is no pipe either: it fails when it is opened.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def is_pipe(path: Path) -> bool:
    """Whether ``path`` is a FIFO or the shell's ``<(...)``: readable once, by waiting for whoever writes."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def read_head(path: Path) -> bytes:
    """The first `HEAD` bytes of a file; none of what is no file or cannot be read: whoever decodes it will say so."""
    try:
        if not is_regular(path):
            return b""
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""
