import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models import compact
from maskweave.ops.iou import mask_iou
from maskweave.runtimes.base import TensorSpec
from maskweave.runtimes.fake import FakeRuntime
from maskweave.types import Masks

NAMES = ["cat", "dog"]
METADATA = {
    "maskweave.family": "compact",
    "maskweave.class_names": json.dumps(NAMES),
    "maskweave.size": "64",
    "maskweave.nms_iou": "0.6",
    "maskweave.score_threshold": "0.3",
}


def answer(boxes, scores, *, size=(64, 64), masks=None):
    """Network outputs with one prototype per point: the point's own box, unless ``masks`` (P, h, w) are given."""
    points = len(boxes)
    grid = (size[0] // 4, size[1] // 4)
    if masks is None:
        masks = np.full((points, *grid), 5.0)
    return {
        "boxes": np.asarray(boxes, np.float32).reshape(1, points, 4),
        "scores": np.asarray(scores, np.float32).reshape(1, points, len(NAMES)),
        "coefficients": np.eye(points, dtype=np.float32)[None],
        "prototypes": np.asarray(masks, np.float32)[None],
    }


def model(outputs, **metadata):
    return compact.build(FakeRuntime(outputs, metadata=METADATA | metadata), name="tester")


def test_prepare_puts_the_picture_top_left_on_grey():
    image = np.full((30, 60, 3), 7, np.uint8)
    prepared = model(answer([[0, 0, 1, 1]], [[0, 0]])).prepare(image)
    tensor = prepared.inputs["image"]
    assert (tensor.shape, tensor.dtype) == ((1, 32, 64, 3), np.uint8)
    assert (tensor[0, :32] == 7).all() == (prepared.placement.scaled_size == (32, 64))


def fixed(height, width, *, batch=1, name="image", dtype="uint8"):
    return (TensorSpec(name, (batch, height, width, 3), dtype),)


@pytest.mark.parametrize(
    ("picture", "scaled"),
    [
        ((30, 60), (48, 96)),
        ((100, 10), (64, 6)),
        ((64, 96), (64, 96)),
        ((1, 999), (1, 96)),
        ((3, 3), (64, 64)),
    ],
)
def test_an_input_of_one_size_gets_that_size(picture, scaled):
    runtime = FakeRuntime(answer([[0, 0, 1, 1]], [[0, 0]]), metadata=METADATA, inputs=fixed(64, 96))
    tester = compact.build(runtime, name="fixed")
    assert tester.long_side == 96  # whatever the metadata say
    prepared = tester.prepare(np.full((*picture, 3), 7, np.uint8))
    (tensor,) = prepared.inputs["image"]
    assert tensor.shape == (64, 96, 3)
    assert prepared.placement.scaled_size == scaled
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
        (fixed(64, 64, name="picture"), "got picture"),
        (fixed(64, 64, dtype="float32"), "float32"),
        (fixed(64, 64) * 2, "need one input"),
    ],
)
def test_inputs_that_no_picture_can_be_brought_to_are_refused(inputs, message):
    runtime = FakeRuntime(answer([[0, 0, 1, 1]], [[0, 0]]), metadata=METADATA, inputs=inputs)
    with pytest.raises(UnknownLayout, match=message):
        compact.build(runtime, name="x")


def test_the_size_of_a_fixed_input_cannot_be_chosen():
    runtime = FakeRuntime(answer([[0, 0, 1, 1]], [[0, 0]]), metadata=METADATA, inputs=fixed(64, 96))
    assert compact.build(runtime, name="x", size=96).canvas == (64, 96)
    with pytest.raises(InvalidValue, match="size: the input of x is always 64x96, got 128; leave --size out"):
        compact.build(runtime, name="x", size=128)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["boxes", "scores", "coefficients"])
