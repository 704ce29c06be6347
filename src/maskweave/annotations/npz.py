"""NumPy archives: one ``.npz`` an image, with everything a record holds.

Masks are compact: ``bits`` holds the bitmaps of all objects, each packed by itself (`numpy.packbits`), ``shapes``
(N, 2) their heights and widths, ``corners`` (N, 2) the x, y of their top-left pixels in an image of ``size``. The
other arrays are ``boxes``, ``scores``, ``class_ids``, ``class_names``, ``crowd`` and, where there are such,
``track_ids``, ``class_map`` with ``class_map_names``, ``category_ids`` with ``category_names`` and
``category_things``, ``video``, ``frame`` and ``time``. Nothing is pickled.
"""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from maskweave.annotations.base import FEATURES, Format, Put
from maskweave.annotations.options import Options
from maskweave.annotations.places import checked_size, find_image, label_files, new_file, put_image, safe_name
from maskweave.annotations.record import Category, Record
from maskweave.annotations.report import Report
from maskweave.errors import BadRecord, MaskWeaveError
from maskweave.files import atomic_folder
from maskweave.sources.walk import files_below
from maskweave.types.arrays import Array
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.semantic import SemanticMap

_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, KeyError, NotImplementedError),
    RuntimeError,  # of an encrypted one
    MemoryError,  # of a head that promises more than there is
)
_NEEDED = (
    *("file_name", "size", "bits", "shapes", "corners", "boxes", "scores", "class_ids", "class_names"),
    "crowd",
)
_MAX_BYTES = 4_000_000_000  # of one archive, unpacked


def detect(path: Path) -> str | None:
    """A folder of ``.npz`` files, or one, whose first has our arrays."""
    first = next(files_below(path, (".npz",)), None) if path.is_dir() else path
    if first is None or first.suffix.lower() != ".npz" or not zipfile.is_zipfile(first):
        return None
    with zipfile.ZipFile(first) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
    return "NumPy archives with bits, shapes and corners" if names >= set(_NEEDED) else None


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each archive of a folder, or of one."""
    root = path if path.is_dir() else path.parent
    for file, where in label_files(path, ".npz", need=".npz files"):
        yield from report.made(where, partial(_record, file, options, root))


def _record(file: Path, options: Options, root: Path) -> Record:
    arrays = _load(file)
    try:
        return _of_arrays(arrays, options, root)
    except MaskWeaveError:
        raise
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise BadRecord(f"need arrays of the shapes that we write, got others ({error})") from error


def _of_arrays(arrays: Mapping[str, Array], options: Options, root: Path) -> Record:
    size = checked_size(*(int(each) for each in arrays["size"].reshape(-1)[:2]))
    names = tuple(arrays["class_names"].tolist())
    instances = Instances(
        masks=_masks(arrays, size),
        boxes=arrays["boxes"],
        scores=arrays["scores"],
        class_ids=arrays["class_ids"],
        class_names=names,
        track_ids=arrays.get("track_ids"),
    )
    semantic = None
    if "class_map" in arrays:
        semantic = SemanticMap(arrays["class_map"], tuple(arrays["class_map_names"].tolist()))
    file_name = safe_name(str(arrays["file_name"]))
    columns = (arrays[name].tolist() for name in ("category_ids", "category_names", "category_things"))
    return Record(
        file_name=file_name,
        instances=instances,
        crowd=arrays["crowd"],
        semantic=semantic,
        categories=tuple(Category(*each) for each in zip(*columns, strict=True))
        if "category_ids" in arrays
        else (),
        video=str(arrays.get("video", "")),
        frame=int(arrays["frame"]) if "frame" in arrays else None,
        time=float(arrays["time"]) if "time" in arrays else None,
        image=find_image(file_name, options.images, root),
    )


def _load(file: Path) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MAX_BYTES:
                raise BadRecord(f"need less than {_MAX_BYTES / 1e9:g} GB of arrays, got more")
        with np.load(file, allow_pickle=False) as loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    except (*_DAMAGED, OSError, ValueError) as error:
        raise BadRecord(f"need a NumPy archive ({error})") from error
    missing = [name for name in _NEEDED if name not in arrays]
    if missing:
        raise BadRecord(f"need the arrays {', '.join(_NEEDED)}; missing {', '.join(missing)}")
    odd = [name for name, array in arrays.items() if array.dtype.kind not in "biufU"]
    if odd:
        raise BadRecord(f"need numbers and text, got {odd[0]} of {arrays[odd[0]].dtype}")
    return arrays


def _masks(arrays: Mapping[str, Array], size: tuple[int, int]) -> Masks:
    shapes, corners, bits = arrays["shapes"], arrays["corners"], arrays["bits"]
    if shapes.ndim != 2 or shapes.shape[1] != 2 or bits.dtype != np.uint8 or (shapes < 0).any():
        raise BadRecord("need shapes (N, 2) and packed bits (uint8), got others")
    lengths = -(-shapes.prod(axis=1) // 8)
    if lengths.sum() != len(bits):
        raise BadRecord(f"need {int(lengths.sum())} packed bytes for its shapes, got {len(bits)}")
    crops, start = [], 0
    for (height, width), length in zip(shapes.tolist(), lengths.tolist(), strict=True):
        packed = bits[start : start + length]
        crops.append(np.unpackbits(packed, count=height * width).reshape(height, width).astype(bool))
        start += length
    return Masks(crops, corners, size)


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write an archive for each record."""
    with atomic_folder(path, overwrite=options.overwrite) as folder:

        def put(record: Record) -> None:
            file = new_file(folder, f"{record.stem}.npz")
            put_image(record, folder, options.with_images)
            np.savez_compressed(file, **arrays_of(record))

        yield put


def arrays_of(record: Record) -> dict[str, Any]:
    """The arrays of a record by name."""
    instances, masks = record.instances, record.instances.masks
    packed = [np.packbits(crop) for crop in masks.crops]
    arrays: dict[str, Any] = {
        "file_name": np.array(record.file_name),
        "size": np.array(record.size),
        "bits": np.concatenate(packed) if packed else np.zeros(0, np.uint8),
        "shapes": np.array([crop.shape for crop in masks.crops], dtype=np.int64).reshape(-1, 2),
        "corners": masks.corners,
        "boxes": instances.boxes,
        "scores": instances.scores,
        "class_ids": instances.class_ids,
        "class_names": np.array(instances.class_names, dtype=np.str_),
        "crowd": record.crowds,
    }
    if instances.track_ids is not None:
        arrays["track_ids"] = instances.track_ids
    if record.semantic is not None:
        arrays["class_map"] = record.semantic.class_map
        arrays["class_map_names"] = np.array(record.semantic.class_names, dtype=np.str_)
    if record.categories:
        arrays["category_ids"] = np.array([each.id for each in record.categories], dtype=np.int64)
        arrays["category_names"] = np.array([each.name for each in record.categories], dtype=np.str_)
        arrays["category_things"] = np.array([each.thing for each in record.categories], dtype=np.bool_)
    if record.frame is not None:
        arrays |= {"video": np.array(record.video), "frame": np.array(record.frame)}
    if record.time is not None:
        arrays["time"] = np.array(record.time)
    return arrays


FORMAT = Format(
    name="npz",
    title="NumPy archives",
    layout="a folder of `.npz`",
    holds=frozenset(FEATURES),
    detect=detect,
    read=read,
    write=write,
)
