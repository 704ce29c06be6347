"""The brush's run lengths, against Label Studio's own coding where its package is installed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from maskweave.errors import BadRecord
from maskweave.ops.brush_rle import decode_brush, encode_brush

MASKS = arrays.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@given(MASKS)
def test_masks_come_back(mask):
    assert (decode_brush(encode_brush(mask), mask.shape) == mask).all()


def test_runs_longer_than_a_number_holds_come_back():
    mask = np.zeros((400, 500), bool)
    mask[300:] = True
    assert (decode_brush(encode_brush(mask), mask.shape) == mask).all()


@given(MASKS)
def test_label_studios_own_reader_reads_them(mask):
    brush = pytest.importorskip("label_studio_sdk.converter.brush", reason="needs label-studio-sdk")
    decoded = brush.decode_rle(encode_brush(mask)).reshape(*mask.shape, 4)
    assert (decoded[..., 3] == mask * 255).all()


@given(MASKS)
def test_what_label_studio_writes_is_read(mask):
    brush = pytest.importorskip("label_studio_sdk.converter.brush", reason="needs label-studio-sdk")
    written = brush.encode_rle(np.repeat(mask.ravel().astype(np.uint8) * 255, 4))
    assert (decode_brush(written, mask.shape) == mask).all()


def test_values_that_follow_each_other_singly_are_read():
    bits = (
        f"{8:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}"
        + "000"
        + f"{7:03b}"
        + "".join(f"{value:08b}" for value in (0, 0, 0, 255, 9, 9, 9, 0))
    )
    data = [int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8)]
    assert decode_brush(data, (1, 2)).tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "need whole run lengths"),
        ([300], "need run lengths as bytes"),
        (
            encode_brush(np.ones((3, 3), bool)),
            "need run lengths of 5 x 4 pixels in 4 channels, got 36 values",
        ),
        (encode_brush(np.eye(5, dtype=bool)[:4])[:-2], "need whole run lengths"),
    ],
)
def test_damage_is_told(data, message):
    with pytest.raises(BadRecord, match=message):
        decode_brush(data, (4, 5))
