"""Label Studio's run lengths for brush masks: the bits of an RGBA image, packed.

A head of 53 bits (values, bits of a value, four widths of run lengths), then runs: whether one value is repeated,
which width, the length, and the value or values. Source: the format of ``@thi.ng/rle-pack``, which Label Studio uses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import BadRecord
from maskweave.types.arrays import Mask, Size

_WIDTHS = (3, 4, 8, 16)
_MAX_RUN = 1 << 16
_CHANNELS = 4
_VALUE_BITS = 8


def encode_brush(mask: Mask) -> list[int]:
    """The bytes of an (H, W) bool mask.

    >>> int(decode_brush(encode_brush(np.eye(3, dtype=bool)), (3, 3)).sum())
    3
    """
    pixels = np.ascontiguousarray(mask).ravel()
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [pixels.size]])) * _CHANNELS
    pieces = -(-lengths // _MAX_RUN)
    values = np.repeat(np.where(pixels[starts], 255, 0), pieces)
    split = np.full(int(pieces.sum()), _MAX_RUN)
    split[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * _MAX_RUN
    head = [(pixels.size * _CHANNELS, 32), (_VALUE_BITS - 1, 5), *((width - 1, 4) for width in _WIDTHS)]
    bits = np.concatenate([_bits(*np.array(head, dtype=np.int64).T), _runs(split, values)])
    numbers: list[int] = np.packbits(bits).tolist()
    return numbers


def _runs(lengths: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The bits of runs of one value each."""
    widths = np.array(_WIDTHS)
    which = np.searchsorted(1 << widths, lengths)
    width = widths[which]
    code = ((4 + which) << width | (lengths - 1)) << _VALUE_BITS | values
    return _bits(code, 3 + width + _VALUE_BITS)


def _bits(numbers: NDArray[np.int64], widths: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Each number in so many bits, one after the other, the highest bit first."""
    place = widths[:, None] - 1 - np.arange(int(widths.max()))
    bits: NDArray[np.uint8] = ((numbers[:, None] >> place.clip(0)) & 1)[place >= 0].astype(np.uint8)
    return bits


def decode_brush(data: Sequence[int], size: Size) -> Mask:
    """(H, W) bool of the bytes of a brush in an image of ``size``, true where its alpha is over a half.

    Raises `BadRecord` for bytes that are damaged or of another size.
    """
    try:
        reader = _Reader(bytes(data))
    except (TypeError, ValueError) as error:
        raise BadRecord(f"need run lengths as bytes, got other values ({error})") from error
    count = reader.take(32)
    if count != size[0] * size[1] * _CHANNELS:
        raise BadRecord(
            f"need run lengths of {size[1]} x {size[0]} pixels in 4 channels, got {count:,} values"
        )
    value_bits = reader.take(5) + 1
    widths = [reader.take(4) + 1 for _ in range(4)]
    values = np.zeros(count, dtype=np.uint8)
    at = 0
    while at < count:
        repeated = reader.take(1)
        end = at + 1 + reader.take(widths[reader.take(2)])
        if end > count:
            raise BadRecord("need run lengths that end with the image, got longer ones")
        values[at:end] = (
            reader.take(value_bits) if repeated else [reader.take(value_bits) for _ in range(at, end)]
        )
        at = end
    mask: Mask = values.reshape(*size, _CHANNELS)[:, :, 3] > 127
    return mask


class _Reader:
    """Numbers out of a row of bits; raises `BadRecord` where it ends early."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data + bytes(8), 0
        self._end = 8 * len(data)

    def take(self, width: int) -> int:
        """The next ``width`` bits, at most 32, as a number."""
        first, skipped = divmod(self._at, 8)
        self._at += width
        if self._at > self._end:
            raise BadRecord("need whole run lengths, got some that end early")
        window = int.from_bytes(self._data[first : first + 8], "big")
        return window >> (64 - skipped - width) & ((1 << width) - 1)
