import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models import compact
from maskweave.ops.iou import mask_iou
from maskweave.runtimes.base import TensorSpec
from maskweave.types import Masks
from tests.models.compact_outputs import compact_outputs, distance_logits, linear_kernel, points_of
from tests.runtimes.fake import FakeRuntime

NAMES = ["cat", "dog"]
METADATA = {
    "maskweave.family": "compact",
    "maskweave.class_names": json.dumps(NAMES),
    "maskweave.size": "64",
    "maskweave.nms_iou": "0.6",
    "maskweave.score_threshold": "0.3",
}
IMAGE = np.zeros((64, 64, 3), np.uint8)


def answer(boxes=(), scores=(), *, size=(64, 64), masks=None, kernels=None):
    """Network outputs with one prototype per object: all of its box, unless ``masks`` (M, h, w) are given."""
    if masks is None:
        masks = np.full((max(len(boxes), 1), size[0] // 4, size[1] // 4), 5.0)
    return compact_outputs(boxes, np.reshape(scores, (-1, len(NAMES))), masks, kernels, size=size)


def model(outputs, **metadata):
    return compact.build(FakeRuntime(outputs, metadata=METADATA | metadata), name="tester")


@pytest.mark.parametrize(
    ("image", "size", "expected"),
    [
        ((30, 60), 64, (32, 64)),
        ((64, 64), 64, (64, 64)),
        ((480, 854), 384, (224, 384)),
        ((720, 1280), 416, (224, 416)),
        ((1, 999), 64, (32, 64)),
        ((999, 1), 96, (96, 32)),
    ],
)
def test_the_whole_image_fills_an_input_of_multiples_of_32(image, size, expected):
    tester = model(answer(), **{"maskweave.size": str(size)})
    prepared = tester.prepare(np.full((*image, 3), 7, np.uint8))
    (tensor,) = prepared.inputs["image"]
    assert (tensor.shape, tensor.dtype) == ((*expected, 3), np.uint8)
    assert (tensor == 7).all()
    assert prepared.letterbox.scaled_size == expected


def fixed(height, width, *, batch=1, name="image", dtype="uint8"):
    return (TensorSpec(name, (batch, height, width, 3), dtype),)


@pytest.mark.parametrize(
    ("image", "scaled"),
    [
        ((30, 60), (48, 96)),
        ((100, 10), (64, 6)),
        ((64, 96), (64, 96)),
        ((1, 999), (1, 96)),
        ((3, 3), (64, 64)),
    ],
)
def test_an_input_of_one_size_gets_that_size(image, scaled):
    runtime = FakeRuntime(answer(), metadata=METADATA, inputs=fixed(64, 96))
    tester = compact.build(runtime, name="fixed")
    assert tester.long_side == 96  # whatever the metadata say
    prepared = tester.prepare(np.full((*image, 3), 7, np.uint8))
    (tensor,) = prepared.inputs["image"]
    assert tensor.shape == (64, 96, 3)
    assert prepared.letterbox.scaled_size == scaled
    assert (tensor[: scaled[0], : scaled[1]] == 7).all()
    assert (tensor[scaled[0] :] == 114).all()
    assert (tensor[:, scaled[1] :] == 114).all()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (fixed(64, 100), "need an input of multiples of 32, got 64x100"),
        (fixed(64, None), "both free or both fixed, got 64xany"),
        (fixed(0, 64), "both free or both fixed, got 0x64"),
        (fixed(64, 64, batch=8), r"need one input image \(1, H, W, 3\) uint8, got image \(8, 64, 64, 3\)"),
        (fixed(64, 64, name="photo"), "got photo"),
        (fixed(64, 64, dtype="float32"), "float32"),
        (fixed(64, 64) * 2, "need one input"),
    ],
)
def test_inputs_that_no_image_can_be_brought_to_are_refused(inputs, message):
    with pytest.raises(UnknownLayout, match=message):
        compact.build(FakeRuntime(answer(), metadata=METADATA, inputs=inputs), name="x")


def test_the_size_of_a_fixed_input_cannot_be_chosen():
    runtime = FakeRuntime(answer(), metadata=METADATA, inputs=fixed(64, 96))
    assert compact.build(runtime, name="x", size=96).canvas == (64, 96)
    with pytest.raises(InvalidValue, match="size: the input of x is always 64x96, got 128; leave --size out"):
        compact.build(runtime, name="x", size=128)


