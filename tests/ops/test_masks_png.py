from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from maskweave.errors import OutputError
from maskweave.ops.masks_png import encode_binary, encode_class_map, encode_id_map, instance_id_map
from maskweave.types import IGNORE, Instances, Masks, SemanticMap
from tests.strategies import bitmaps


def read(data):
    image = Image.open(BytesIO(data))
    return image.mode, np.asarray(image)


@given(bitmaps)
def test_binary_round_trip_in_one_bit(mask):
    mode, back = read(encode_binary(mask))
    assert mode == "1"
    np.testing.assert_array_equal(back, mask)


@given(arrays.arrays(np.int64, (5, 7), elements=st.integers(0, 65535)))
def test_ids_round_trip(id_map):
    mode, back = read(encode_id_map(id_map))
    assert mode == ("P" if id_map.max() < 255 else "I;16")
    np.testing.assert_array_equal(back, id_map)


def test_class_map_round_trip_with_ignore():
    class_map = np.array([[0, 1], [2, IGNORE]])
    mode, back = read(encode_class_map(SemanticMap(class_map, ("background", "a", "b"))))
    assert mode == "P"
    np.testing.assert_array_equal(back, class_map)


def instances(track_ids=None):
    dense = np.zeros((2, 1, 3), bool)
    dense[0, 0, :2] = dense[1, 0, 1:] = True
    masks = Masks.from_dense(dense)
    return Instances(masks, masks.boxes, [0.4, 0.9], [0, 0], ("a",), track_ids)


def test_better_objects_lie_on_top():
    assert instance_id_map(instances()).tolist() == [[1, 2, 2]]
    assert instance_id_map(instances([300, 5])).tolist() == [[300, 5, 5]]


def test_ids_that_a_png_cannot_tell_are_refused():
    with pytest.raises(OutputError, match="up to 65535"):
        encode_id_map(np.array([[70000]]))
    with pytest.raises(OutputError, match="ids from 1, got 0"):
        instance_id_map(instances([0, 1]))
