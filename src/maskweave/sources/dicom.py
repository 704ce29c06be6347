"""DICOM: single images, multi-frame files, and the slices of a series in the order in which they lie in the body.

Values become 8 bits as the file says, PS3.3: stored values by rescale or modality table to the modality's own
(C.11.1), these by window or table to gray (C.11.2), MONOCHROME1 inverted (C.7.6.3.1.2). Attributes are looked for in
the frame's functional groups too, where enhanced multi-frame images have them (C.7.6.16).

Of what describes the patient nothing is passed on but where the slices lie.
"""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import (
    MaskWeaveError,
    SourceError,
    SourceNotFound,
    UnreadableImage,
    UnreadableVideo,
)
from maskweave.optional import optional
from maskweave.sources.base import MAX_PIXELS, Closing, check_budget
from maskweave.sources.dicom_grid import Slice, grid_of, in_order
from maskweave.sources.dicom_times import TIME_TAGS, frame_steps, tick_of
from maskweave.sources.names import natural_key
from maskweave.sources.pixels import Numbers, eight_bits
from maskweave.sources.raster_options import RasterOptions
from maskweave.types.arrays import Array, FloatArray, Image
from maskweave.types.frame import Frame, SourceInfo

_HEADER_TAGS = [
    *("SOPClassUID", "SeriesInstanceUID", "Rows", "Columns", "NumberOfFrames", "InstanceNumber"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("SpacingBetweenSlices", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *TIME_TAGS,
]
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_warnings_lock = threading.RLock()  # what is to be warned of is a setting of the whole process
_COLORS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def frame_count(path: Path) -> int:
    """How many frames a DICOM file says it has; raises what `DicomSource` raises."""
    return int(_header(path).get("NumberOfFrames") or 1)


def series_in(
    paths: Sequence[Path],
) -> tuple[list[list[Path]], list[tuple[Path, MaskWeaveError]], list[Path]]:
    """The files of each series, and of each image size in it, in the order of the first files.

    Second: files that cannot be read, and why. Third: those that hold no image at all. Raises `MissingDependency`
    without pydicom 3.
    """
    groups: dict[tuple[Any, ...], list[Path]] = {}
    damaged: list[tuple[Path, MaskWeaveError]] = []
    no_images: list[Path] = []
    for path in sorted(paths, key=lambda each: natural_key(each.name)):
        try:
            header = _header(path)
        except SourceError as error:
            damaged.append((path, error))
            continue
        if not header.get("Rows"):
            if header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID"):
                no_images.append(path)
            else:
                damaged.append((path, UnreadableImage(f"{path}: damaged, it does not say what it holds")))
            continue
        key = tuple(str(header.get(name, "")) for name in ("SeriesInstanceUID", "Rows", "Columns"))
        groups.setdefault(key, []).append(path)
    return list(groups.values()), damaged, no_images


class DicomSource(Closing):
    """DICOM files of one series as a source of `Frame`, one for each slice.

    Slices are ordered by position along their normal; where positions are missing or repeat, by instance number,
    then by name. A single frame is an ``image``; more are a ``video``, at the times that one file states, else
    of 25 frames per second, with the ``grid`` where positions are known. ``raster_options.window`` replaces the
    files' own window. A frame has its file's name.

    Raises `MissingDependency` without pydicom 3, `SourceNotFound`, or `UnreadableImage` for what is no DICOM image.
    Iterating raises `ImageTooLarge`, `UnreadableVideo` for slices of different sizes, and `UnreadableImage` for
    damaged pixels or a compression that no installed decoder knows.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        name: str | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        raster_options: RasterOptions | None = None,
    ) -> None:
        self._raster_options = raster_options or RasterOptions()
        self._max_pixels = max_pixels
        self.warnings: list[str] = []
        self._slices = in_order([each for path in paths for each in _slices(path)], self.warnings)
        count, one = len(self._slices), len(paths) == 1
        several = count > 1
        self._steps = frame_steps(_header(paths[0]) if one and several else {}, count)
        length = sum(self._steps, Fraction(0))
        self.info = SourceInfo(
            name=name or (paths[0].stem if one else paths[0].parent.name),
            kind="video" if several else "image",
            path=paths[0] if one else paths[0].parent,
            rate=count / length if several else None,
            time_base=tick_of(self._steps) if several else None,
            frame_count=count,
            duration=float(length) if several else None,
            grid=grid_of(self._slices, self.warnings),
        )
        self._grays: tuple[float, float] | None = None

    def __iter__(self) -> Iterator[Frame]:
        size = self._slices[0].size
        opened: _Opened | None = None
        names = _frame_names(self._slices)
        time = Fraction(0)
        for index, each in enumerate(self._slices):
            if each.size != size:
                raise UnreadableVideo(
                    f"{each.path}: need {size[1]} x {size[0]} pixels like the first slice, got "
                    f"{each.size[1]} x {each.size[0]}; give the series one by one"
                )
            if opened is None or opened.path != each.path:
                check_budget(size[1], size[0], max_pixels=self._max_pixels, label=str(each.path))
                opened = _Opened.of(each.path)
            video = self.info.kind == "video"
            yield Frame(
                self._image(opened, each.frame),
                index,
                time,
                self._steps[index] if video else None,
                self.info.name,
                names[index] if video else "",
                each.path.name,
            )
            time += self._steps[index]

    def _image(self, opened: _Opened, frame: int) -> Image:
        with _readable(opened.path):
            values = opened.pixels(frame)
            if _OVERLAY not in self.warnings and opened.has_overlay():
                self.warnings.append(_OVERLAY)
            interpretation = str(opened.data.PhotometricInterpretation)
            if interpretation in _COLORS:
                return _eight_bits(values, opened.data)
            if interpretation == "PALETTE COLOR":
                from pydicom.pixels.processing import apply_color_lut

                return _eight_bits(apply_color_lut(values, opened.data))[..., :3]
            if not interpretation.startswith("MONOCHROME"):
                raise UnreadableImage(f"{opened.path}: pixels of kind {interpretation} are not supported")
            gray = self._gray(opened, frame, values)
        if interpretation == "MONOCHROME1":
            gray = 255 - gray
        return np.repeat(gray[:, :, None], 3, axis=2)

    def _gray(self, opened: _Opened, frame: int, stored: Array) -> NDArray[np.uint8]:
        values = opened.rescaled(frame, stored)
        if self._raster_options.window is not None:
            return _windowed(values, *self._raster_options.window, "LINEAR")
        table = opened.by_table(values)
        if table is not None:
            return table
        window = opened.window(frame)
        if window is not None:
            return _windowed(values, *window)
        if self._grays is None:  # one range for the whole series, so that equal values are equal grays
            data = _without_padding(values, stored, opened.data)
            self._grays = low, high = float(data.min()), float(data.max())
            self.warnings.append(f"no window in the file: {low:g} to {high:g} became 0 to 255; see --window")
        low, high = self._grays
        scaled = (values - low) * (255 / max(high - low, 1e-9))
        return _rounded(scaled)


_OVERLAY = "its overlay (graphics in planes of their own) is not drawn"


@dataclass(frozen=True)
class _Opened:
    """A whole file, and the attributes of its frames."""

    path: Path
    data: Any

    @classmethod
    def of(cls, path: Path) -> _Opened:
        with _readable(path) as pydicom:
            data = _read(pydicom, path)
            if not any(name in data for name in _PIXELS):
                raise UnreadableImage(f"{path}: need a DICOM image, got one without pixels")
            return cls(path, data)

    def pixels(self, frame: int) -> Array:
        """(H, W) or (H, W, 3) values as stored; colors as RGB."""
        from pydicom.pixels.utils import pixel_array

        values: Array = pixel_array(self.data, index=frame)
        return _stored_bits(values, self.data) if "PixelData" in self.data else values

    def has_overlay(self) -> bool:
        """Whether graphics lie in planes of their own (PS3.3, C.9.2)."""
        tags = self.data.keys()
        return any(tag.group >> 8 == 0x60 and tag.element == 0x3000 for tag in tags)

    def rescaled(self, frame: int, stored: Array) -> FloatArray:
        """The modality's own values, Hounsfield units for example."""
        slope = attribute(self.data, frame, "PixelValueTransformationSequence", "RescaleSlope")
        intercept = attribute(self.data, frame, "PixelValueTransformationSequence", "RescaleIntercept")
        if slope is None and "ModalityLUTSequence" in self.data:
            from pydicom.pixels.processing import apply_modality_lut

            stored = apply_modality_lut(stored, self.data)
        return stored.astype(np.float32) * float(1 if slope is None else slope) + float(intercept or 0)

    def by_table(self, values: FloatArray) -> NDArray[np.uint8] | None:
        """Gray by a table of the file, or None where it has none."""
        if "VOILUTSequence" not in self.data or not self.data.VOILUTSequence:
            return None
        from pydicom.pixels.processing import apply_voi

        deepest = (1 << int(self.data.VOILUTSequence[0].LUTDescriptor[2])) - 1
        return _rounded(apply_voi(np.rint(values).astype(np.int32), self.data) * (255 / deepest))

    def window(self, frame: int) -> tuple[float, float, str] | None:
        """Center, width and function; the first of several."""
        center = _first(attribute(self.data, frame, "FrameVOILUTSequence", "WindowCenter"))
        width = _first(attribute(self.data, frame, "FrameVOILUTSequence", "WindowWidth"))
        if center is None or width is None or width <= 0:
            return None
        function = attribute(self.data, frame, "FrameVOILUTSequence", "VOILUTFunction")
        return center, width, str(function or "LINEAR")


def attribute(data: Any, frame: int, group: str, name: str) -> Any:
    """An attribute of one frame: of the file as a whole, or out of the functional group of that name; or None."""
    if data.get(name) is not None:
        return data.get(name)
    own = data.get("PerFrameFunctionalGroupsSequence") or []
    for groups in [*own[frame : frame + 1], *(data.get("SharedFunctionalGroupsSequence") or [])[:1]]:
        found = groups.get(group)
        if found and found[0].get(name) is not None:
            return found[0].get(name)
    return None


def _slices(path: Path) -> list[Slice]:
    """Each frame of a file and where it lies."""
    header = _header(path)
    size = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    if 0 in size:
        raise UnreadableImage(f"{path}: need a DICOM image, got a file without pixels")
    number = header.get("InstanceNumber")
    with _readable(path):
        return [
            Slice(
                path,
                frame,
                size,
                number=None if number is None else int(number),
                position=_vector(
                    attribute(header, frame, "PlanePositionSequence", "ImagePositionPatient"), 3
                ),
                orientation=_vector(
                    attribute(header, frame, "PlaneOrientationSequence", "ImageOrientationPatient"), 6
                ),
                spacing=_vector(attribute(header, frame, "PixelMeasuresSequence", "PixelSpacing"), 2),
                step=_step(header, frame),
            )
            for frame in range(int(header.get("NumberOfFrames") or 1))
        ]


def _step(header: Any, frame: int) -> float | None:
    """Distance to the next slice as the file says, in mm."""
    for name in ("SpacingBetweenSlices", "SliceThickness"):
        step = attribute(header, frame, "PixelMeasuresSequence", name)
        if step is not None and float(step) > 0:
            return float(step)
    return None


def _frame_names(slices: Sequence[Slice]) -> list[str]:
    """Each file's stem, with the frame's number where the file has several; empty names where two would be one."""
    frames = Counter(each.path for each in slices)
    names = []
    for each in slices:
        stem = each.path.stem if each.path.suffix.lower() in (".dcm", ".dicom", ".ima") else each.path.name
        names.append(stem if frames[each.path] == 1 else f"{stem}-{each.frame + 1:04d}")
    return names if len({name.casefold() for name in names}) == len(names) else [""] * len(names)


def _without_padding(values: FloatArray, stored: Array, data: Any) -> FloatArray:
    """The values that are not padding (PS3.3, C.7.5.1.1.2), which belongs to no range; all where there are none."""
    padding = data.get("PixelPaddingValue")
    if padding is None:
        return values
    limit = data.get("PixelPaddingRangeLimit")
    low, high = sorted((int(padding), int(padding if limit is None else limit)))
    kept = values[(stored < low) | (stored > high)]
    return kept if kept.size else values


def _windowed(values: FloatArray, center: float, width: float, function: str) -> NDArray[np.uint8]:
    """Gray 0..255 of values by a window, PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if function == "SIGMOID":
        return _rounded(255 / (1 + np.exp(np.clip(-4 * (values - center) / width, -50, 50))))
    if function == "LINEAR_EXACT":
        return _rounded(((values - center) / width + 0.5) * 255)
    return _rounded(((values - (center - 0.5)) / max(width - 1, 1e-6) + 0.5) * 255)


def _rounded(values: FloatArray) -> NDArray[np.uint8]:
    return (np.clip(values, 0, 255) + 0.5).astype(np.uint8)


def _eight_bits(values: Array, data: Any = None) -> NDArray[np.uint8]:
    """The highest 8 of the bits that count: those that ``data`` says are stored, else all."""
    return eight_bits(values, Numbers(None if data is None else int(data.get("BitsStored") or 0) or None))


def _vector(values: Any, length: int) -> tuple[float, ...] | None:
    if values is None or len(values) != length:
        return None
    return tuple(float(each) for each in values)


def _first(values: Any) -> float | None:
    if values is None:
        return None
    try:
        return float(values[0])
    except TypeError:
        return float(values)


def _stored_bits(values: Array, data: Any) -> Array:
    """Values of the bits that count, PS3.5, 8.1.1: older files keep graphics in the others, or carry no sign on."""
    allocated, stored = values.dtype.itemsize * 8, int(data.get("BitsStored") or 0)
    unused = allocated - stored
    if values.dtype.kind not in "iu" or not 0 < unused < allocated:
        return values
    below = max(0, min(unused, int(data.get("HighBit", stored - 1)) + 1 - stored))
    return (values << (unused - below)) >> unused


def _header(path: Path) -> Any:
    with _readable(path) as pydicom:
        return _read(pydicom, path, stop_before_pixels=True, specific_tags=_HEADER_TAGS)


def _read(pydicom: Any, path: Path, **options: Any) -> Any:
    """A file, also one that begins with its data elements, and does not say how they are encoded."""
    with path.open("rb") as file:
        has_mark = file.read(132)[128:] == b"DICM"
    data = pydicom.dcmread(path, force=not has_mark, **options)
    if "TransferSyntaxUID" not in data.file_meta:
        is_implicit, is_little = data.original_encoding
        uid = pydicom.uid
        explicit = uid.ExplicitVRLittleEndian if is_little else uid.ExplicitVRBigEndian
        data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if is_implicit else explicit
    return data


@contextmanager
def _readable(path: Path) -> Iterator[Any]:
    """pydicom, its chatter off; whatever a broken file provokes becomes a `SourceError` that begins with the path."""
    with optional("DICOM", extra="medical"):
        import pydicom
        import pydicom.pixels
    try:
        with _warnings_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield pydicom
    except MaskWeaveError:
        raise
    except FileNotFoundError:
        raise SourceNotFound(f"{path}: no such file; check the path") from None
    except Exception as error:  # a broken file can provoke nearly any exception inside a decoder
        if "missing dependencies" in str(error):
            compression = " ".join(str(error).split()).partition("'")[2].partition("'")[0]
            raise UnreadableImage(
                f"{path}: its pixels are packed ({compression}), which nothing installed decodes; "
                "`pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg`"
            ) from error
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise UnreadableImage(
            f"{path}: damaged, or of a kind that pydicom cannot decode here ({reason})"
        ) from error