@pytest.mark.parametrize(
    ("point", "corner"),
    [(0, (0, 0)), (7, (56, 0)), (8, (0, 8)), (64, (0, 0)), (69, (16, 16)), (83, (32, 32)), (84, (0, 0))],
)
def test_distances_are_counted_from_the_point_in_its_own_strides(point, corner):
    """Of a 64x64 input: 8x8 points of stride 8, 4x4 of 16, 2x2 of 32 and one of 64, rows first."""
    stride = 8 if point < 64 else 16 if point < 80 else 32 if point < 84 else 64
    outputs = answer()
    outputs["scores"][0, 1, point] = 0.9
    outputs["distances"][0, :, point] = distance_logits([0.25, 0, 0.5, 0.75])
    outputs["kernels"][0, :, point] = linear_kernel([0, 0, 0], bias=1)
    letterbox = model(outputs).prepare(np.zeros((640, 640, 3), np.uint8)).letterbox  # ten source pixels each
    (found,) = model(outputs).decode(outputs, letterbox, score=0.5)
    x, y = corner
    expected = np.array([x - stride / 4, y, x + stride / 2, y + 0.75 * stride]) * 10
    np.testing.assert_allclose(found.boxes[0], expected.clip(0, 640), atol=1e-3)


def test_a_distance_is_the_mean_of_its_distribution():
    outputs = answer([[0, 0, 32, 32]], [[0.9, 0]])
    (point,) = points_of([[0, 0, 32, 32]], (64, 64))
    outputs["distances"][0, 16:24, point] = 3.0  # as likely any of 0..7 strides to the right
    (found,) = model(outputs).predict(IMAGE)
    np.testing.assert_allclose(found.boxes, [[0, 0, 28, 32]], atol=1e-3)


def test_a_mask_network_sees_its_box_from_minus_two_to_two():
    box = [[8, 8, 56, 40]]
    for weights, bias, part in (
        ([0, -1, 0], 0, [8, 8, 32, 40]),  # x < 0: the left half
        ([0, 1, 0], -1, [44, 8, 56, 40]),  # x > 1: the last quarter
        ([0, 0, 1], 1, [8, 16, 56, 40]),  # y > -1: all but the first quarter
    ):
        outputs = answer(box, [[0.9, 0]], kernels=[linear_kernel(weights, bias)])
        (found,) = model(outputs).predict(IMAGE)
        np.testing.assert_allclose(found.masks.boxes[0], part, atol=1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["distances", "scores", "kernels"])
def test_broken_points_are_dropped_in_silence(value, where):
    boxes = [[0, 0, 32, 32], [8, 8, 60, 60]]
    outputs = answer(boxes, [[0.9, 0], [0, 0.8]])
    outputs[where][0, 0, points_of(boxes, (64, 64))[0]] = value
    with np.errstate(all="raise", under="ignore"):
        found = model(outputs).predict(IMAGE)
    assert found.names[-1] == "dog"
    assert np.isfinite(found.boxes).all()
    if (where, value) != ("distances", -np.inf) and where != "kernels":
        assert found.names == ("dog",)  # a bin of -inf is one that is never meant


def test_a_box_without_area_is_no_object():
    outputs = answer([[0, 0, 32, 32]], [[0.9, 0]])
    outputs["distances"][:] = np.tile(distance_logits([0, 0, 0, 0])[None, :, None], (1, 1, 85))
    with np.errstate(all="raise", under="ignore"):
        assert len(model(outputs).predict(IMAGE)) == 0


def test_doubles_are_suppressed_class_by_class():
    boxes = [[0, 0, 32, 32], [0, 0, 32, 31], [0, 0, 32, 32], [40, 40, 60, 60]]
    scores = [[0.9, 0], [0.8, 0], [0, 0.7], [0.2, 0.1]]
    tester = model(answer(boxes, scores))
    found = tester.predict(IMAGE, multi_label=True)
    assert found.names == ("cat", "dog")
    np.testing.assert_allclose(found.scores, [0.9, 0.7], atol=1e-6)
    assert tester.predict(IMAGE).names == ("cat",)
    assert len(tester.predict(IMAGE, score=0.15)) == 2


