"""A folder of hostile and broken inputs, the same every time: small files, each with what may come of it."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.clips import Clip, corners, write_clip, write_tone

FAILS, DONE, WARNED, ANY = "fails", "done", "done with a warning", "fails or done"
"""What must come of an input: our typed error; a right result; one that says what is missing; or, where damage
cannot be told from content (JPEG and WebP have no checksums), an error or a result."""


@dataclass(frozen=True)
class Case:
    """One file: its ``name`` in the folder, and what must come of it."""

    name: str
    outcome: str


def noise(height: int = 48, width: int = 64, seed: int = 1) -> NDArray[np.uint8]:
    """An image that no codec makes small, so that damage hits pixels rather than heads."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def whole_files(folder: Path) -> dict[str, bytes]:
    """A whole file of each container, by suffix."""
    moving = [noise(seed=number) for number in range(10)]
    videos = {}
    for suffix, codec in ((".mp4", "libx264"), (".mkv", "libx264"), (".avi", "mpeg4")):
        options = {"crf": "20", "g": "4"} if codec == "libx264" else {}
        clip = Clip(ticks=range(10), images=moving, codec=codec, options=options)
        videos[suffix] = write_clip(folder / f"whole{suffix}", clip).read_bytes()
        (folder / f"whole{suffix}").unlink()
    image = Image.fromarray(noise())
    return {
        ".jpg": encoded(image, "JPEG"),
        ".png": encoded(image, "PNG"),
        ".webp": encoded(image, "WEBP", quality=90),
        **videos,
    }


def make_corpus(folder: Path) -> list[Case]:
    """Fill ``folder``; returns its files in no particular order."""
    folder.mkdir(parents=True, exist_ok=True)
    cases: list[Case] = []

    def put(name: str, data: bytes, outcome: str) -> None:
        (folder / name).write_bytes(data)
        cases.append(Case(name, outcome))

    whole = whole_files(folder)
    for make in (_cut, _spoilt, _lists, _misnamed):
        make(whole, put)
    for part in (_bombs, _images, _animations):
        part(put)
    cases += _videos(folder)
    return cases


Put = Callable[[str, bytes, str], None]


