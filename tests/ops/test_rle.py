import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from maskweave.errors import InvalidValue
from maskweave.ops.rle import decode_masks, encode_masks, expand_counts
from maskweave.types import Masks
from tests.strategies import dense_masks


@given(dense_masks())
def test_encodes_as_pycocotools_does(dense):
    expected = [coco.encode(np.asfortranarray(plane.astype(np.uint8))) for plane in dense]
    got = encode_masks(Masks.from_dense(dense))
    assert [rle["counts"] for rle in got] == [rle["counts"].decode() for rle in expected]
    assert all(rle["size"] == list(dense.shape[1:]) for rle in got)


@given(dense_masks())
def test_round_trip_compressed_and_not(dense):
    masks = Masks.from_dense(dense)
    rles = encode_masks(masks)
    assert decode_masks(rles, masks.size) == masks
    plain = [{"size": rle["size"], "counts": expand_counts(rle["counts"]).tolist()} for rle in rles]
    assert decode_masks(plain, masks.size) == masks


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=30))
def test_counts_round_trip(counts):
    np.testing.assert_array_equal(expand_counts("".join(map(letters, differences(counts)))), counts)


def differences(counts):
    """From the fourth on, COCO writes the difference to the number before the last."""
    return [each - counts[at - 2] if at > 2 else each for at, each in enumerate(counts)]


def letters(number):
    """Five bits a letter, the lowest first; the sixth says that more follow."""
    piece, number = number & 0x1F, number >> 5
    is_last = number == (-1 if piece & 0x10 else 0)
    return chr(48 + (piece if is_last else piece | 0x20)) + ("" if is_last else letters(number))


@given(st.text(max_size=30))
def test_any_text_decodes_or_raises_our_error(text):
    with contextlib.suppress(InvalidValue):
        assert decode_masks([{"size": [5, 6], "counts": text}], (5, 6)).size == (5, 6)


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"size": [5, 5], "counts": [25]}, r"need size \[5, 6\], got \[5, 5\]"),
        ({"size": [5, 6], "counts": [29]}, "sum to 30, got 29"),
        ({"size": [5, 6], "counts": [40, -10]}, "sum to 30"),
    ],
)
def test_damaged_rles_are_named(rle, message):
    with pytest.raises(InvalidValue, match=message):
        decode_masks([rle], (5, 6))