def test_an_object_comes_once_unless_every_class_is_asked_for():
    boxes = [[0, 0, 32, 32], [40, 40, 60, 60]]
    tester = model(answer(boxes, [[0.9, 0.6], [0.1, 0.5]]))
    once, every = tester.predict(IMAGE), tester.predict(IMAGE, multi_label=True)
    assert once.names == ("cat", "dog")
    np.testing.assert_allclose(once.boxes, boxes, atol=1e-5)
    assert every.names == ("cat", "dog", "dog")
    np.testing.assert_allclose(every.scores, [0.9, 0.6, 0.5], atol=1e-6)


def test_different_objects_in_one_box_both_stay():
    masks = np.full((2, 16, 16), -5.0)
    masks[0, :, :6], masks[1, :, 6:] = 5, 5  # a rider and a horse side by side
    tester = model(answer([[0, 0, 64, 64]] * 2, [[0.9, 0], [0, 0.8]], masks=masks))
    assert tester.predict(IMAGE).names == ("cat", "dog")


def test_no_more_objects_come_than_the_file_allows():
    boxes = [[x, y, x + 8, y + 8] for x in (0, 16, 32) for y in (0, 16)]
    scores = [[0.4 + 0.1 * row, 0] for row in range(6)]
    found = model(answer(boxes, scores), **{"maskweave.max_objects": "2"}).predict(IMAGE)
    np.testing.assert_allclose(found.scores, [0.9, 0.8], atol=1e-6)


