"""The ONNX zoo's Mask R-CNN layout, with a network whose right answer is known."""

import numpy as np
import onnx
import pytest

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models import mask_rcnn_onnx
from maskweave.ops.letterbox import Letterbox
from maskweave.runtimes.base import RuntimeInfo, TensorSpec
from maskweave.runtimes.onnxruntime import OnnxRuntime
from tests.models.graphs import ZOO_NAMES, zoo_mask_rcnn
from tests.runtimes.fake import FakeRuntime

IMAGE = TensorSpec("image", (3, None, None), "float32")
BLUE, RED = (10, 20, 40, 60), (50, 30, 90, 70)  # xyxy


def make_image(height, width, blue=BLUE, red=RED):
    image = np.zeros((height, width, 3), np.uint8)
    for channel, (x1, y1, x2, y2) in ((2, blue), (0, red)):
        image[y1:y2, x1:x2, channel] = 255
    return image


def model_of(content=None):
    return mask_rcnn_onnx.build(OnnxRuntime(content or zoo_mask_rcnn()), name="zoo")


def fake(**changes):
    """A model whose network always finds one object in the whole of an 800 x 800 input."""
    outputs = {
        "6568": np.array([[0, 0, 799, 799]], np.float32),
        "6570": np.array([1], np.int64),
        "6572": np.array([0.9], np.float32),
        "6887": np.full((1, 1, 28, 28), 0.9, np.float32),
    }
    renamed = {f"6{key[1:]}": value for key, value in changes.items()}
    return mask_rcnn_onnx.build(FakeRuntime(outputs | renamed, inputs=(IMAGE,)), name="zoo")


def info(outputs, inputs=(IMAGE,)):
    return RuntimeInfo("onnxruntime", "0", "cpu", inputs, outputs, {})


def zoo_outputs(names=ZOO_NAMES, grid=(28, 28)):
    shapes = ((None, 4), (None,), (None,), (None, 1, *grid))
    kinds = ("float32", "int64", "float32", "float32")
    return tuple(map(TensorSpec, names, shapes, kinds))


@pytest.mark.engine
@pytest.mark.parametrize(("height", "width"), [(100, 100), (80, 200), (300, 110)])
def test_rectangles_come_back_where_they_were(height, width):
    found = model_of().predict(make_image(height, width), score=0.5)
    assert found.names == ("bicycle", "horse")  # labels 2 and 18 of 1..80
    np.testing.assert_allclose(found.scores, [0.9, 0.6], rtol=1e-6)
    np.testing.assert_allclose(found.boxes, [BLUE, RED], atol=0.3)
    for mask, (x1, y1, x2, y2) in zip(found.masks.dense(), (BLUE, RED), strict=True):
        assert mask[y1:y2, x1:x2].all()
        assert mask.sum() == (x2 - x1) * (y2 - y1)


def in_whole_numbers(content):
    """The same network as MaskRCNN-12-int8 has it: values rounded on the way, tensors' names and types kept."""
    model = onnx.load_from_string(content)
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["rounded" if each == "image" else each for each in node.input]
        node.output[:] = ["grids" if each == "6887" else each for each in node.output]
    steps = (("image", "rounded", 2.0, 64), ("grids", "6887", 1 / 250, 0))
    for place, (source, target, scale, zero) in enumerate(steps):
        constants = (np.float32(scale), np.uint8(zero))
        names = [f"{target}_{kind}" for kind in ("scale", "zero", "whole")]
        graph.initializer.extend(map(onnx.numpy_helper.from_array, constants, names[:2]))
        pair = [
            onnx.helper.make_node("QuantizeLinear", [source, *names[:2]], names[2:]),
            onnx.helper.make_node("DequantizeLinear", [names[2], *names[:2]], [target]),
        ]
        for step, node in enumerate(pair):
            graph.node.insert(step if place == 0 else len(graph.node), node)
    return model.SerializeToString()


@pytest.mark.engine
def test_the_int8_file_is_read_likewise():
    runtime = OnnxRuntime(in_whole_numbers(zoo_mask_rcnn()))
    assert "6568, 6570, 6572, 6887" in mask_rcnn_onnx.recognize(runtime.describe())
    found = mask_rcnn_onnx.build(runtime, name="int8").predict(make_image(80, 200), score=0.5)
    expected = model_of().predict(make_image(80, 200), score=0.5)
    assert found.names == expected.names
    assert found.masks == expected.masks
    np.testing.assert_array_equal(found.boxes, expected.boxes)


