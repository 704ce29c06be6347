"""Convert decoded frames to upright (H, W, 3) uint8 RGB: color, HDR, interlacing, alpha, rotation, one size.

- The YUV matrix and range are the stream's; where it names none, BT.709 above 576 lines or from 1280 columns on and
  BT.601 below, limited range: what players do.
- HDR (PQ, HLG) and the wide primaries of BT.2020 and P3 are brought to BT.709 by FFmpeg's ``scale`` filter, whose
  perceptual intent tone-maps.
- Interlaced frames are deinterlaced, one for one, by FFmpeg's ``bwdif``; so are those of codecs that know no fields,
  where the container says that they are interlaced.
- Transparent parts are shown on white, as in images (`pixels`).
- Rotation by quarter turns, and mirroring, are applied.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorRange, Colorspace

from maskweave.sources.base import check_budget, warn_once
from maskweave.sources.pixels import rgb_from_array
from maskweave.types.arrays import Image, Size

_T = TypeVar("_T")

_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG."""
_MATRICES = {1: "ITU709", 4: "FCC", 5: "ITU601", 6: "ITU601", 7: "SMPTE240M", 9: "BT2020", 10: "BT2020"}
"""AVColorSpace numbers (ITU-T H.273) as PyAV calls them."""
_UNKNOWN = {8: "YCgCo", 11: "SMPTE 2085", 12: "chromaticity-derived", 13: "chromaticity-derived", 14: "ICtCp"}
"""Those that PyAV has no name for; 0, RGB, is none."""
_OPAQUE = 250
"""Alpha from which on nothing shines through; lossy codecs miss 255 by little."""
_HDR = {16: "PQ", 18: "HLG"}
"""AVColorTransferCharacteristic numbers (ITU-T H.273)."""
_WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
"""AVColorPrimaries numbers (ITU-T H.273)."""
_WITHOUT_FIELDS = ("huffyuv", "ffvhuff", "png", "qtrle", "jpeg2000", "mjpeg", "cfhd")
"""Codecs whose frames do not say whether they are interlaced."""
_FIELDS = {2: "tff", 3: "bff", 4: "bff", 5: "tff"}
"""Which field is shown first, by AVFieldOrder."""
_TO_BT709 = "out_transfer=bt709:out_primaries=bt709:out_range=pc:intent=perceptual"
_ALPHA_FORMATS = ("yuva", "rgba", "argb", "bgra", "abgr", "gbrap", "ya", "pal8", "ayuv", "vuya", "uyva")


class OneSize:
    """The size of a stream's first image, to which those of another are brought; ``warnings`` tells it once."""

    def __init__(self, max_pixels: int, label: str, warnings: list[str]) -> None:
        self._max_pixels = max_pixels
        self._label = label
        self._warnings = warnings
        self._first: Size | None = None
        self._warned = False

    def of(self, size: Size) -> Size:
        """The first image's (height, width) for one of ``size``; raises `ImageTooLarge` for the latter."""
        check_budget(size[1], size[0], max_pixels=self._max_pixels, label=self._label)
        self._first = self._first or size
        if size != self._first and not self._warned:
            self._warned = True
            self._warnings.append(
                f"image size changes to {size[1]} x {size[0]} on the way; "
                f"scaled to the first frame's {self._first[1]} x {self._first[0]}"
            )
        return self._first


