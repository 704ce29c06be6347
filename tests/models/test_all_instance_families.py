"""What must hold for every family of instance models, and that none is missing here."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskweave.errors import EngineError, UnknownLayout
from maskweave.models.base import Model
from maskweave.models.loading import FAMILIES
from maskweave.ops.iou import mask_iou
from maskweave.types.masks import Masks
from tests.models.conventions import CONVENTIONS, NAMES, SCORE, placed

EVERY = pytest.mark.parametrize("layout", CONVENTIONS.values(), ids=CONVENTIONS)
COUNTED = {name: layout for name, layout in CONVENTIONS.items() if layout.objects}


def finds_instances(module):
    """Whether a family's own model class does, and by itself, not only where a prompt tells it to look."""
    own = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__ == module.__name__
    ]
    return any(issubclass(each, Model) and each.task == "instances" and not each.needs_prompt for each in own)


def test_every_instance_family_has_its_convention():
    families = {name for name, module in FAMILIES.items() if finds_instances(module)}
    assert {name.split()[0] for name in CONVENTIONS} == families


def plane(prepared):
    """(h, w) of one channel of the input."""
    (tensor,) = prepared.inputs.values()
    tensor = tensor[0] if tensor.ndim == 4 else tensor
    return (tensor[0] if tensor.shape[0] == 3 else tensor[..., 0]).astype(float)


