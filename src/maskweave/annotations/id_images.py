"""Images whose pixels are numbers of objects or classes: read them, and make them of objects."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from maskweave.annotations.options import OverlapPolicy
from maskweave.annotations.report import Report
from maskweave.errors import BadRecord, InvalidValue, SourceNotFound
from maskweave.ops.semantic import paint_numbers
from maskweave.sources.base import MAX_PIXELS, check_budget
from maskweave.types.arrays import Array, IntArray, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks

_MIN_EQUAL, _FEW = 0.9, 32
"""Of the pairs of neighbors, and different numbers, in an image whose pixels are numbers of objects."""


def read_indices(path: Path, size: Size | None = None) -> IntArray:
    """(H, W) int64 of a palette, gray (8 or 16 bits) or 1-bit image.

    ``size``: what it must have. Raises `BadRecord` for colors, another size, or what is no image.
    """
    values = _pixels(path)
    if values.ndim != 2:
        raise BadRecord(f"{_called(path)}: need a palette or gray image of numbers, got colors (RGB)")
    _check_size(path, values.shape[:2], size)
    return values.astype(np.int64)


def read_colors(path: Path, size: Size | None = None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of an RGB image; raises `BadRecord` as `read_indices`, for palette and gray ones."""
    values = _pixels(path)
    if values.ndim != 3 or values.shape[2] not in (3, 4) or values.dtype != np.uint8:
        raise BadRecord(f"{_called(path)}: need an image of colors (RGB), got a palette or gray one")
    _check_size(path, values.shape[:2], size)
    return values[:, :, :3].astype(np.uint8, copy=False)


def read_id_map(path: Path) -> IntArray:
    """(H, W) object ids of an image as DAVIS has them; one of 0 and 255 alone is one object.

    Raises `SourceNotFound`, or `BadRecord` for colors or what is no image.
    """
    ids = read_indices(path)
    return np.where(ids == 255, 1, ids) if set(np.unique(ids).tolist()) <= {0, 255} else ids


def id_map_of(mask: str | Path | Array) -> IntArray:
    """(H, W) object ids of an array, or of an image as `read_id_map` reads it."""
    return read_id_map(Path(mask)) if isinstance(mask, str | Path) else np.asarray(mask).astype(np.int64)


def id_maps_in(folder: Path) -> dict[int, Path]:
    """The id maps of a folder by the numbers that their names end in; raises `InvalidValue` where they have none."""
    paths: dict[int, Path] = {}
    for path in sorted(folder.glob("[!.]*.png")):
        number = re.search(r"\d{1,9}$", path.stem)
        if number is None or int(number[0]) in paths:
            raise InvalidValue(f"{path}: need names that end in the number of a frame, like 00040.png")
        paths[int(number[0])] = path
    if not paths:
        raise InvalidValue(f"{folder}: need PNGs of marked frames, like 00040.png, found none")
    return paths


def has_areas(ids: IntArray) -> bool:
    """Whether an (H, W) image is of numbers: few different ones, or neighbors mostly equal; in photos neither is."""
    same = np.count_nonzero(ids[:, 1:] == ids[:, :-1]) + np.count_nonzero(ids[1:] == ids[:-1])
    pairs = 2 * ids.size - sum(ids.shape)
    return bool(same >= _MIN_EQUAL * pairs) or len(np.unique(ids)) <= _FEW


def read_class_map(path: Path) -> NDArray[np.uint8]:
    """(H, W) class ids of an 8-bit palette or gray PNG; raises as `read_indices`, and for 16 bits."""
    ids = read_indices(path)
    if ids.max(initial=0) > 255 or ids.min(initial=0) < 0:
        raise BadRecord(f"{_called(path)}: need an 8-bit PNG of class ids, palette or gray; got 16 bits")
    return ids.astype(np.uint8)


def _called(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _pixels(path: Path) -> Array:
    try:
        with PILImage.open(path, formats=("PNG", "BMP", "TIFF")) as image:
            check_budget(*image.size, max_pixels=4 * MAX_PIXELS, label=_called(path))
            return np.asarray(image)
    except FileNotFoundError as error:
        raise SourceNotFound(f"{_called(path)}: no such file") from error
    except (OSError, ValueError, SyntaxError, PILImage.DecompressionBombError) as error:
        raise BadRecord(f"{_called(path)}: need a PNG ({error})") from error


def _check_size(path: Path, got: tuple[int, ...], size: Size | None) -> None:
    if size is not None and got != size:
        raise BadRecord(
            f"{_called(path)}: need {size[1]} x {size[0]} pixels like the rest, got {got[1]} x {got[0]}"
        )


def objects_of_ids(ids: IntArray, *, without: tuple[int, ...] = (0,)) -> tuple[list[int], Masks]:
    """The numbers in an (H, W) image, but those of ``without``, rising, and the mask of each."""
    height, width = ids.shape
    flat = ids.ravel()
    places = np.flatnonzero(~np.isin(flat, without))
    places = places[np.argsort(flat[places], kind="stable")]
    numbers, starts = np.unique(flat[places], return_index=True)
    crops, corners = [], []
    for part in np.split(places, starts[1:]) if len(numbers) else ():
        y, x = np.divmod(part, width)
        left, top = int(x.min()), int(y.min())
        crop = np.zeros((int(y.max()) + 1 - top, int(x.max()) + 1 - left), dtype=bool)
        crop[y - top, x - left] = True
        crops.append(crop)
        corners.append((left, top))
    return numbers.tolist(), Masks(crops, corners, (height, width))


def flattened(instances: Instances, policy: OverlapPolicy, report: Report) -> tuple[IntArray, Instances]:
    """(H, W) row + 1 of the object in front, 0 where none is, and the objects that are seen, cut to what is seen.

    Of equal scores the smaller object lies in front, as in truths, where all are equal. The report notes what
    overlaps cost. Raises `BadRecord` when the policy refuses them.
    """
    count = len(instances)
    scores = np.zeros(count) if policy == "small" else instances.scores
    rank = np.empty(count)
    rank[np.lexsort((-instances.masks.areas, scores))] = np.arange(count) / max(1, count)
    painted = paint_numbers(instances.replace(scores=rank), np.arange(1, count + 1))
    visible = np.bincount(painted.ravel(), minlength=count + 1)[1 : count + 1]
    lost = instances.masks.areas - visible
    partly, wholly = (lost > 0) & (visible > 0), visible == 0
    if policy == "refuse" and lost.any():
        raise BadRecord(
            f"objects overlap by {int(lost.sum())} pixels, which --overlaps refuse does not let pass"
        )
    report.lost("overlaps", int(partly.sum()), int(lost[partly].sum()))
    report.lost("hidden", int(wholly.sum()))
    numbers, masks = objects_of_ids(painted)
    rows = np.array(numbers, dtype=np.int64) - 1
    seen = instances[rows].replace(masks=masks)
    renumbered = np.zeros(count + 1, dtype=np.int64)
    renumbered[rows + 1] = np.arange(1, len(rows) + 1)
    return renumbered[painted], seen
