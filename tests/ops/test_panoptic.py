"""Objects and classes merged into one map, against the rule written out pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import maskweave as mw
from maskweave.errors import InvalidValue
from maskweave.types import IGNORE, Instances, Masks, SemanticMap
from maskweave.types.panoptic import Panoptic, Segment

THINGS, CLASSES = ("cat", "dog"), ("background", "grass", "cat", "sky")
SIZE = (12, 16)


def objects(*boxes, scores, classes=None):
    dense = np.zeros((len(boxes), *SIZE), bool)
    for mask, (x1, y1, x2, y2) in zip(dense, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    masks = Masks.from_dense(dense)
    return Instances(masks, masks.boxes, scores, classes or [0] * len(boxes), THINGS)


def halves():
    classes = np.full(SIZE, CLASSES.index("sky"))
    classes[6:] = CLASSES.index("grass")
    return SemanticMap(classes, CLASSES)


def test_objects_lie_on_classes():
    found = mw.panoptic(objects((2, 4, 8, 10), scores=[0.9]), halves(), stuff_area=1)
    assert found.names == ("cat", "grass", "sky")
    assert [each.area for each in found.segments] == [36, 96 - 24, 96 - 12]
    assert found.class_names == ("cat", "dog", "grass", "sky")
    assert found.is_thing == (True, True, False, False)
    assert found.segments[0].score == 0.9
    assert found.segments[1].score is None
    assert (found.id_map != 0).all()


def test_an_object_that_is_more_than_half_taken_is_dropped():
    """Of the second one 12 of 24 pixels are free, of the third 8 of 24."""
    scene = objects((0, 0, 4, 6), (2, 0, 6, 6), (0, 4, 4, 10), scores=[0.9, 0.8, 0.3])
    nothing = SemanticMap(np.zeros(SIZE, int), CLASSES)
    assert [each.area for each in mw.panoptic(scene, nothing).segments] == [24, 12, 16]
    inside = objects((0, 0, 4, 6), (1, 0, 5, 6), scores=[0.9, 0.8])
    assert len(mw.panoptic(inside, nothing).segments) == 1
    assert len(mw.panoptic(inside, nothing, overlap=0.75).segments) == 2
    covered = objects((0, 0, 4, 6), (0, 0, 4, 6), scores=[0.3, 0.8], classes=[0, 1])
    assert mw.panoptic(covered, nothing, overlap=1).names == ("dog",)


def test_little_stuff_background_and_ignore_are_nothing():
    classes = halves().class_map.copy()
    classes[0, :3], classes[1, :5], classes[11, 0] = 0, IGNORE, CLASSES.index("cat")
    semantic = SemanticMap(classes, CLASSES)
    found = mw.panoptic(objects(scores=[]), semantic, stuff_area=90)
    assert found.names == ("grass",)
    assert (found.id_map == 0).sum() == 96 + 1
    assert mw.panoptic(objects(scores=[]), semantic).segments == ()  # none has 64 x 64 pixels
    chosen = mw.panoptic(objects(scores=[]), semantic, stuff_area=1, stuff=["sky"])
    assert (chosen.names, chosen.class_names) == (("sky",), ("cat", "dog", "sky"))


def plain(masks, order, classes, overlap, stuff_area):
    """panopticapi's rule with whole arrays."""
    ids, number = np.zeros(SIZE, int), 0
    for row in order:
        taken = (ids > 0) & masks[row]
        if (
            not masks[row].any()
            or taken.sum() / masks[row].sum() > overlap
            or (masks[row] & (ids == 0)).sum() == 0
        ):
            continue
        number += 1
        ids[masks[row] & (ids == 0)] = number
    for class_id in (CLASSES.index("grass"), CLASSES.index("sky")):
        rest = (classes == class_id) & (ids == 0)
        if not rest.any() or rest.sum() < stuff_area:
            continue
        number += 1
        ids[rest] = number
    return ids


@settings(max_examples=40)
@given(
    arrays.arrays(np.bool_, (3, *SIZE)),
    st.permutations([0.9, 0.6, 0.3]),
    arrays.arrays(np.uint8, SIZE, elements=st.integers(0, 3)),
    st.floats(0, 1),
    st.integers(0, 80),
)
def test_it_is_the_rule(dense, scores, classes, overlap, stuff_area):
    masks = Masks.from_dense(dense)
    scene = Instances(masks, masks.boxes, scores, [0, 1, 0], THINGS)
    found = mw.panoptic(scene, SemanticMap(classes, CLASSES), overlap=overlap, stuff_area=stuff_area)
    order = np.argsort(-np.array(scores), kind="stable")
    np.testing.assert_array_equal(found.id_map, plain(dense, order, classes, overlap, stuff_area))


def test_segments_as_objects():
    found = mw.panoptic(objects((2, 4, 8, 10), scores=[0.75]), halves(), stuff_area=1)
    rows = found.as_instances()
    assert rows.names == found.names
    assert rows.scores.tolist() == [0.75, 1, 1]
    assert rows.track_ids.tolist() == [1, 2, 3]
    assert rows.masks.areas.tolist() == [each.area for each in found.segments]
    empty = mw.panoptic(objects(scores=[]), SemanticMap(np.zeros(SIZE, int), CLASSES))
    assert (len(empty.as_instances()), repr(empty)) == (0, "Panoptic(nothing in 12x16)")


def test_what_does_not_fit_is_told():
    scene = objects((2, 4, 8, 10), scores=[0.9])
    with pytest.raises(InvalidValue, match="need results of one size"):
        mw.panoptic(scene, SemanticMap(np.zeros((3, 3), int), CLASSES))
    with pytest.raises(InvalidValue, match="overlap: need a share"):
        mw.panoptic(scene, halves(), overlap=2)
    for wrong in ("tree", "cat"):
        with pytest.raises(InvalidValue, match=f"stuff: need classes .* got '{wrong}'"):
            mw.panoptic(scene, halves(), stuff=[wrong])
    with pytest.raises(InvalidValue, match="need the ids and areas of the map"):
        Panoptic(np.ones((2, 2), int), (Segment(1, 0, 3),), ("cat",), (True,))
    with pytest.raises(InvalidValue, match="need ids of 1 to 16777215"):
        Panoptic(np.ones((2, 2), int), (Segment(0, 0, 4),), ("cat",), (True,))
    with pytest.raises(InvalidValue, match=r"need non-empty \(H, W\) integers"):
        Panoptic(np.ones((2, 2)), (), ("cat",), (True,))
    with pytest.raises(InvalidValue, match="is_thing: need one for each of 1 classes"):
        Panoptic(np.zeros((2, 2), int), (), ("cat",), ())
