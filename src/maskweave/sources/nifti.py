"""Read the slices of NIfTI volumes (.nii, .nii.gz, and .hdr with .img), as they are stored, shown upright.

Each slice is turned as radiologists look at it: the patient's left on the right, the front above; of coronal and
sagittal slices the head above. Values become 8 bits as those of DICOM do: by the window that was asked for, else by
the display range of the file (cal_min, cal_max), else by the range of the volume, which is told.

Layout: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h and nifti2.h.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import MaskWeaveError, SourceNotFound, UnreadableImage
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, Closing, check_budget, warn_once
from maskweave.sources.kinds import is_nifti
from maskweave.sources.pixels import eight_bits
from maskweave.sources.raster_options import RasterOptions
from maskweave.types.arrays import Array, Image
from maskweave.types.frame import Frame, SourceInfo
from maskweave.types.volume import Vector, VolumeGrid

_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_COLORS = {128: 3, 2304: 4}  # bytes of a voxel of RGB and RGBA
_MILLIMETERS = {1: 1000.0, 3: 0.001}  # codes of meters and micrometers
_HEADER_BYTES = 544
_MIN_OFFSET = 352  # of the voxels behind a header
_FIELDS: dict[int, dict[str, tuple[str, int]]] = {  # by the size of the header: how and where each field lies
    348: {
        "dim": ("8h", 40),
        "datatype": ("h", 70),
        "pixdim": ("8f", 76),
        "offset": ("f", 108),
        "scale": ("2f", 112),
        "units": ("B", 123),
        "range": ("2f", 124),
        "codes": ("2h", 252),
        "quaternion": ("6f", 256),
        "rows": ("12f", 280),
        "magic": ("4s", 344),
    },
    540: {
        "magic": ("4s", 4),
        "datatype": ("h", 12),
        "dim": ("8q", 16),
        "pixdim": ("8d", 104),
        "offset": ("q", 168),
        "scale": ("2d", 176),
        "range": ("2d", 192),
        "codes": ("2i", 344),
        "quaternion": ("6d", 352),
        "rows": ("12d", 400),
        "units": ("i", 500),
    },
}


@dataclass(frozen=True)
class NiftiHeader:
    """The header of a volume.

    - ``shape``: voxels along the stored axes i, j, k. ``volumes``: how many there are, in time for example.
    - ``dtype``, ``channels``: of a voxel; ``offset``: of the first, in ``data``, the file that has them.
    - ``slope``, ``intercept``: of the values. ``shown``: the values that are to be black and white, or None.
    - ``affine``: (3, 4), from i, j, k to mm in left, posterior, superior, as DICOM has it.
    """

    data: Path
    shape: tuple[int, int, int]
    volumes: int
    dtype: np.dtype[Any]
    channels: int
    offset: int
    slope: float
    intercept: float
    shown: tuple[float, float] | None
    affine: NDArray[np.float64]

    @property
    def frames(self) -> int:
        """The slices of all volumes."""
        return self.shape[2] * self.volumes


def read_header(path: Path) -> NiftiHeader:
    """Read and check the header of a NIfTI-1 or NIfTI-2 file; raises `SourceError`."""
    with _readable(path), _opened(path) as file:
        head = file.read(_HEADER_BYTES)
        if not is_nifti(head):
            raise UnreadableImage(f"{path}: need a NIfTI volume, got another file")
        order: Literal["<", ">"] = "<" if int.from_bytes(head[:4], "little") in _FIELDS else ">"
        layout = _FIELDS[struct.unpack_from(order + "i", head)[0]]
        found = {name: struct.unpack_from(order + form, head, at) for name, (form, at) in layout.items()}
        return _checked(path, order, found)


def _checked(path: Path, order: str, found: dict[str, tuple[Any, ...]]) -> NiftiHeader:
    dim, (datatype,) = found["dim"], found["datatype"]
    sides = [int(each) for each in dim[1 : 1 + max(0, min(dim[0], 7))]]
    shape = (*sides[:3], 1, 1, 1)[:3]
    if not 1 <= dim[0] <= 7 or min(sides, default=0) < 1:
        raise UnreadableImage(f"{path}: need a volume of 1 voxel or more a side, got {sides}")
    if datatype not in _TYPES and datatype not in _COLORS:
        raise UnreadableImage(f"{path}: need voxels of real numbers or colors, got data type {datatype}")
    slope, intercept = found["scale"]
    has_scale = math.isfinite(slope) and slope != 0 and math.isfinite(intercept)
    high, low = found["range"]
    is_single = found["magic"][0][1:2] == b"+"
    return NiftiHeader(
        data=path if is_single else _data_of_pair(path),
        shape=(shape[0], shape[1], shape[2]),
        volumes=math.prod(sides[3:]),
        dtype=np.dtype("u1" if datatype in _COLORS else order + _TYPES[datatype]),
        channels=_COLORS.get(datatype, 1),
        offset=max(_MIN_OFFSET if is_single else 0, int(found["offset"][0])),
        slope=float(slope) if has_scale else 1.0,
        intercept=float(intercept) if has_scale else 0.0,
        shown=(float(low), float(high)) if math.isfinite(high - low) and high > low else None,
        affine=_affine(found, (shape[0], shape[1], shape[2])),
    )


def _data_of_pair(path: Path) -> Path:
    """The file of voxels that belongs to a header of its own."""
    stem = path.name.removesuffix(".gz").removesuffix(".hdr")
    for name in (f"{stem}.img", f"{stem}.img.gz"):
        if path.with_name(name).is_file():
            return path.with_name(name)
    raise SourceNotFound(
        f"{path}: need the voxels of this header beside it, {stem}.img, but it does not exist"
    )


def _affine(found: dict[str, tuple[Any, ...]], shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """From voxels to mm in left, posterior, superior: by the matrix, else by the quaternion, else by the spacing."""
    by_quaternion, by_matrix = (code > 0 for code in found["codes"])
    spacing = np.abs(np.array(found["pixdim"][1:4], dtype=np.float64))
    spacing[~np.isfinite(spacing) | (spacing == 0)] = 1
    if by_matrix:
        affine = np.array(found["rows"], dtype=np.float64).reshape(3, 4)
    elif by_quaternion:
        handed = -1.0 if found["pixdim"][0] < 0 else 1.0
        turn = _rotation(*found["quaternion"][:3]) * spacing * [1, 1, handed]
        affine = np.column_stack([turn, found["quaternion"][3:]])
    else:  # as Analyze had it: i runs to the left, the middle of the volume is 0
        steps = spacing * [-1, 1, 1]
        affine = np.column_stack([np.diag(steps), -steps * (np.array(shape) - 1) / 2])
    affine = affine * _MILLIMETERS.get(found["units"][0] & 7, 1.0)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:, :3])) < 1e-12:
        affine = np.column_stack([np.diag(spacing * [-1, 1, 1]), np.zeros(3)])
    return affine * [[-1], [-1], [1]]  # NIfTI counts to the right and to the front


def _rotation(b: float, c: float, d: float) -> NDArray[np.float64]:
    """(3, 3) of a unit quaternion whose first part follows from the others."""
    a = math.sqrt(max(0.0, 1 - b * b - c * c - d * d))
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


@dataclass(frozen=True)
class _View:
    """How a stored slice (j, i) is laid down: transposed, then its rows and its columns turned around."""

    transposed: bool
    flips_rows: bool
    flips_columns: bool

    @classmethod
    def of(cls, affine: NDArray[np.float64]) -> _View:
        """By which way of the patient each of the two axes runs: 0 to the left, 1 to the back, 2 upward."""
        ways = np.abs(affine[:, :2]).argmax(axis=0)
        transposed = bool(ways[1] < ways[0])
        column, row = (1, 0) if transposed else (0, 1)
        down = affine[ways[row], row]
        return cls(
            transposed,
            flips_rows=bool(down > 0 if ways[row] == 2 else down < 0),
            flips_columns=bool(affine[ways[column], column] < 0),
        )

    def lay(self, stored: Array) -> Array:
        """(H, W) or (H, W, C) of a stored slice."""
        shown = stored.swapaxes(0, 1) if self.transposed else stored
        shown = shown[::-1] if self.flips_rows else shown
        return np.ascontiguousarray(shown[:, ::-1] if self.flips_columns else shown)

    def grid(self, header: NiftiHeader) -> VolumeGrid:
        """Where the laid slices lie."""
        affine, shape = header.affine, header.shape
        column, row = (1, 0) if self.transposed else (0, 1)
        across, down, first = affine[:, column].copy(), affine[:, row].copy(), affine[:, 3].copy()
        if self.flips_columns:
            first, across = first + across * (shape[column] - 1), -across
        if self.flips_rows:
            first, down = first + down * (shape[row] - 1), -down
        steps = _vector(across), _vector(down), _vector(affine[:, 2])
        return VolumeGrid(_vector(first), *steps, depth=shape[2] if header.volumes > 1 else None)


class NiftiSource(Closing):
    """The slices of a NIfTI volume along its third axis as a source of `Frame`, with the volume's ``grid``.

    One slice is an ``image``; more are a ``video`` of 25 frames per second. Several volumes (a scan repeated over
    time) follow one another. ``raster_options.window`` replaces the display range of the file.

    Raises `SourceNotFound`, or `UnreadableImage` for what is no such volume. Iterating raises `ImageTooLarge`, and
    `UnreadableImage` for a file that is cut short.
    """

    def __init__(
        self,
        path: Path,
        name: str | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        raster_options: RasterOptions | None = None,
    ) -> None:
        self._path, self._max_pixels = path, max_pixels
        self._window = (raster_options or RasterOptions()).window
        self._header = read_header(path)
        self._view = _View.of(self._header.affine)
        count = self._header.frames
        several = count > 1
        self.info = SourceInfo(
            name=name or path.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".hdr"),
            kind="video" if several else "image",
            path=path,
            rate=FRAME_RATE if several else None,
            time_base=1 / FRAME_RATE if several else None,
            frame_count=count,
            duration=float(count / FRAME_RATE) if several else None,
            grid=self._view.grid(self._header),
        )
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        check_budget(*self._header.shape[:2], max_pixels=self._max_pixels, label=str(self._path))
        shown = self._shown()
        video = self.info.kind == "video"
        for index, stored in enumerate(self._slices()):
            yield Frame(
                self._image(stored, shown),
                index,
                index / FRAME_RATE if video else Fraction(0),
                1 / FRAME_RATE if video else None,
                self.info.name,
                file_name=self._path.name,
            )

    def _image(self, stored: Array, shown: tuple[float, float]) -> Image:
        laid = self._view.lay(stored)
        if laid.ndim == 3:
            return np.ascontiguousarray(laid[:, :, :3])
        return np.repeat(eight_bits(self._scaled(laid), span=shown)[:, :, None], 3, axis=2)

    def _scaled(self, stored: Array) -> NDArray[np.float64]:
        return stored.astype(np.float64) * self._header.slope + self._header.intercept

    def _shown(self) -> tuple[float, float]:
        """The values that are black and white."""
        if self._window is not None:
            center, width = self._window
            return center - 0.5 - (width - 1) / 2, center - 0.5 + (
                width - 1
            ) / 2  # as DICOM, PS3.3 C.11.2.1.2
        if self._header.shown is not None or self._header.channels > 1:
            return self._header.shown or (0, 255)
        low, high = math.inf, -math.inf
        for stored in self._slices():
            values = self._scaled(stored)
            values = values[np.isfinite(values)]
            if values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
        low, high = (low, high) if low <= high else (0.0, 1.0)
        line = f"no display range in the file: {low:g} to {high:g} became 0 to 255; see --window"
        warn_once(self.warnings, line)
        return low, high

    def _slices(self) -> Iterator[Array]:
        """(j, i) or (j, i, channels) numbers of each slice, as stored."""
        header = self._header
        width, height, depth = header.shape
        shape = (height, width) if header.channels == 1 else (height, width, header.channels)
        size = math.prod(shape) * header.dtype.itemsize
        with _readable(self._path), _opened(header.data) as file:
            file.seek(header.offset)
            for number in range(header.frames):
                data = file.read(size)
                if len(data) < size:
                    of = f" of volume {number // depth + 1}" if header.volumes > 1 else ""
                    raise UnreadableImage(
                        f"{self._path}: cut short in slice {number % depth + 1} of {depth}{of}"
                    )
                yield np.frombuffer(data, header.dtype).reshape(shape)


def slice_count(path: Path) -> int:
    """How many slices a NIfTI file has; 1 for anything else."""
    try:
        return read_header(path).frames
    except MaskWeaveError:  # told when it is opened
        return 1


def _vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = (float(each) for each in values)
    return x, y, z


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, unpacked where it is packed."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not packed:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as file:
            yield file  # type: ignore[misc]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except MaskWeaveError:
        raise
    except FileNotFoundError:
        raise SourceNotFound(f"{path}: no such file; check the path") from None
    except (OSError, EOFError, zlib.error, struct.error) as error:
        reason = " ".join(str(error).split())[:120]
        raise UnreadableImage(f"{path}: damaged or cut short ({reason})") from error