def test_broken_rows_are_dropped_in_silence(value, where):
    outputs = answer([[0, 0, 32, 32], [8, 8, 60, 60]], [[0.9, 0], [0, 0.8]])
    outputs[where][0, 0, 0] = value
    with np.errstate(all="raise"):
        found = model(outputs).predict(np.zeros((64, 64, 3), np.uint8))
    assert found.names[-1] == "dog"
    assert np.isfinite(found.boxes).all()
    if where != "coefficients":
        assert found.names == ("dog",)


@pytest.mark.parametrize("box", [[9, 9, 9, 20], [20, 20, 9, 9], [-3e38, -3e38, 3e38, 3e38]])
def test_boxes_without_area_and_boxes_of_any_size(box):
    with np.errstate(all="raise", under="ignore"):
        found = model(answer([box, box], [[0.9, 0], [0.8, 0]])).predict(np.zeros((64, 64, 3), np.uint8))
    assert len(found) == (box[2] > 64)


def test_doubles_are_suppressed_class_by_class():
    boxes = [[0, 0, 32, 32], [1, 1, 32, 32], [0, 0, 32, 32], [40, 40, 60, 60]]
    scores = [[0.9, 0], [0.8, 0], [0, 0.7], [0.2, 0.1]]
    tester, image = model(answer(boxes, scores)), np.zeros((64, 64, 3), np.uint8)
    found = tester.predict(image, every_class=True)
    assert found.names == ("cat", "dog")
    np.testing.assert_allclose(found.scores, [0.9, 0.7], atol=1e-6)
    assert tester.predict(image).names == ("cat",)
    assert len(tester.predict(image, score=0.15)) == 2


def test_an_object_comes_once_unless_every_class_is_asked_for():
    boxes = [[0, 0, 32, 32], [40, 40, 60, 60]]
    tester = model(answer(boxes, [[0.9, 0.6], [0.1, 0.5]]))
    image = np.zeros((64, 64, 3), np.uint8)
    once, every = tester.predict(image), tester.predict(image, every_class=True)
    assert once.names == ("cat", "dog")
    np.testing.assert_allclose(once.boxes, boxes, atol=1e-5)
    assert every.names == ("cat", "dog", "dog")
    np.testing.assert_allclose(every.scores, [0.9, 0.6, 0.5], atol=1e-6)


def test_different_objects_in_one_box_both_stay():
    masks = np.full((2, 16, 16), -5.0)
    masks[0, :, :6], masks[1, :, 6:] = 5, 5  # a rider and a horse side by side
    tester = model(answer([[0, 0, 64, 64]] * 2, [[0.9, 0], [0, 0.8]], masks=masks))
    assert tester.predict(np.zeros((64, 64, 3), np.uint8)).names == ("cat", "dog")