class FrameImages:
    """RGB images of a stream's decoded frames, all of the first one's size and orientation; see `OneSize`.

    ``warnings`` tells once what was done to them. ``fields``: what the container says of them, see `fields_of`.
    """

    def __init__(
        self, max_pixels: int, label: str, warnings: list[str], *, fields: str | None = None
    ) -> None:
        self._size = OneSize(max_pixels, label, warnings)
        self._warnings = warnings
        self._signs: tuple[int, int, int, int] | None = None
        self._filter: _Filter | None = None
        self._fields = fields
        self._interlaced = fields is not None

    def of(self, frames: Iterable[tuple[Any, _T]]) -> Iterator[tuple[Image, _T]]:
        """Yield each frame's (H, W, 3) uint8 RGB image, upright, with what came with it; raises `ImageTooLarge`."""
        tags: deque[_T] = deque()
        for raw, tag in frames:
            self._signs = self._signs or orientation_matrix(raw)
            self._size.of((raw.height, raw.width))
            yield from self._switched(raw, tags)
            tags.append(tag)
            for done in [raw] if self._filter is None else self._filter.push(raw):
                yield self._image(done), tags.popleft()
        yield from self._flushed(tags)

    def _switched(self, raw: Any, tags: deque[_T]) -> Iterator[tuple[Image, _T]]:
        """Put the filter in place that this frame needs; what the one before still holds comes first."""
        self._interlaced |= bool(raw.interlaced_frame)
        if self._filter is None:
            needed = self._interlaced or _is_foreign(raw)
        else:
            needed = not self._filter.fits(raw, deinterlace=self._interlaced)
        if not needed:
            return
        yield from self._flushed(tags)
        self._filter = _Filter.made(raw, self._fields, deinterlace=self._interlaced, warn=self._warn)

    def _flushed(self, tags: deque[_T]) -> Iterator[tuple[Image, _T]]:
        last, self._filter = self._filter, None
        for done in () if last is None else last.flush():
            yield self._image(done), tags.popleft()

    def _image(self, raw: Any) -> Image:
        size = self._size.of((raw.height, raw.width))
        if int(raw.colorspace) in _UNKNOWN:
            self._warn(f"its color matrix ({_UNKNOWN[int(raw.colorspace)]}) cannot be applied: colors differ")
        pixels = _rgb(raw, size)
        if pixels.shape[2] == 4:
            if (pixels[:, :, 3] < _OPAQUE).any():
                self._warn("transparent parts are shown on white")
            pixels = rgb_from_array(pixels)
        return turned(pixels, self._signs or (1, 0, 0, 1))

    def _warn(self, sentence: str) -> None:
        warn_once(self._warnings, sentence)


class _Filter:
    """A filter graph of FFmpeg that gives one frame for each, in order, some of them late."""

    def __init__(self, graph: Graph, key: tuple[object, ...]) -> None:
        self._graph, self._key = graph, key
        self._count = 0

    @classmethod
    def made(
        cls, raw: Any, fields: str | None, *, deinterlace: bool, warn: Callable[[str], None]
    ) -> _Filter | None:
        """The graph that frames like ``raw`` need; None, and a word, where this FFmpeg cannot build it."""
        steps: list[tuple[str, str]] = []
        done: list[str] = []
        if fields is not None:
            steps.append(("setfield", f"mode={fields}"))
        if deinterlace:
            steps.append(("bwdif", "mode=send_frame:deint=interlaced"))
            done.append("the video is interlaced: deinterlaced (bwdif)")
        if _is_foreign(raw):
            steps += [("scale", _TO_BT709), ("format", "rgb24" if not _has_alpha(raw) else "rgba")]
            done.append(_tone_mapped(raw))
        try:
            made = cls(_graph(raw, steps), _key(raw, deinterlace))
        except (av.FFmpegError, ValueError) as error:
            warn(f"the filters for this video cannot be used ({error}): it is shown as it is coded")
            return None
        for sentence in done:
            warn(sentence)
        return made

    def fits(self, raw: Any, *, deinterlace: bool) -> bool:
        """Whether a frame can go through the graph."""
        return self._key == _key(raw, deinterlace)

    def push(self, raw: Any) -> Iterator[Any]:
        """Give a frame; yield what comes out."""
        raw.pts, self._count = self._count, self._count + 1
        self._graph.push(raw)
        yield from self._pulled()

    def flush(self) -> Iterator[Any]:
        """Yield what the graph still holds."""
        with contextlib.suppress(av.FFmpegError):
            self._graph.push(None)
        yield from self._pulled()

    def _pulled(self) -> Iterator[Any]:
        while True:
            try:
                done = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            yield done


