"""Pictures whose pixels are numbers: one object or class a pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from maskweave.errors import BadRecord, SourceNotFound
from maskweave.formats.base import OverlapPolicy
from maskweave.formats.ledger import Ledger
from maskweave.ops.semantic import paint_numbers
from maskweave.sources.base import MAX_PIXELS, check_budget
from maskweave.types.arrays import Array, IntArray, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks


def read_indices(path: Path, size: Size | None = None) -> IntArray:
    """(H, W) int64 of a palette, grey (8 or 16 bits) or 1-bit picture.

    ``size``: what it must have. Raises `BadRecord` for colours, another size, or what is no picture.
    """
    values = _pixels(path)
    if values.ndim != 2:
        raise BadRecord(f"{_called(path)}: need a palette or grey picture of numbers, got colours (RGB)")
    _check_size(path, values.shape[:2], size)
    return values.astype(np.int64)


def read_colours(path: Path, size: Size | None = None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of an RGB picture; raises `BadRecord` as `read_indices`, for palette and grey ones."""
    values = _pixels(path)
    if values.ndim != 3 or values.shape[2] not in (3, 4) or values.dtype != np.uint8:
        raise BadRecord(f"{_called(path)}: need a picture of colours (RGB), got a palette or grey one")
    _check_size(path, values.shape[:2], size)
    return values[:, :, :3].astype(np.uint8, copy=False)


def _called(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _pixels(path: Path) -> Array:
    try:
        with Pictures.open(path, formats=("PNG", "BMP", "TIFF")) as picture:
            check_budget(*picture.size, max_pixels=4 * MAX_PIXELS, label=_called(path))
            return np.asarray(picture)
    except FileNotFoundError as error:
        raise SourceNotFound(f"{_called(path)}: need this picture, there is no such file") from error
    except (OSError, ValueError, SyntaxError, Pictures.DecompressionBombError) as error:
        raise BadRecord(f"{_called(path)}: need a PNG ({error})") from error


def _check_size(path: Path, got: tuple[int, ...], size: Size | None) -> None:
    if size is not None and got != size:
        raise BadRecord(
            f"{_called(path)}: need {size[1]} x {size[0]} pixels like the rest, got {got[1]} x {got[0]}"
        )


def objects_of_ids(ids: IntArray, *, without: tuple[int, ...] = (0,)) -> tuple[list[int], Masks]:
    """The numbers in an (H, W) picture, but those of ``without``, rising, and the mask of each."""
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


def flattened(instances: Instances, policy: OverlapPolicy, ledger: Ledger) -> tuple[IntArray, Instances]:
    """(H, W) row + 1 of the object in front, 0 where none is, and the objects that are seen, cut to what is seen.

    Of equal scores the smaller object lies in front, as in truths, where all are equal. The ledger is told what
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
    ledger.lost("overlaps", int(partly.sum()), int(lost[partly].sum()))
    ledger.lost("hidden", int(wholly.sum()))
    numbers, masks = objects_of_ids(painted)
    rows = np.array(numbers, dtype=np.int64) - 1
    seen = instances[rows].replace(masks=masks)
    renumbered = np.zeros(count + 1, dtype=np.int64)
    renumbered[rows + 1] = np.arange(1, len(rows) + 1)
    return renumbered[painted], seen
