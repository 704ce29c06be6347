import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.errors import InvalidValue
from maskweave.ops.palette import class_color, object_color, voc_palette
from maskweave.outputs.overlay import OverlayStyle, draw_overlay
from maskweave.types import Instances, Masks, SemanticMap
from tests.strategies import compact_masks


def two_squares(size=(120, 160), track_ids=None):
    dense = np.zeros((2, *size), bool)
    dense[0, 30:90, 10:70] = True
    dense[1, 40:100, 90:150] = True
    dense[1, 60:80, 110:130] = False
    masks = Masks.from_dense(dense)
    return Instances(masks, masks.boxes, [0.9, 0.8], [0, 1], ("cat", "dog"), track_ids)


def plain(size=(120, 160), value=100):
    return np.full((*size, 3), value, np.uint8)


def test_masks_are_tinted_and_holes_stay_clear():
    style = OverlayStyle(contours=False, labels=False, opacity=0.5)
    image = draw_overlay(plain(), two_squares(), style)
    expected = (100 + np.array(object_color(0))) / 2
    np.testing.assert_allclose(image[60, 40], expected, atol=1)
    assert image[70, 120].tolist() == [100, 100, 100]
    assert image[5, 5].tolist() == [100, 100, 100]


def test_the_image_is_not_written_to():
    image = plain()
    image.flags.writeable = False
    draw_overlay(image, two_squares())
    assert (image == 100).all()


def test_track_ids_decide_the_color():
    style = OverlayStyle(contours=False, labels=False, opacity=1)
    image = draw_overlay(plain(), two_squares(track_ids=[7, 3]), style)
    assert tuple(image[60, 40]) == object_color(7)
    by_class = OverlayStyle(contours=False, labels=False, opacity=1, color_by="class")
    assert tuple(draw_overlay(plain(), two_squares(track_ids=[7, 3]), by_class)[60, 40]) == object_color(0)


def test_labels_stay_inside_the_image():
    image = draw_overlay(plain((120, 160)), two_squares(), OverlayStyle(contours=False, opacity=0))
    changed = np.argwhere((image != 100).any(axis=2))
    assert len(changed) > 100
    assert changed[:, 0].max() < 60  # plates stand on the tops of the boxes


@given(compact_masks())
def test_any_size_can_be_drawn(masks):
    count = len(masks)
    instances = Instances(masks, masks.boxes, np.ones(count), np.zeros(count, int), ("a long class name",))
    image = draw_overlay(plain(masks.size), instances, OverlayStyle(boxes=True))
    assert image.shape == (*masks.size, 3)


@given(compact_masks(max_objects=1))
def test_a_fill_changes_the_pixels_of_the_mask_and_no_other(masks):
    count = len(masks)
    instances = Instances(masks, masks.boxes, np.ones(count), np.zeros(count, int), ("a",))
    image = draw_overlay(plain(masks.size), instances, OverlayStyle(contours=False, labels=False))
    np.testing.assert_array_equal((image != 100).any(axis=2), masks.union())


def test_semantic_colors_and_legend():
    class_map = np.zeros((120, 160), int)
    class_map[80:, :] = 2
    semantic = SemanticMap(class_map, ("background", "cat", "dog"))
    image = draw_overlay(plain(), semantic, OverlayStyle(opacity=1, contours=False, legend=False))
    assert tuple(image[100, 80]) == class_color(2)
    assert (image[:80] == 100).all()
    with_legend = draw_overlay(plain(), semantic, OverlayStyle(opacity=1, contours=False))
    assert (with_legend[:60] != 100).any()


def test_another_size_is_refused():
    with pytest.raises(
        InvalidValue, match=r"need an image of the result's size \(120, 160\), got \(10, 10\)"
    ):
        draw_overlay(plain((10, 10)), two_squares())
    with pytest.raises(InvalidValue, match="opacity"):
        OverlayStyle(opacity=2)


@given(st.integers(0, 10_000))
def test_object_colors_are_never_gray(key):
    color = object_color(key)
    assert max(color) - min(color) > 80


def test_the_palette_is_pascal_vocs():
    assert voc_palette()[:6].tolist() == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128], [128, 0, 128],
    ]  # fmt: skip
    assert voc_palette()[255].tolist() == [224, 224, 192]