@given(st.integers(20, 400), st.integers(20, 400), st.integers(0, 999))
def test_a_known_rectangle_lands_on_the_source_pixels(height, width, seed):
    rng = np.random.default_rng(seed)
    tester = model(answer())
    letterbox = tester.prepare(np.zeros((height, width, 3), np.uint8)).letterbox
    x1, y1 = rng.integers(0, width // 2), rng.integers(0, height // 2)
    box = np.array([[x1, y1, x1 + width // 2, y1 + height // 2]], float)
    outputs = answer(letterbox.to_input(box), [[0.9, 0]], size=letterbox.input_size)
    (found,) = tester.decode(outputs, letterbox, score=0.5)
    truth = np.zeros((1, height, width), bool)
    truth[0, y1 : y1 + height // 2, x1 : x1 + width // 2] = True
    np.testing.assert_allclose(found.boxes, box, atol=0.01)
    assert mask_iou(found.masks, Masks.from_dense(truth))[0, 0] > 0.98


def test_half_of_a_box_can_be_the_object():
    masks = np.full((1, 16, 16), -5.0)
    masks[0, :, :8] = 5
    outputs = answer([[0, 0, 64, 64]], [[0.9, 0]], masks=masks)
    (found,) = model(outputs).predict(np.zeros((128, 128, 3), np.uint8))
    assert found.masks.boxes.tolist() == [[0, 0, 64, 128]]


def test_nothing_found_is_an_empty_result():
    found = model(answer(size=(32, 64))).predict(np.zeros((1, 90, 3), np.uint8))
    assert len(found) == 0
    assert found.size == (1, 90)


def test_broken_files_and_calls_are_named():
    without = {name: np.zeros(1) for name in ("scores", "distances", "kernels")}
    with pytest.raises(UnknownLayout, match="prototypes missing"):
        compact.build(FakeRuntime(without), name="x")
    with pytest.raises(UnknownLayout, match="class_names and size"):
        compact.build(FakeRuntime(answer()), name="x")
    with pytest.raises(InvalidValue, match="need 32 to 4096"):
        compact.build(FakeRuntime(answer(), metadata=METADATA), name="x", size=8)
    with pytest.raises(InvalidValue, match="score"):
        model(answer()).predict(np.zeros((9, 9, 3), np.uint8), score=2)
    with pytest.raises(EngineError, match=r"need scores \(3, 85\), got \(2, 85\)"):
        model(answer(), **{"maskweave.class_names": '["a", "b", "c"]'}).predict(IMAGE)


def test_a_file_of_the_earlier_layout_is_refused():
    earlier = {name: np.zeros(1) for name in ("boxes", "scores", "coefficients", "prototypes")}
    with pytest.raises(UnknownLayout, match="distances, kernels missing"):
        compact.build(FakeRuntime(earlier, metadata=METADATA), name="x")


@pytest.mark.parametrize(
    "names", ["5", '"cat"', "{}", "[]", "[1, 2]", '["cat", null]', "null", "[" * 99999, "[1,\n2]"]
)
def test_class_names_that_are_no_list_of_names(names):
    with pytest.raises(UnknownLayout, match=r"^tester: need .*class_names") as caught:
        model(answer(), **{"maskweave.class_names": names})
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("size", "8"), ("size", "x"), ("nms_iou", "2"), ("score_threshold", "nan"), ("score_threshold", "high")],
)
def test_other_metadata_that_make_no_sense(key, value):
    with pytest.raises(UnknownLayout, match=r"tester: need .*size|tester: need maskweave.nms_iou"):
        model(answer(), **{f"maskweave.{key}": value})


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("scores", None, "need output scores of 3 axes for one image, got nothing"),
        ("distances", np.zeros((1, 4)), r"need output distances of 3 axes for one image, got \(1, 4\)"),
        ("kernels", np.zeros((0, 1, 4)), "need output kernels of 3 axes for one image"),
        ("scores", np.zeros((1, 2, 84)), r"need scores \(2, 85\), got \(2, 84\)"),
        ("distances", np.zeros((1, 28, 85)), r"need distances \(32, 85\), got \(28, 85\)"),
        ("kernels", np.zeros((1, 169, 85)), r"need kernels \(113, 85\), got \(169, 85\)"),
        ("prototypes", np.zeros((1, 1, 16, 24)), r"need prototypes \(1, 16, 16\), got \(1, 16, 24\)"),
    ],
)
def test_outputs_that_are_not_what_was_described(name, array, message):
    tester = model(answer())
    outputs = answer() | {name: array}
    if array is None:
        del outputs[name]
    with pytest.raises(EngineError, match=message):
        tester.decode(outputs, tester.prepare(IMAGE).letterbox, score=0.5)


def test_outputs_of_an_input_of_another_size_are_an_error():
    tester = model(answer())
    with pytest.raises(EngineError, match=r"need scores \(2, 85\), got \(2, 340\)"):
        tester.decode(answer(size=(128, 128)), tester.prepare(IMAGE).letterbox, score=0)


def test_recognition_is_by_metadata():
    assert compact.recognize(FakeRuntime({}, metadata=METADATA).describe())
    assert compact.recognize(FakeRuntime({}).describe()) is None


def test_a_part_of_a_better_object_of_its_class_loses_score():
    boxes = [[0, 0, 64, 64], [0, 0, 64, 24], [0, 40, 64, 64]]
    scores = [[0.9, 0], [0.8, 0], [0, 0.8]]
    found = model(answer(boxes, scores)).predict(IMAGE)
    assert found.names == ("cat", "dog")  # the cat's upper part fell to 0.16; the dog is another class
    weak = model(answer(boxes, scores)).predict(IMAGE, score=0.1)
    np.testing.assert_allclose(weak.scores, [0.9, 0.16, 0.8], atol=1e-6)
    guesses = model(answer(boxes, scores)).predict(IMAGE, multi_label=True)
    np.testing.assert_allclose(guesses.scores, [0.9, 0.64, 0.8], atol=1e-6)


def test_neighbors_and_half_covered_objects_keep_their_score():
    boxes = [[0, 0, 32, 64], [16, 0, 48, 64], [48, 0, 64, 64]]
    found = model(answer(boxes, [[0.9, 0], [0.8, 0], [0.7, 0]])).predict(IMAGE)
    np.testing.assert_allclose(found.scores, [0.9, 0.8, 0.7], atol=1e-6)


def test_features_are_those_of_the_image_without_its_margin():
    runtime = FakeRuntime(answer(), metadata=METADATA, inputs=fixed(64, 96))
    tester = compact.build(runtime, name="fixed")
    letterbox = tester.prepare(np.zeros((30, 30, 3), np.uint8)).letterbox
    features = np.arange(2 * 8 * 12, dtype=np.float32).reshape(1, 2, 8, 12)
    found = tester.features({"features": features}, letterbox)
    np.testing.assert_array_equal(found, features[0, :, :, :8])
    assert tester.features({}, letterbox) is None