@pytest.mark.engine
def test_mirrored_image_gives_the_mirrored_answer():
    grids = np.zeros((2, 1, 28, 28), np.float32)
    grids[:, :, :, :14] = 1  # left halves
    mirrored = zoo_mask_rcnn(grids=grids[..., ::-1].copy())
    image = make_image(80, 130)
    plain = model_of(zoo_mask_rcnn(grids=grids)).predict(image)
    turned = model_of(mirrored).predict(np.ascontiguousarray(image[:, ::-1]))
    np.testing.assert_array_equal(plain.masks.dense(), turned.masks.dense()[:, :, ::-1])
    assert plain.masks.areas.tolist() == [15 * 40, 20 * 40]


@pytest.mark.engine
def test_one_pixel_high_and_one_pixel_wide_images():
    wide = model_of().predict(make_image(1, 60, (5, 0, 20, 1), (30, 0, 50, 1)))
    tall = model_of().predict(make_image(60, 1, (0, 5, 1, 20), (0, 30, 1, 50)))
    np.testing.assert_allclose(wide.boxes, [[5, 0, 20, 1], [30, 0, 50, 1]], atol=0.3)
    np.testing.assert_allclose(tall.boxes, [[0, 5, 1, 20], [0, 30, 1, 50]], atol=0.3)
    np.testing.assert_array_equal(wide.masks.areas, [15, 20])
    np.testing.assert_array_equal(tall.masks.areas, [15, 20])


@pytest.mark.engine
def test_a_score_equal_to_the_threshold_is_kept():
    scores = (0.75, 0.5)
    model = model_of(zoo_mask_rcnn(scores=scores))
    assert [len(model.predict(make_image(80, 100), score=each)) for each in (0.5, 0.51, 0.75, 0.76)] == [
        2,
        1,
        1,
        0,
    ]


@pytest.mark.engine
def test_outputs_of_other_names_are_told_by_shape_and_type():
    content = zoo_mask_rcnn(names=("bbox", "cls", "conf", "seg"))
    runtime = OnnxRuntime(content)
    assert "small masks" in mask_rcnn_onnx.recognize(runtime.describe())
    found = mask_rcnn_onnx.build(runtime, name="mine").predict(make_image(80, 100))
    np.testing.assert_allclose(found.boxes, [BLUE, RED], atol=0.3)


def test_prepare_is_the_published_one():
    """Published: BGR, means taken off, then zeros up to a multiple of 32; short side 800."""
    image = np.random.default_rng(0).integers(0, 256, (800, 810, 3), dtype=np.uint8)  # no resampling
    prepared = fake().prepare(image)
    tensor = prepared.inputs["image"]
    assert tensor.dtype == np.float32
    assert tensor.shape == (3, 800, 832)
    assert tensor.flags.c_contiguous
    expected = image[:, :, ::-1].transpose(2, 0, 1) - np.array([102.9801, 115.9465, 122.7717])[:, None, None]
    np.testing.assert_allclose(tensor[:, :, :810], expected, atol=1e-4)
    assert not tensor[:, :, 810:].any()


def test_long_side_is_limited():
    assert fake().prepare(np.zeros((100, 1000, 3), np.uint8)).letterbox.scaled_size == (133, 1333)


def of_canvas(height, width):
    runtime = FakeRuntime({}, inputs=(TensorSpec("image", (3, height, width), "float32"),))
    return mask_rcnn_onnx.build(runtime, name="fixed")


def test_an_input_of_one_size_gets_that_size():
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    prepared = of_canvas(60, 100).prepare(image)
    tensor = prepared.inputs["image"]
    assert tensor.shape == (3, 60, 100)
    expected = image[:, :, ::-1].transpose(2, 0, 1) - np.array([102.9801, 115.9465, 122.7717])[:, None, None]
    np.testing.assert_allclose(tensor[:, :, :80], expected, atol=1e-4)
    assert not tensor[:, :, 80:].any()
    tall = of_canvas(60, 100).prepare(np.full((300, 30, 3), 200, np.uint8))
    assert tall.letterbox.scaled_size == (60, 6)
    assert not tall.inputs["image"][:, :, 6:].any()


def test_an_input_with_one_fixed_side_is_refused():
    with pytest.raises(UnknownLayout, match="both free or both fixed, got anyx640"):
        of_canvas(None, 640)


@pytest.mark.engine
@pytest.mark.parametrize("canvas", [(320, 320), (256, 512)])
def test_a_fixed_export_finds_the_rectangles(canvas):
    found = model_of(zoo_mask_rcnn(canvas=canvas)).predict(make_image(80, 200), score=0.5)
    np.testing.assert_allclose(found.boxes, [BLUE, RED], atol=1)