def part(side, cells, choice):
    """Start and end of the rectangle along one side of the image, whole pixels.

    All of it where the network's masks have too few cells to show an edge within.
    """
    starts, ends = (0, 0, side * 3 // 10, side // 4), (side, side * 7 // 10, side, side * 4 // 5)
    return (0, side) if cells < 16 or side < 5 else (starts[choice], ends[choice])


sides = st.one_of(st.integers(1, 8), st.integers(9, 700))
canvas_sides = st.integers(3, 7).map(lambda count: 32 * count)


@EVERY
@given(
    source=st.tuples(sides, sides),
    canvas=st.tuples(canvas_sides, canvas_sides),
    choices=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
@settings(max_examples=30)
def test_a_known_rectangle_lands_on_the_source_pixels(layout, source, canvas, choices):
    model = layout.build(canvas)
    black = np.zeros((*source, 3), np.uint8)
    prepared = model.prepare(black)
    dark, light = plane(prepared), plane(model.prepare(~black))
    canvas = dark.shape
    top, left, height, width = placed(source, canvas, layout.resize)
    inside = np.zeros(canvas, bool)
    inside[top : top + height, left : left + width] = True
    np.testing.assert_array_equal(inside, light != dark)  # the image lies where the convention says

    (y1, y2), (x1, x2) = (
        part(side, length / layout.cell, choice)
        for side, length, choice in zip(source, (height, width), choices, strict=True)
    )
    image = black.copy()
    image[y1:y2, x1:x2] = 255
    scales = np.array([width / source[1], height / source[0]] * 2)
    box = np.array([x1, y1, x2, y2]) * scales + [left, top, left, top]
    bright = plane(model.prepare(image))[inside].reshape(height, width) > (dark.min() + light.max()) / 2
    assert_lies_at(bright, box - [left, top, left, top])

    found = model.decode(layout.answer(box, canvas), prepared.letterbox, score=0.5)
    assert found.names == (NAMES[1],)
    np.testing.assert_allclose(found.scores, SCORE, rtol=1e-5)
    truth = Masks([np.ones((y2 - y1, x2 - x1), bool)], [(x1, y1)], source)
    assert mask_iou(found.masks, truth)[0, 0] >= 0.98


def assert_lies_at(bright, box):
    """The bright part of the input ends where the box does, to a pixel; too small a one may be missed."""
    for axis, (start, end) in enumerate(((box[0], box[2]), (box[1], box[3]))):
        seen = np.flatnonzero(bright.any(axis=axis))
        if end - start >= 2:
            assert abs(seen[0] - start) <= 1
            assert abs(seen[-1] + 1 - end) <= 1


@EVERY
def test_a_network_that_finds_nothing(layout):
    model = layout.build((96, 128))
    prepared = model.prepare(np.zeros((50, 70, 3), np.uint8))
    canvas = plane(prepared).shape
    found = model.decode(layout.answer([9, 9, 40, 40], canvas), prepared.letterbox, score=0.95)
    assert len(found) == 0
    assert (found.size, found.class_names) == ((50, 70), NAMES)


@pytest.mark.parametrize("layout", COUNTED.values(), ids=COUNTED)
def test_a_network_that_gives_no_rows_at_all(layout):
    model = layout.build((96, 128))
    prepared = model.prepare(np.zeros((50, 70, 3), np.uint8))
    outputs = layout.answer([9, 9, 40, 40], plane(prepared).shape)
    for name, axis in layout.objects.items():
        outputs[name] = np.take(outputs[name], [], axis=axis)
    found = model.decode(outputs, prepared.letterbox, score=0)
    assert (len(found), found.size, found.class_names) == (0, (50, 70), NAMES)


@EVERY
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_give_no_errors_and_no_objects_of_them(layout, value):
    model = layout.build((96, 96))
    prepared = model.prepare(np.zeros((96, 96, 3), np.uint8))
    right = layout.answer([20, 20, 60, 60], plane(prepared).shape)
    for name, array in right.items():
        if array.dtype.kind != "f":
            continue
        broken = {**right, name: np.full_like(array, value)}
        with np.errstate(all="raise", under="ignore"):
            found = model.decode(broken, prepared.letterbox, score=0.5)
        assert np.isfinite(found.boxes).all()
        assert np.isfinite(found.scores).all()


@EVERY
def test_outputs_of_other_shapes_are_typed_errors(layout):
    model = layout.build((96, 96))
    prepared = model.prepare(np.zeros((96, 96, 3), np.uint8))
    right = layout.answer([20, 20, 60, 60], plane(prepared).shape)
    for name, array in right.items():
        without = {key: value for key, value in right.items() if key != name}
        for broken in (without, right | {name: array[..., 0]}):
            with pytest.raises((EngineError, UnknownLayout), match=model.name):
                model.decode(broken, prepared.letterbox, score=0.5)
        for odd in (array[None], array[..., :0], array[:0], np.concatenate([array, array], axis=-1)):
            with contextlib.suppress(EngineError, UnknownLayout):  # what has room for it is no error
                assert model.decode(right | {name: odd}, prepared.letterbox, score=0.5).size == (96, 96)


@EVERY
def test_an_object_over_the_edge_is_not_squeezed(layout):
    """The part of a box outside the image still counts when its mask is placed."""
    model = layout.build((128, 128))
    prepared = model.prepare(np.zeros((128, 128, 3), np.uint8))
    canvas = plane(prepared).shape
    found = model.decode(layout.answer([-64, 32, 64, 96], canvas), prepared.letterbox, score=0.5)
    assert found.masks.boxes.tolist() == [[0, 32, 64, 96]]
    np.testing.assert_allclose(found.boxes[:, [0, 1, 3]], [[0, 32, 96]], atol=0.01)


@pytest.mark.parametrize("name", ["rfdetr_seg", "rtmdet_ins", "torchvision_mask_rcnn"])
def test_masks_of_these_are_not_cut_to_their_boxes(name):
    layout = CONVENTIONS[name]
    model = layout.build((96, 96))
    prepared = model.prepare(np.zeros((96, 96, 3), np.uint8))
    outputs = layout.answer([24, 24, 72, 72], (96, 96))
    smaller = layout.answer([40, 40, 56, 56], (96, 96))
    boxes = {"rfdetr_seg": "dets", "rtmdet_ins": "dets", "torchvision_mask_rcnn": "a"}[name]
    found = model.decode(outputs | {boxes: smaller[boxes]}, prepared.letterbox, score=0.5)
    np.testing.assert_allclose(found.boxes, [[40, 40, 56, 56]], atol=1e-4)
    assert found.masks.boxes.tolist() == [[24, 24, 72, 72]]


@EVERY
def test_the_preprocessing_is_told(layout):
    assert layout.build((96, 96)).preprocessing