@given(st.integers(20, 400), st.integers(20, 400), st.integers(0, 999))
def test_a_known_rectangle_lands_on_the_source_pixels(height, width, seed):
    rng = np.random.default_rng(seed)
    tester = model(answer([[0, 0, 1, 1]], [[0, 0]]))
    image = np.zeros((height, width, 3), np.uint8)
    placement = tester.prepare(image).placement
    x1, y1 = rng.integers(0, width // 2), rng.integers(0, height // 2)
    box = np.array([[x1, y1, x1 + width // 2, y1 + height // 2]], float)
    outputs = answer(placement.to_input(box), [[0.9, 0]], size=placement.input_size)
    (found,) = tester.decode(outputs, placement, score=0.5)
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
    found = model(answer([[0, 0, 9, 9]], [[0.1, 0.1]])).predict(np.zeros((1, 90, 3), np.uint8))
    assert len(found) == 0
    assert found.size == (1, 90)


def test_broken_files_and_calls_are_named():
    with pytest.raises(UnknownLayout, match="prototypes missing"):
        compact.build(
            FakeRuntime({"boxes": np.zeros(1), "scores": np.zeros(1), "coefficients": np.zeros(1)}), name="x"
        )
    with pytest.raises(UnknownLayout, match="class_names and size"):
        compact.build(FakeRuntime(answer([[0, 0, 1, 1]], [[0, 0]])), name="x")
    with pytest.raises(InvalidValue, match="need 32 to 4096"):
        compact.build(FakeRuntime(answer([[0, 0, 1, 1]], [[0, 0]]), metadata=METADATA), name="x", size=8)
    with pytest.raises(InvalidValue, match="score"):
        model(answer([[0, 0, 1, 1]], [[0, 0]])).predict(np.zeros((9, 9, 3), np.uint8), score=2)
    with pytest.raises(EngineError, match=r"need scores \(1, 3\)"):
        model(answer([[0, 0, 1, 1]], [[0, 0]]), **{"maskweave.class_names": '["a", "b", "c"]'}).predict(
            np.zeros((9, 9, 3), np.uint8)
        )


@pytest.mark.parametrize(
    "names", ["5", '"cat"', "{}", "[]", "[1, 2]", '["cat", null]', "null", "[" * 99999, "[1,\n2]"]
)
def test_class_names_that_are_no_list_of_names(names):
    with pytest.raises(UnknownLayout, match=r"^tester: need .*class_names") as caught:
        model(answer([[0, 0, 1, 1]], [[0, 0]]), **{"maskweave.class_names": names})
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("size", "8"), ("size", "x"), ("nms_iou", "2"), ("score_threshold", "nan"), ("score_threshold", "high")],
)
def test_other_metadata_that_make_no_sense(key, value):
    with pytest.raises(UnknownLayout, match=r"tester: need .*size|tester: need maskweave.nms_iou"):
        model(answer([[0, 0, 1, 1]], [[0, 0]]), **{f"maskweave.{key}": value})


def test_outputs_that_are_not_what_was_described():
    tester = model(answer([[0, 0, 1, 1]], [[0, 0]]))
    placement = tester.prepare(np.zeros((64, 64, 3), np.uint8)).placement
    outputs = answer([[0, 0, 1, 1]], [[0, 0]])
    for changed in ({"boxes": np.zeros((1, 4))}, {"boxes": np.zeros((0, 1, 4))}):
        with pytest.raises(EngineError, match="need output boxes of 3 axes for one image"):
            tester.decode(outputs | changed, placement, score=0.5)
    del outputs["scores"]
    with pytest.raises(EngineError, match="need output scores"):
        tester.decode(outputs, placement, score=0.5)


def test_recognition_is_by_metadata():
    assert compact.recognise(FakeRuntime({}, metadata=METADATA).describe())
    assert compact.recognise(FakeRuntime({}).describe()) is None


def test_a_part_of_a_better_object_of_its_class_loses_score():
    boxes = [[0, 0, 64, 64], [0, 0, 64, 24], [0, 40, 64, 64]]
    scores = [[0.9, 0], [0.8, 0], [0, 0.8]]
    found = model(answer(boxes, scores)).predict(np.zeros((64, 64, 3), np.uint8))
    assert found.names == ("cat", "dog")  # the cat's upper part fell to 0.16; the dog is another class
    weak = model(answer(boxes, scores)).predict(np.zeros((64, 64, 3), np.uint8), score=0.1)
    np.testing.assert_allclose(weak.scores, [0.9, 0.16, 0.8], atol=1e-6)
    guesses = model(answer(boxes, scores)).predict(np.zeros((64, 64, 3), np.uint8), every_class=True)
    np.testing.assert_allclose(guesses.scores, [0.9, 0.64, 0.8], atol=1e-6)


def test_neighbours_and_half_covered_objects_keep_their_score():
    boxes = [[0, 0, 32, 64], [16, 0, 48, 64], [48, 0, 64, 64]]
    found = model(answer(boxes, [[0.9, 0], [0.8, 0], [0.7, 0]])).predict(np.zeros((64, 64, 3), np.uint8))
    np.testing.assert_allclose(found.scores, [0.9, 0.8, 0.7], atol=1e-6)
