import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskweave.ops.iou import mask_iou
from maskweave.ops.resize import resize_masks
from maskweave.ops.semantic import (
    foreground_from_instances,
    foreground_from_semantic,
    semantic_from_instances,
)
from maskweave.types import IGNORE, Instances, Masks, SemanticMap
from tests.strategies import compact_masks


@given(compact_masks(), st.integers(2, 4))
def test_enlarging_keeps_areas_in_proportion(masks, factor):
    height, width = masks.size
    blown = resize_masks(masks, (height * factor, width * factor))
    back = resize_masks(blown, masks.size)
    assert blown.size == (height * factor, width * factor)
    assert back.size == masks.size


def test_a_rectangle_scales_exactly():
    dense = np.zeros((1, 20, 30), bool)
    dense[0, 5:15, 0:20] = True
    scaled = resize_masks(Masks.from_dense(dense), (40, 60))
    truth = np.zeros((1, 40, 60), bool)
    truth[0, 10:30, 0:40] = True
    assert mask_iou(scaled, Masks.from_dense(truth))[0, 0] > 0.99


def test_better_scores_are_painted_on_top():
    dense = np.zeros((2, 2, 3), bool)
    dense[0, :, :2] = dense[1, :, 1:] = True
    instances = Instances(
        Masks.from_dense(dense), [[0, 0, 2, 2], [1, 0, 3, 2]], [0.9, 0.5], [0, 1], ("a", "b")
    )
    semantic = semantic_from_instances(instances)
    assert semantic.class_map.tolist() == [[1, 1, 2]] * 2
    assert semantic.class_names == ("background", "a", "b")
    assert foreground_from_instances(instances).class_map.all()


def test_ignored_pixels_are_not_foreground():
    semantic = SemanticMap(np.array([[0, 1, IGNORE]]), ("background", "a"))
    assert foreground_from_semantic(semantic).class_map.tolist() == [[0, 1, 0]]