def _graph(raw: Any, steps: list[tuple[str, str]]) -> Graph:
    graph = Graph()
    buffer_options = (
        f"video_size={raw.width}x{raw.height}:pix_fmt={raw.format.name}:time_base=1/25:"
        f"colorspace={int(raw.colorspace)}:range={int(raw.color_range)}"
    )
    last = graph.add("buffer", buffer_options)
    for name, arguments in [*steps, ("buffersink", None)]:
        node = graph.add(name, arguments)
        last.link_to(node)
        last = node
    graph.configure()
    return graph


def _key(raw: Any, deinterlace: bool) -> tuple[object, ...]:
    colors = int(raw.colorspace), int(raw.color_range), int(raw.color_trc), int(raw.color_primaries)
    return raw.width, raw.height, raw.format.name, deinterlace, *colors


def _is_foreign(raw: Any) -> bool:
    """Whether colors are none that a BT.709 display shows as they are."""
    return int(raw.color_trc) in _HDR or int(raw.color_primaries) in _WIDE


def _tone_mapped(raw: Any) -> str:
    wide = _WIDE.get(int(raw.color_primaries))
    hdr = _HDR.get(int(raw.color_trc))
    if hdr is None:
        return f"the colors of {wide} are converted to BT.709"
    return f"HDR video ({hdr}{f', {wide}' if wide else ''}): tone-mapped to BT.709"


def _has_alpha(raw: Any) -> bool:
    return bool(raw.format.name.startswith(_ALPHA_FORMATS))


def _rgb(frame: Any, size: tuple[int, int]) -> Image:
    """(H, W, 3) uint8 RGB, or (H, W, 4) RGBA, of a decoded frame brought to coded ``size`` (height, width)."""
    full = int(frame.color_range) == _FULL_RANGE or frame.format.name.startswith("yuvj")
    rgb = frame.reformat(
        width=size[1],
        height=size[0],
        format="rgba" if _has_alpha(frame) else "rgb24",
        src_colorspace=_matrix(frame),
        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        dst_colorspace=Colorspace.ITU601,  # RGB has none; PyAV 14 converts wrongly when both sides agree
        dst_color_range=ColorRange.JPEG,
    )
    image: Image = rgb.to_ndarray()
    return image


def _matrix(frame: Any) -> Any:
    name = _MATRICES.get(int(frame.colorspace))
    if name is None:
        name = "ITU709" if frame.height > 576 or frame.width >= 1280 else "ITU601"
    return getattr(Colorspace, name, Colorspace.ITU709)


def fields_of(stream: Any) -> str | None:
    """The field of a stream's frames that is shown first, "tff" or "bff", where its container alone says it."""
    context = stream.codec_context
    return _FIELDS.get(int(context.field_order)) if context.name in _WITHOUT_FIELDS else None


def orientation_matrix(frame: Any) -> tuple[int, int, int, int]:
    """Signs (a, b, c, d) of the display matrix, x' = a x + c y, y' = b x + d y; (1, 0, 0, 1) if none.

    Ask one frame of a stream, not each: PyAV ties a frame and its side data into a cycle, and hundreds of
    frames pile up until the garbage collector comes by.
    """
    data = None
    with contextlib.suppress(KeyError, ValueError):
        data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    numbers = np.frombuffer(bytes(data), np.int32, count=9)
    a, b, c, d = (int(np.sign(round(int(numbers[at]) / 65536))) for at in (0, 1, 3, 4))
    return a, b, c, d


def turned(image: Image, signs: tuple[int, int, int, int]) -> Image:
    """Apply a display matrix's signs to (H, W, 3) pixels; anything but quarter turns and flips is left."""
    a, b, c, d = signs
    if b and c and not a and not d:
        image = image.transpose(1, 0, 2)
        flip_x, flip_y = c < 0, b < 0
    elif a and d and not b and not c:
        flip_x, flip_y = a < 0, d < 0
    else:
        return image
    return np.ascontiguousarray(image[:: -1 if flip_y else 1, :: -1 if flip_x else 1])
