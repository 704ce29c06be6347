"""Semantic networks: every published layout with an answer known in advance, on images of any shape."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models import semantic
from maskweave.models._maps import channels_axis
from maskweave.models.semantic import best_classes
from maskweave.ops.preprocessing import IMAGENET, UNIT
from maskweave.ops.resize import resample
from maskweave.ops.semantic import foreground_from_semantic
from maskweave.ops.voc_names import VOC_NAMES
from maskweave.options import SegmentOptions
from maskweave.runtimes.base import RuntimeInfo, TensorSpec
from maskweave.runtimes.onnxruntime import OnnxRuntime
from maskweave.stages import check_model
from maskweave.types import IGNORE
from tests.models.maps import color_maps, iou, rectangle_image
from tests.models.rectangles import rectangles
from tests.runtimes.fake import FakeRuntime

CAT, DOG = VOC_NAMES.index("cat"), VOC_NAMES.index("dog")
NAMES = ("background", "red", "green")
THREE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([0.5, 0, 0])  # logits: red, green, or the rest


def voc_maps(**options):
    """FCN of the ONNX zoo: red is a cat, green a dog."""
    weights, biases = np.zeros((21, 3)), np.full(21, -9.0)
    biases[0], biases[CAT], biases[DOG] = 0.5, 0, 0
    weights[CAT, 0] = weights[DOG, 1] = 1
    return color_maps(weights, biases, mean=IMAGENET.mean, std=IMAGENET.std, **options)


def model_of(content, **options):
    return semantic.build(OnnxRuntime(content), name="mine", **options)


def segformer(canvas=(64, 96), stride=4, **options):
    """SegFormer: a fixed input, logits at a quarter of it."""
    weights, biases = THREE
    content = color_maps(
        weights,
        biases,
        mean=IMAGENET.mean,
        std=IMAGENET.std,
        canvas=canvas,
        stride=stride,
        outputs=("logits",),
    )
    return model_of(content, class_names=NAMES, **options)


@pytest.mark.engine
@pytest.mark.parametrize("outputs", [("out",), ("out", "aux")])
def test_the_zoos_fcn_names_voc_classes(outputs):
    runtime = OnnxRuntime(voc_maps(outputs=outputs))
    assert "21 channels, out" in semantic.recognize(runtime.describe())
    model = semantic.build(runtime, name="fcn")
    image = rectangle_image((90, 140), (20, 10, 70, 60), (255, 0, 0))
    image[40:80, 90:130] = (0, 255, 0)
    found = model.predict(image)
    assert (model.task, found.class_names, found.present()) == (
        "semantic",
        VOC_NAMES,
        ("background", "cat", "dog"),
    )
    assert iou(found.mask("cat"), image[..., 0] > 0) > 0.99
    assert iou(found.mask("dog"), image[..., 1] > 0) > 0.99


@pytest.mark.engine
def test_a_mirrored_image_gives_the_mirrored_map():
    image = rectangle_image((77, 130), (20, 10, 70, 60), (255, 0, 0))
    image[50:70, 5:30] = (0, 255, 0)
    model = segformer()
    plain = model.predict(image).class_map
    for axis in (0, 1):
        turned = model.predict(np.ascontiguousarray(np.flip(image, axis))).class_map
        np.testing.assert_array_equal(np.flip(turned, axis), plain)


@pytest.mark.engine
@pytest.mark.parametrize("size", [(1, 60), (60, 1), (1, 1), (2, 900)])
def test_images_a_pixel_high_or_wide(size):
    image = np.zeros((*size, 3), np.uint8)
    image[size[0] // 2 :, size[1] // 2 :, 0] = 255
    for model in (model_of(voc_maps()), segformer()):
        found = model.predict(image)
        name = "cat" if "cat" in model.class_names else "red"
        assert found.size == size
        assert (found.mask(name) != (image[..., 0] > 0)).mean() < 0.02


@pytest.mark.engine
@settings(max_examples=25)
@given(rectangles())
def test_a_rectangle_lands_where_it_was(scene):
    size, box = scene
    truth = rectangle_image(size, box)[..., 0] > 0
    found = segformer(canvas=(128, 160), stride=1).predict(rectangle_image(size, box, (255, 0, 0)))
    assert iou(found.mask("red"), truth) >= 0.98


@pytest.mark.engine
def test_class_maps_are_taken_as_they_are():
    content = color_maps(*THREE, mean=IMAGENET.mean, std=IMAGENET.std, canvas=(32, 64), ending="ArgMax")
    runtime = OnnxRuntime(content)
    assert "one map of whole numbers" in semantic.recognize(runtime.describe())
    image = rectangle_image((96, 192), (30, 30, 90, 60), (0, 255, 0))
    found = semantic.build(runtime, name="mine", class_names=NAMES).predict(image)
    np.testing.assert_array_equal(found.mask("green"), image[..., 1] > 0)
    with pytest.raises(UnknownLayout, match=r"does not tell how many classes.*mine\.toml"):
        semantic.build(OnnxRuntime(content), name="mine")


def fake(answer, shape=(1, 3, 8, 8), names=NAMES):
    inputs = (TensorSpec("input", shape, "float32"),)
    outputs = tuple(TensorSpec(key, (1, *array.shape[1:]), array.dtype.name) for key, array in answer.items())
    return semantic.build(FakeRuntime(answer, inputs=inputs, outputs=outputs), name="mine", class_names=names)


@pytest.mark.parametrize("shape", [(1, 2, 4), (1, 1, 2, 4)])
def test_ignore_stays_ignore_and_centers_decide(shape):
    classes = np.array([[0, 1, 2, 255], [2, 2, 1, 0]]).reshape(shape)
    found = fake({"map": classes}).predict(np.zeros((4, 8, 3), np.uint8))
    np.testing.assert_array_equal(found.class_map, classes.reshape(2, 4).repeat(2, 0).repeat(2, 1))
    odd = fake({"map": classes}).predict(np.zeros((1, 3, 3), np.uint8)).class_map
    assert odd.tolist() == [[2, 1, 0]]  # row 1; columns 0.67, 2 and 3.33
    assert (found.class_map == IGNORE).sum() == 4


def test_a_score_makes_doubtful_pixels_ignore():
    logits = np.zeros((1, 3, 1, 2), np.float32)
    logits[0, 1] = [[0.1, 5.0]]
    model = fake({"logits": logits})
    image = np.zeros((1, 2, 3), np.uint8)
    assert model.predict(image).class_map.tolist() == [[1, 1]]
    assert model.predict(image).mask_probs is None
    found = model.predict(image, score=0.6)
    assert found.class_map.tolist() == [[IGNORE, 1]]
    np.testing.assert_allclose(found.mask_probs[0, 1], np.exp(5) / (np.exp(5) + 2), rtol=1e-5)
    with pytest.raises(InvalidValue, match="classes without probabilities"):
        fake({"map": np.zeros((1, 2, 2), np.int64)}).predict(image, score=0.5)


def test_logits_are_interpolated_before_the_largest_is_taken():
    """A border between classes of unequal strength lies nearer the weaker one; nearest cells would put it midway."""
    logits = np.zeros((2, 1, 2), np.float32)
    logits[0, 0], logits[1, 0] = (1, -3), (-1, 3)
    classes, _ = best_classes(logits, (1, 80))
    assert classes.argmax() == 30  # difference -2 at 20, 6 at 60: zero at 30
    planes = np.random.default_rng(0).normal(size=(7, 5, 6)).astype(np.float32)
    dense = np.stack([resample(plane, (23, 9)) for plane in planes])
    np.testing.assert_array_equal(best_classes(planes, (23, 9))[0], dense.argmax(axis=0))


def test_the_preprocessing_can_be_told():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    answer = {"logits": np.zeros((1, 3, 2, 2), np.float32)}
    runtime = FakeRuntime(answer, inputs=(TensorSpec("input", (1, 3, 8, 8), "float32"),))
    told = replace(UNIT, mean=(0.1, 0.2, 0.3), std=(0.5, 1, 2), order="bgr")
    semantic.build(runtime, name="x", class_names=NAMES, preprocessing=told).predict(image)
    expected = (image[..., ::-1] / 255 - (0.1, 0.2, 0.3)) / (0.5, 1, 2)
    np.testing.assert_allclose(runtime.seen[0]["input"][0], expected.transpose(2, 0, 1), atol=1e-6)


@pytest.mark.engine
def test_a_free_input_keeps_the_aspect_and_takes_a_size():
    model = model_of(voc_maps())
    assert model.prepare(np.zeros((480, 640, 3), np.uint8)).inputs["input"].shape == (1, 3, 512, 704)
    assert model.prepare(np.zeros((10, 4000, 3), np.uint8)).inputs["input"].shape == (1, 3, 32, 1024)
    small = model_of(voc_maps(), size=256)
    assert small.prepare(np.zeros((480, 640, 3), np.uint8)).inputs["input"].shape == (1, 3, 192, 256)
    with pytest.raises(InvalidValue, match="always 64x96, got 500"):
        segformer(size=500)
    with pytest.raises(InvalidValue, match="need 32 to 4096"):
        model_of(voc_maps(), size=9)


def test_names_must_fit_the_channels():
    logits = np.zeros((1, 3, 2, 2), np.float32)
    with pytest.raises(UnknownLayout, match="each of its 3 classes, got 2"):
        fake({"logits": logits}, names=NAMES[:2])
    with pytest.warns(UserWarning, match="mine does not name its 3 classes"):
        assert fake({"logits": logits}, names=None).class_names == ("class 0", "class 1", "class 2")


def test_what_does_not_fit_is_told():
    image = np.zeros((4, 4, 3), np.uint8)
    good = {"logits": np.zeros((1, 3, 2, 2), np.float32)}
    model = fake(good)
    model.runtime.answer = {"logits": np.zeros((1, 4, 2, 2), np.float32)}
    with pytest.raises(EngineError, match=r"need output logits \(1, 3, h, w\), got \(1, 4, 2, 2\)"):
        model.predict(image)
    with pytest.raises(UnknownLayout, match=r"3 names and classes 0\.\.7"):
        fake({"map": np.array([[[0, 7]]])}).predict(image)
    with pytest.raises(UnknownLayout, match="need logits"):
        fake({"vector": np.zeros((1, 3), np.float32)})
    with pytest.raises(UnknownLayout, match="need logits"):
        fake(good, shape=(1, 7))


LEFT = np.zeros((12, 20), np.float32)
LEFT[:, :7] = 1
SCORES = np.stack([1 - LEFT, LEFT, -LEFT]) * 10  # (3, 12, 20): the left third is class 1
CANVAS = (24, 40)


@pytest.mark.parametrize("inputs", ["first", "last"])
@pytest.mark.parametrize("outputs", ["first", "last"])
@pytest.mark.parametrize("stride", [1, 2])
def test_channels_may_be_first_or_last_on_both_sides(inputs, outputs, stride):
    scores = SCORES.repeat(2 // stride, axis=1).repeat(2 // stride, axis=2)[None]
    answer = scores if outputs == "first" else np.moveaxis(scores, 1, -1)
    shape = (1, 3, *CANVAS) if inputs == "first" else (1, *CANVAS, 3)
    model = fake({"out": np.ascontiguousarray(answer)}, shape=shape)
    assert model.prepare(np.zeros((48, 80, 3), np.uint8)).inputs["input"].shape == shape
    found = model.predict(np.zeros((48, 80, 3), np.uint8))
    assert set(np.unique(found.class_map)) == {0, 1}
    assert (found.class_map[:, :26] == 1).all()
    assert (found.class_map[:, 30:] == 0).all()


def test_a_class_map_may_have_its_only_channel_last():
    classes = np.arange(8).reshape(1, 2, 4, 1) % 3
    found = fake({"map": classes}).predict(np.zeros((2, 4, 3), np.uint8))
    assert (found.class_map == classes[0, :, :, 0]).all()


@pytest.mark.parametrize(
    ("shape", "canvas", "axis"),
    [
        ((1, 64, 64, 2), (64, 64), 3),
        ((1, 2, 64, 64), (64, 64), 1),
        ((1, 64, 64, 64), (64, 64), 1),  # leaves both open
        ((1, 16, 24, 16), (64, 96), 3),
        ((1, 24, 16, 24), (64, 96), 1),
        ((1, None, None, 4), (None, None), 3),
        ((1, 4, None, None), (None, None), 1),
        ((1, 21, 13, 13), (100, 101), 1),
        ((1, 13, 13, 21), (100, 101), 3),
    ],
)
def test_the_sides_of_the_input_tell_where_the_channels_are(shape, canvas, axis):
    info = RuntimeInfo("", "", "", (TensorSpec("i", (1, 3, *canvas), "float32"),), (), {})
    assert channels_axis(info, TensorSpec("o", shape, "float32")) == axis


def test_made_up_names_do_not_decide_what_is_foreground():
    with pytest.warns(UserWarning, match="mine does not name its 2 classes"):
        model = fake({"out": SCORES[None, :2]}, shape=(1, 3, *CANVAS), names=None)
    with pytest.raises(InvalidValue, match=r"none of the 2 classes of mine is called background.*mine\.toml"):
        check_model(SegmentOptions("foreground"), model)
    named = fake({"out": SCORES[None, :2]}, shape=(1, 3, *CANVAS), names=("background", "cat"))
    check_model(SegmentOptions("foreground"), named)
    found = foreground_from_semantic(named.predict(np.zeros((*CANVAS, 3), np.uint8)))
    assert 0.3 < found.mask("foreground").mean() < 0.4


def test_foreground_of_classes_without_a_background_is_refused_unless_classes_are_named():
    names = ("road", "sky", "person")
    model = fake({"out": SCORES[None]}, shape=(1, 3, *CANVAS), names=names)
    with pytest.raises(InvalidValue, match="none of the 3 classes of mine is called background"):
        check_model(SegmentOptions("foreground"), model)
    check_model(SegmentOptions("foreground", classes=("sky",)), model)
    check_model(SegmentOptions("foreground"), fake({"out": SCORES[None]}, names=("_background_", "a", "b")))