def _cut(whole: dict[str, bytes], put: Put) -> None:
    for suffix, data in whole.items():
        is_video = suffix in {".mp4", ".mkv", ".avi"}
        for percent in (0, 1, 20, 50, 80, 99):
            piece = data[: len(data) * percent // 100]
            first = is_video and suffix != ".mp4" and percent >= 50  # an MP4's index is at its end
            put(
                f"cut_{percent:02}_{suffix[1:]}{suffix}",
                piece,
                WARNED if first else ANY if is_video else FAILS,
            )


def _spoilt(whole: dict[str, bytes], put: Put) -> None:
    for suffix, data in whole.items():
        for seed in range(3):
            rng = random.Random(seed)
            flipped, zeroed = bytearray(data), bytearray(data)
            for _ in range(8):
                flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            at = rng.randrange(len(data) // 4, len(data) // 2)
            zeroed[at : at + 300] = bytes(len(zeroed[at : at + 300]))
            outcome = FAILS if suffix == ".png" else ANY
            put(f"flipped_{seed}_{suffix[1:]}{suffix}", bytes(flipped), outcome)
            checked = suffix == ".mkv"  # its clusters have checksums, and what is before them stays whole
            put(f"zeroed_{seed}_{suffix[1:]}{suffix}", bytes(zeroed), WARNED if checked else outcome)


def _lists(whole: dict[str, bytes], put: Put) -> None:
    put("list_hls.mp4", b"#EXTM3U\n#EXTINF:1,\ncut_50_mkv.mkv\n#EXT-X-ENDLIST\n", FAILS)
    put("list_file.mkv", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", FAILS)
    put("list_concat.mp4", b"ffconcat version 1.0\nfile cut_50_mkv.mkv\n", FAILS)
    put("list_sdp.avi", b"v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n", FAILS)
    put("list_dash.mp4", b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>', FAILS)
    put(
        "list_svg.png",
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        FAILS,
    )
    put("list_eps.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", FAILS)


def _misnamed(whole: dict[str, bytes], put: Put) -> None:
    put("named_png.jpg", whole[".png"], DONE)
    put("named_webp.png", whole[".webp"], DONE)
    put("named_image.mp4", whole[".png"], DONE)
    put("named_clip.jpg", whole[".mp4"], DONE)
    put("named_clip.avi", whole[".mkv"], DONE)
    put("text.mp4", b"no video at all\n" * 50, FAILS)
    put("zeros.png", bytes(2000), FAILS)
    put("random.mkv", random.Random(7).randbytes(3000), FAILS)


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    pieces = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (*chunks, (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)


def _bombs(put: Put) -> None:
    def head(side: int) -> tuple[bytes, bytes]:
        return b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)

    zeros = zlib.compress(bytes(20_000_000))
    put("bomb_side.png", _png(head(60_000), (b"IDAT", zeros)), FAILS)
    put(
        "bomb_inside.png", _png(head(64), (b"IDAT", zeros)), ANY
    )  # more pixels than it says: they are not unpacked
    put(
        "bomb_text.png",
        _png(head(9), (b"zTXt", b"a\0\0" + zeros), (b"IDAT", zlib.compress(bytes(9 * 28)))),
        ANY,
    )
    put(
        "bomb_profile.png",
        _png(head(9), (b"iCCP", b"a\0\0" + zeros), (b"IDAT", zlib.compress(bytes(9 * 28)))),
        ANY,
    )
    tags = [
        (256, 4, 60_000),
        (257, 4, 60_000),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (279, 4, 8),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    put("bomb_side.tif", b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4), FAILS)
    loop = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 8)  # the next page is this one
    put("bomb_loop.tif", b"II*\0\x08\0\0\0" + loop, FAILS)
    put(
        "bomb_side.bmp",
        b"BM" + struct.pack("<IIIIiiHHIIIIII", 60, 0, 54, 40, 60_000, 60_000, 1, 24, *[0] * 6),
        FAILS,
    )
    put("bomb_side.ppm", b"P6 60000 60000 255\n" + bytes(9), FAILS)


def _animations(put: Put) -> None:
    for kind, suffix in (("GIF", ".gif"), ("PNG", ".png"), ("WEBP", ".webp")):
        frames = [Image.fromarray(noise(8, 8, seed)) for seed in range(300)]
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=20)
        put(f"animated_{suffix[1:]}{suffix}", data, WARNED)
        put(f"animated_cut_{suffix[1:]}{suffix}", data[: len(data) // 2], ANY)


def _images(put: Put) -> None:
    for height, width in ((1, 1), (1, 300), (300, 1), (2, 3), (7, 5)):
        put(f"size_{height}x{width}.png", encoded(Image.fromarray(noise(height, width)), "PNG"), DONE)
    put("size_1x1.jpg", encoded(Image.new("RGB", (1, 1)), "JPEG"), DONE)
    for orientation in range(10):
        exif = Image.Exif()
        exif[0x0112] = orientation
        put(f"turned_{orientation}.jpg", encoded(Image.fromarray(corners()), "JPEG", exif=exif), DONE)
    put(
        "exif_broken.jpg",
        encoded(Image.fromarray(corners()), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
        DONE,
    )
    image = Image.fromarray(corners())
    deep = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    put("kind_16.png", encoded(Image.fromarray(deep), "PNG"), DONE)
    put("kind_16.tif", encoded(Image.fromarray(deep), "TIFF"), DONE)
    put("kind_float.tif", encoded(Image.fromarray(np.full((9, 9), np.nan, np.float32)), "TIFF"), DONE)
    put("kind_cmyk.jpg", encoded(image.convert("CMYK"), "JPEG"), DONE)
    put("kind_cmyk.tif", encoded(image.convert("CMYK"), "TIFF"), DONE)
    put("kind_palette.png", encoded(image.quantize(4), "PNG", transparency=0), DONE)
    put("kind_alpha.webp", encoded(image.convert("RGBA"), "WEBP"), DONE)
    put("kind_gray_alpha.png", encoded(image.convert("LA"), "PNG"), DONE)
    put("kind_bits.png", encoded(image.convert("1"), "PNG"), DONE)
    put("kind_lab.tif", encoded(Image.new("LAB", (9, 9)), "TIFF"), DONE)
    pages = [Image.fromarray(noise(8, 8, seed)) for seed in range(5)]
    put("kind_pages.tif", encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]), WARNED)


def _videos(folder: Path) -> list[Case]:
    base = Fraction(1, 90_000)
    clips = {
        "clip_turned.mp4": (Clip(ticks=range(3), images=[corners()] * 3, rotation=90), DONE),
        "clip_variable.mp4": (Clip(ticks=(0, 3003, 6006, 7000, 20_000, 90_000), time_base=base), DONE),
        "clip_odd.mkv": (Clip(ticks=range(3), size=(33, 47), pix_fmt="yuv444p"), DONE),
        "clip_small.mkv": (Clip(ticks=range(3), size=(16, 16)), DONE),
        "clip_one.mp4": (Clip(ticks=[0]), DONE),
        "clip_late.mp4": (Clip(ticks=range(50, 55)), DONE),
        "clip_bare.ts": (Clip(ticks=range(5)), DONE),
    }
    for name, (clip, _) in clips.items():
        write_clip(folder / name, clip)
    write_tone(folder / "clip_audio.mp4")
    live = write_clip(folder / "clip_endless.mkv", Clip(ticks=range(5)))
    live.write_bytes(without_length(live.read_bytes()))
    return [
        *(Case(name, outcome) for name, (_, outcome) in clips.items()),
        Case("clip_audio.mp4", FAILS),
        Case("clip_endless.mkv", DONE),
    ]


def without_length(matroska: bytes) -> bytes:
    """The file as a live recorder leaves it: Segment of unknown size, and no Duration (their ids: RFC 9559)."""
    data = bytearray(matroska)
    segment = data.index(b"\x18\x53\x80\x67") + 4
    data[segment : segment + 8] = b"\x01" + b"\xff" * 7
    duration = data.index(b"\x44\x89\x88")
    data[duration : duration + 2] = b"\xec\x89"[:1] + b"\x89"  # Void takes its place
    data[duration : duration + 11] = b"\xec\x89" + bytes(9)
    return bytes(data)


def sizes(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(entry.stat().st_size for entry in os.scandir(folder))
