"""COCO's run-length encoding of masks, to and from compact masks.

A mask is read column by column; runs of background and object alternate, background first, and their lengths
are written as text in 6-bit pieces. Source: the COCO API, ``common/maskApi.c`` (``rleToString``,
``rleFrString``), https://github.com/cocodataset/cocoapi.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.types.arrays import MAX_OBJECT_PIXELS, IntArray, Mask, Size
from maskweave.types.masks import Masks

_MORE = 0x20  # further pieces of this number follow
_SIGN = 0x10  # the number is negative (in its last piece)
_MAX_PIECES = 13  # pieces of 5 bits that a 64-bit number can need
_MAX_SIDE = 1 << 31  # pixels


class Rle(TypedDict):
    """``size``: [height, width]; ``counts``: compressed text (as in result files) or a list of run lengths."""

    size: list[int]
    counts: str | list[int]


def encode_masks(masks: Masks) -> list[Rle]:
    """Encode each mask as compressed COCO RLE."""
    if not len(masks):
        return []
    numbers = [_differences(_run_lengths(crop, x, y, masks.size)) for crop, x, y in masks.placed()]
    text, lengths = _write(np.concatenate(numbers))  # of all masks at once: most are short
    ends = np.cumsum(lengths)[np.cumsum([len(each) for each in numbers]) - 1].tolist()
    return [
        Rle(size=list(masks.size), counts=text[start:end])
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]


def decode_masks(rles: Sequence[Rle], size: Size) -> Masks:
    """Decode RLEs (compressed or not) of one image of ``size``; raises `InvalidValue` for damaged ones."""
    decoded = [_decode(index, rle, size) for index, rle in enumerate(rles)]
    return Masks([crop for crop, _ in decoded], [corner for _, corner in decoded], size)


def expand_counts(text: str | bytes) -> NDArray[np.int64]:
    """Read COCO's text back into run lengths; raises `InvalidValue` for text that is not such."""
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        raise InvalidValue("rle: need ASCII counts, got other characters") from error
    pieces = np.frombuffer(raw, dtype=np.uint8).astype(np.int64) - 48
    if not len(pieces):
        return np.zeros(0, np.int64)
    if pieces.min() < 0 or pieces.max() > 63 or pieces[-1] & _MORE:
        raise InvalidValue("rle: need counts as COCO writes them, got damaged or cut text")
    last = (pieces & _MORE) == 0
    starts = np.flatnonzero(np.concatenate([[True], last[:-1]]))
    lengths = np.diff(np.append(starts, len(pieces)))
    if lengths.max() > _MAX_PIECES - 1:
        raise InvalidValue("rle: need counts as COCO writes them, got a number too long")
    place = np.arange(len(pieces)) - np.repeat(starts, lengths)
    numbers = np.add.reduceat((pieces & 0x1F) << (5 * place), starts)
    negative = (pieces[last] & _SIGN) != 0
    numbers -= np.where(negative, 1 << (5 * lengths), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _differences(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """From the fourth on, the difference to the one before the last, which is what is written."""
    numbers = counts.astype(np.int64)
    numbers[3:] -= counts[1:-2]
    return numbers


def _write(numbers: NDArray[np.int64]) -> tuple[str, NDArray[np.int64]]:
    """The text of (N,) numbers, and (N,) how many letters each takes."""
    pieces, used = [], []
    active = np.ones(len(numbers), dtype=bool)
    for _ in range(_MAX_PIECES):
        piece = (numbers & 0x1F).astype(np.uint8)
        numbers = numbers >> 5
        finished = np.where(piece & _SIGN, numbers == -1, numbers == 0)
        pieces.append(np.where(finished, piece, piece | _MORE) + 48)
        used.append(active)
        active = active & ~finished
        if not active.any():
            break
    letters = np.stack(used, axis=1)
    text: bytes = np.stack(pieces, axis=1)[letters].tobytes()
    return text.decode("ascii"), letters.sum(axis=1)


def _run_lengths(crop: Mask, x: int, y: int, size: Size) -> NDArray[np.int64]:
    """Run lengths of the whole image, background first, from the crop alone."""
    height, total = size[0], size[0] * size[1]
    if not crop.size:
        return np.array([total], dtype=np.int64)
    rows = crop.shape[0]
    columns = np.zeros((crop.shape[1], rows + 2), dtype=np.uint8)
    cv2.transpose(crop.view(np.uint8), dst=columns[:, 1:-1])
    changes = np.flatnonzero(columns[:, 1:] != columns[:, :-1])  # in each column a start, an end, a start, …
    places = (changes // (rows + 1) + x) * height + changes % (rows + 1) + y
    starts, ends = places[0::2], places[1::2]
    apart = np.append(True, starts[1:] != ends[:-1])  # a run may go on in the next column
    starts, ends = starts[apart], ends[np.append(apart[1:], True)]
    borders = np.stack([starts, ends], axis=1).ravel()
    borders = borders[:-1] if borders[-1] == total else borders
    return np.diff(borders, prepend=0, append=total)


def _decode(index: int, rle: Rle, size: Size) -> tuple[Mask, tuple[int, int]]:
    height, width = size
    if not isinstance(rle["size"], list | tuple) or tuple(rle["size"]) != (height, width):
        raise InvalidValue(f"rle {index}: need size [{height}, {width}], got {rle['size']}")
    if max(size) > _MAX_SIDE:
        raise InvalidValue(f"rle {index}: need sides of at most {_MAX_SIDE} pixels, got more")
    lengths = _lengths(index, rle["counts"])
    total = lengths.sum(
        dtype=np.float64
    )  # of integers this is exact up to 2^53, and does not wrap round beyond
    if (lengths < 0).any() or total != height * width:
        raise InvalidValue(f"rle {index}: need run lengths that sum to {height * width}, got {total:.0f}")
    ends = np.cumsum(lengths)
    objects = np.flatnonzero((np.arange(len(lengths)) % 2 == 1) & (lengths > 0))
    if not len(objects):
        return np.zeros((0, 0), dtype=bool), (0, 0)
    return fill_runs(ends[objects] - lengths[objects], ends[objects], height)


def _lengths(index: int, counts: object) -> NDArray[np.int64]:
    """(N,) run lengths, whichever way they are written."""
    if isinstance(counts, str | bytes):
        return expand_counts(counts)
    if not isinstance(counts, list) or not all(isinstance(each, int | np.integer) for each in counts):
        raise InvalidValue(f"rle {index}: need counts as text or whole numbers, got {str(counts)[:60]}")
    try:
        return np.array(counts, dtype=np.int64)
    except OverflowError as error:
        raise InvalidValue(f"rle {index}: need run lengths of at most 64 bits, got more") from error


def fill_runs(starts: IntArray, ends: IntArray, height: int) -> tuple[Mask, tuple[int, int]]:
    """The bitmap that shows the runs starts..ends of columns of ``height``, and its corner x, y."""
    first_column, first_row = np.divmod(starts, height)
    last_column, last_row = np.divmod(ends - 1, height)
    left, columns = int(first_column[0]), int(last_column[-1] - first_column[0]) + 1
    top, rows = 0, height
    if (first_column == last_column).all():  # none goes on in the next column, so all lie in a band
        top = int(first_row.min())
        rows = int(last_row.max()) + 1 - top
    if rows * columns > MAX_OBJECT_PIXELS:
        raise InvalidValue(
            f"rle: need an object of at most {MAX_OBJECT_PIXELS:,} pixels, got {columns} x {rows}"
        )
    borders = np.stack(
        [
            (first_column - left) * rows + first_row - top,
            (last_column - left) * rows + last_row - top + 1,
        ],
        axis=1,
    )
    lengths = np.diff(borders.ravel(), prepend=0, append=rows * columns)
    filled = np.repeat((np.arange(len(lengths)) % 2).astype(np.uint8), lengths)
    mask: Mask = cv2.transpose(filled.reshape(columns, rows)).view(np.bool_)
    mask.flags.writeable = False  # so that it need not be copied
    return mask, (left, top)