def test_mask_of_a_box_over_the_edge_is_not_squeezed():
    grid = np.zeros((1, 1, 28, 28), np.float32)
    grid[..., :14] = 1
    model = fake(_568=np.array([[-400, 0, 399, 799]], np.float32), _887=grid)
    found = model.decode(model.infer({}), Letterbox.squash((80, 80), (800, 800)), score=0.5)
    assert len(found) == 0  # the left half lies outside
    model = fake(_568=np.array([[-400, 0, 1199, 799]], np.float32), _887=grid)
    found = model.decode(model.infer({}), Letterbox.squash((80, 80), (800, 800)), score=0.5)
    assert found.boxes.tolist() == [[0, 0, 80, 80]]
    assert found.masks.boxes.tolist() == [[0, 0, 40, 80]]


def test_no_detections():
    model = fake(
        _568=np.zeros((0, 4), np.float32),
        _570=np.zeros(0, np.int64),
        _572=np.zeros(0, np.float32),
        _887=np.zeros((0, 1, 28, 28), np.float32),
    )
    found = model.predict(np.zeros((30, 40, 3), np.uint8), score=0)
    assert len(found) == 0
    assert found.size == (30, 40)
    assert len(found.class_names) == 80


@pytest.mark.parametrize("value", [np.nan, np.inf, 0])
def test_broken_boxes_are_dropped(value):
    model = fake(_568=np.array([[5, 5, value, 300]], np.float32))
    assert len(model.predict(np.zeros((80, 80, 3), np.uint8))) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_broken_scores_are_dropped(value):
    model = fake(_572=np.array([value], np.float32))
    with np.errstate(all="raise"):
        assert len(model.predict(np.zeros((80, 80, 3), np.uint8))) == 0


def test_a_mask_that_is_no_number_has_no_pixel():
    model = fake(_887=np.full((1, 1, 28, 28), np.nan, np.float32))
    assert len(model.predict(np.zeros((80, 80, 3), np.uint8))) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"_568": np.zeros((1, 5), np.float32)},
        {"_570": np.zeros(2, np.int64)},
        {"_887": np.zeros((1, 2, 28, 28), np.float32)},
        {"_887": np.zeros((3, 28, 28), np.float32)},
    ],
)
def test_outputs_that_do_not_fit_each_other(changes):
    with pytest.raises(EngineError, match="need boxes"):
        fake(**changes).predict(np.zeros((8, 8, 3), np.uint8))


def test_missing_output_is_named():
    runtime = FakeRuntime({"6568": np.zeros((1, 4), np.float32)}, inputs=(IMAGE,))
    with pytest.raises(EngineError, match=r"got 6568 \(1, 4\)"):
        mask_rcnn_onnx.build(runtime, name="zoo").predict(np.zeros((8, 8, 3), np.uint8))


def test_label_without_a_name():
    with pytest.raises(UnknownLayout, match="80 names and label 81"):
        fake(_570=np.array([81], np.int64)).predict(np.zeros((8, 8, 3), np.uint8))


def test_recognizes_by_name_then_by_shape():
    assert "6568" in mask_rcnn_onnx.recognize(info(tuple(TensorSpec(n, (), "float32") for n in ZOO_NAMES)))
    assert "small masks" in mask_rcnn_onnx.recognize(info(zoo_outputs(("a", "b", "c", "d"))))


@pytest.mark.parametrize(
    "other",
    [
        info(zoo_outputs(("boxes", "labels", "scores", "masks"), grid=(None, None))),  # torchvision: pasted
        info(zoo_outputs()[:3]),
        info(zoo_outputs(("a", "b", "c", "d"))[:2] * 2),
        info(zoo_outputs(), inputs=(TensorSpec("images", (1, 3, 640, 640), "float32"),)),
        info(zoo_outputs(), inputs=(IMAGE, IMAGE)),
        info(()),
    ],
)
def test_does_not_recognize_others(other):
    assert mask_rcnn_onnx.recognize(other) is None


def test_build_refuses():
    runtime = FakeRuntime({}, inputs=(TensorSpec("images", (1, 3, 640, 640), "float32"),))
    with pytest.raises(UnknownLayout, match=r"need one input \(3, H, W\) float32, got images"):
        mask_rcnn_onnx.build(runtime, name="mine")
    with pytest.raises(InvalidValue, match="mask_threshold"):
        mask_rcnn_onnx.build(FakeRuntime({}, inputs=(IMAGE,)), name="mine", mask_threshold=2)
