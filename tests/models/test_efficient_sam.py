"""EfficientSAM's layout: prompts become coordinates and labels, and the best of the candidates is taken."""

import numpy as np
import pytest
from hypothesis import given, settings

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models import efficient_sam
from maskweave.models.loading import recognize
from maskweave.runtimes.base import TensorSpec
from maskweave.runtimes.onnxruntime import OnnxRuntime
from maskweave.types.prompt import Box, Point, Prompt
from tests.models.maps import iou, rectangle_image
from tests.models.promptable import sam
from tests.models.rectangles import rectangles
from tests.runtimes.fake import FakeRuntime


@pytest.fixture(scope="module")
def model():
    return efficient_sam.build(OnnxRuntime(sam()), name="sam")


@pytest.mark.engine
def test_it_is_recognized(model):
    family, reason = recognize(model.runtime.describe())
    assert family == "efficient_sam"
    assert "batched_point_coords" in reason


@pytest.mark.engine
def test_a_point_chooses_the_candidate_of_the_best_expected_iou(model):
    image = rectangle_image((80, 150), (30, 20, 90, 70))
    bright = image[..., 0] > 0
    on = model.prompt(image, Prompt(points=(Point(50, 40),)))
    beside = model.prompt(image, Prompt(points=(Point(5, 5),)))
    assert iou(on.masks.union(), bright) > 0.98
    assert iou(beside.masks.union(), ~bright) > 0.98
    assert (on.names, on.scores.tolist()) == (("object",), [1.0])
    np.testing.assert_array_equal(on.boxes, on.masks.boxes)


@pytest.mark.engine
@settings(max_examples=10)
@given(scene=rectangles())
def test_a_rectangle_lands_where_it_was(model, scene):
    size, (x1, y1, x2, y2) = scene
    image = rectangle_image(size, (x1, y1, x2, y2))
    found = model.prompt(image, Prompt(points=(Point((x1 + x2) / 2, (y1 + y2) / 2),)))
    assert iou(found.masks.union(), image[..., 0] > 0) >= 0.98


@pytest.mark.engine
@pytest.mark.parametrize("size", [(1, 60), (60, 1), (1, 1)])
def test_images_a_pixel_high_or_wide(model, size):
    image = np.zeros((*size, 3), np.uint8)
    image[size[0] // 2 :, size[1] // 2 :] = 255
    found = model.prompt(image, Prompt(points=(Point(size[1] - 0.5, size[0] - 0.5),)))
    assert (found.masks.union() != (image[..., 0] > 0)).mean() < 0.02


@pytest.mark.engine
def test_a_mirrored_image_gives_the_mirrored_mask(model):
    image = np.random.default_rng(0).integers(0, 256, (40, 70, 3), dtype=np.uint8)
    plain = model.prompt(image, Prompt(points=(Point(20.5, 10.5),))).masks.union()
    mirrored = np.ascontiguousarray(image[:, ::-1])
    turned = model.prompt(mirrored, Prompt(points=(Point(49.5, 10.5),))).masks.union()
    assert (turned[:, ::-1] != plain).mean() < 0.01


@pytest.mark.engine
def test_without_a_prompt_it_says_what_it_needs(model):
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(InvalidValue, match="sam: needs a box or points on the object; give --box or --point"):
        model.predict(image)
    with pytest.raises(InvalidValue, match="need points within 8x8, got 9,1"):
        model.prompt(image, Prompt(points=(Point(9, 1),)))
    with pytest.raises(InvalidValue, match="got a mask"):
        model.prompt(image, Prompt(ids=np.ones((8, 8), int)))


SPECS = (
    TensorSpec("batched_images", (1, 3, 64, 128), "float32"),
    TensorSpec("batched_point_coords", (1, 1, 6, 2), "float32"),
    TensorSpec("batched_point_labels", (1, 1, 6, 1), "float32"),
)


def fake(masks, ious, specs=SPECS):
    answer = {
        "output_masks": np.array(masks, np.float32)[None, None],
        "iou_predictions": np.array(ious, np.float32)[None, None],
    }
    return efficient_sam.build(FakeRuntime(answer, inputs=specs), name="sam")


LEFT = [[1.0, -1.0]]
RIGHT = [[-1.0, 1.0]]
ALL = [[1.0, 1.0]]


def test_the_network_is_told_points_and_boxes_as_published():
    model = fake([LEFT], [0.5])
    image = np.zeros((32, 32, 3), np.uint8)  # the input is twice as high and four times as wide
    model.prompt(image, Prompt(boxes=(Box(4, 5, 20, 30),), points=(Point(8, 9), Point(30, 9, inside=False))))
    sent = model.runtime.seen[0]
    assert sent["batched_images"].shape == (1, 3, 64, 128)
    assert sent["batched_point_labels"].reshape(-1).tolist() == [1, 2, 3, -1, -1, -1]
    assert sent["batched_point_labels"].shape == (1, 1, 6, 1)
    assert sent["batched_point_coords"][0, 0, :3].tolist() == [[32, 18], [16, 10], [80, 60]]
    assert not sent["batched_point_coords"][0, 0, 3:].any()
    three_axes = (*SPECS[:2], TensorSpec("batched_point_labels", (1, 1, None), "float32"))
    other = fake([LEFT], [0.5], specs=three_axes)
    other.prompt(image, Prompt(points=(Point(1, 1),)))
    assert other.runtime.seen[0]["batched_point_labels"].shape == (1, 1, 6)


def test_a_point_beside_the_object_rules_candidates_out():
    image = np.zeros((10, 20, 3), np.uint8)
    marks = (Point(2, 2), Point(18, 2, inside=False))
    model = fake([RIGHT, LEFT], [0.9, 0.4])
    found = model.prompt(image, Prompt(points=marks))
    assert found.scores.tolist() == [pytest.approx(0.4)]
    assert found.masks.union()[:, :10].all()
    assert not found.masks.union()[:, 10:].any()
    whole = fake([ALL, RIGHT], [0.3, 0.2])
    assert whole.prompt(image, Prompt(points=marks)).masks.areas.tolist() == [200]  # none keeps out: the best
    both = (Point(2, 2), Point(18, 2))
    assert fake([RIGHT, ALL], [0.9, 0.4]).prompt(image, Prompt(points=both)).masks.areas.tolist() == [200]


def test_zero_is_on_the_object_and_bad_scores_are_none():
    found = fake([[[0.0, -1.0]]], [np.nan]).prompt(
        np.zeros((4, 2, 3), np.uint8), Prompt(points=(Point(0, 0),))
    )
    assert found.masks.union().tolist() == [[True, False]] * 4
    assert found.scores.tolist() == [0]


def test_each_box_is_an_object():
    model = fake([LEFT, RIGHT], [0.5, 0.8])
    found = model.prompt(np.zeros((10, 20, 3), np.uint8), Prompt(boxes=(Box(0, 0, 5, 5), Box(10, 0, 20, 10))))
    assert len(found) == len(model.runtime.seen) == 2
    assert found.scores.tolist() == pytest.approx([0.8, 0.8])


def test_what_does_not_fit_is_told():
    image = np.zeros((10, 20, 3), np.uint8)
    many = tuple(Point(x, 1) for x in range(7))
    with pytest.raises(InvalidValue, match="at most 6 points for sam, a box counting as two; got 7"):
        fake([LEFT], [0.5]).prompt(image, Prompt(points=many))
    with pytest.raises(EngineError, match=r"need output_masks \(1, 1, M, h, w\)"):
        fake([LEFT], [0.5, 0.6]).prompt(image, Prompt(points=many[:1]))
    with pytest.raises(UnknownLayout, match="need inputs batched_images"):
        efficient_sam.build(FakeRuntime({}), name="x")
    with pytest.raises(UnknownLayout, match="need one class name"):
        efficient_sam.build(FakeRuntime({}, inputs=SPECS), name="x", class_names=("a", "b"))
