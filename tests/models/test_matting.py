"""Soft foreground: U²-Net, IS-Net, BiRefNet, MODNet and PP-HumanSeg, each with its published layout and values."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings

from maskweave.catalog.entries import all_entries, find
from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models import human_seg, matting, semantic
from maskweave.models.loading import FAMILIES, recognize
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.preprocessing import HALF, IMAGENET, UNIT, Preprocessing
from maskweave.runtimes.base import TensorSpec
from maskweave.runtimes.onnxruntime import OnnxRuntime
from tests.models.maps import color_maps, iou, rectangle_image
from tests.models.rectangles import rectangles
from tests.runtimes.fake import FakeRuntime

GRAY = np.full((1, 3), 1 / 3), np.zeros(1)  # alpha is the brightness
STEEP = np.full((1, 3), 8.0), np.array([-12.0])  # logits: -12 for black, 12 for white


def of(norm):
    return {"mean": norm.mean, "std": norm.std}


# The catalog's name, and an ONNX file of its layout, smaller where the published one is large.
LAYOUTS = {
    "u2net": color_maps(
        *GRAY,
        **of(IMAGENET),
        input_name="input.1",
        canvas=(128, 128),
        outputs=("1959", "1960", "1961", "1962", "1963", "1964", "1965"),
    ),
    "isnet": color_maps(
        *GRAY, **of(replace(UNIT, mean=(0.5, 0.5, 0.5))), canvas=(128, 128), outputs=("output", "2", "3")
    ),
    "birefnet-lite": color_maps(*STEEP, **of(IMAGENET), canvas=(128, 128), outputs=("output_image",)),
    "modnet": color_maps(*GRAY, **of(HALF), outputs=("output",), half=True),
    "human-seg": color_maps(
        np.array([[-4.0] * 3, [4.0] * 3]),
        np.array([6.0, -6.0]),
        **of(HALF),
        canvas=(192, 192),
        ending="Softmax",
    ),
}


def model_of(name):
    entry = find(name)
    return FAMILIES[entry.family].build(OnnxRuntime(LAYOUTS[name]), name=name, **entry.options)


@pytest.fixture(scope="module", params=LAYOUTS)
def model(request):
    return model_of(request.param)


@pytest.mark.engine
@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_is_recognized_as_its_family(name):
    family, reason = recognize(OnnxRuntime(LAYOUTS[name]).describe())
    assert family == find(name).family
    assert "it takes a" in reason


@pytest.mark.engine
def test_white_is_foreground_and_an_empty_scene_is_empty(model):
    image = rectangle_image((120, 200), (30, 20, 110, 90))
    found = model.predict(image)
    assert (model.task, found.class_names) == ("foreground", ("background", "foreground"))
    assert iou(found.mask("foreground"), image[..., 0] > 0) >= 0.98
    for empty in (np.zeros((50, 70, 3), np.uint8), np.full((50, 70, 3), 40, np.uint8)):
        nothing = model.predict(empty)
        assert not nothing.mask("foreground").any()
        assert nothing.alpha.max() < 0.3  # 40 / 255, or far below: never stretched to 1


@pytest.mark.engine
def test_alpha_is_soft(model):
    ramp = np.repeat(np.linspace(0, 255, 256).astype(np.uint8)[None, :, None], 60, axis=0).repeat(3, axis=2)
    alpha = model.predict(ramp).alpha
    assert ((alpha > 0.2) & (alpha < 0.8)).any()
    assert (np.diff(alpha[30]) >= -2e-3).all()
    assert abs(float(alpha[30, 127:129].mean()) - 0.5) < 0.02


@pytest.mark.engine
def test_a_mirrored_image_gives_the_mirrored_alpha(model):
    image = np.random.default_rng(1).integers(0, 256, (44, 60, 3), dtype=np.uint8)
    plain = model.predict(image).alpha
    turned = model.predict(np.ascontiguousarray(image[:, ::-1])).alpha
    np.testing.assert_allclose(turned[:, ::-1], plain, atol=0.02)


@pytest.mark.engine
@pytest.mark.parametrize("size", [(1, 60), (60, 1), (1, 1), (2, 700)])
def test_images_a_pixel_high_or_wide(model, size):
    image = np.zeros((*size, 3), np.uint8)
    image[size[0] // 2 :, size[1] // 2 :] = 255
    found = model.predict(image)
    assert found.size == found.alpha.shape == size
    assert (found.mask("foreground") != (image[..., 0] > 0)).mean() < 0.02


@pytest.mark.engine
@settings(max_examples=10)
@given(rectangles())
def test_a_rectangle_lands_where_it_was(model, scene):
    size, box = scene
    """A fiftieth may be wrong; in a narrow image, where that is less than a pixel, the pixels at the edge."""
    image = rectangle_image(size, box)
    true = image[..., 0]
    edge = cv2.dilate(true, np.ones((3, 3))) != cv2.erode(true, np.ones((3, 3)))
    mask = model.predict(image).mask("foreground")
    assert iou(mask, true > 0) >= 0.98 or not ((mask != (true > 0)) & ~edge).any()


def fake(values, **options):
    inputs = (TensorSpec("input", (1, 3, 8, 8), "float32"),)
    return matting.build(FakeRuntime({"alpha": values}, inputs=inputs), name="mine", **options)


def test_the_score_is_the_threshold_of_the_mask_not_of_alpha():
    alpha = np.array([[[[0.2, 0.5, 0.6, 0.9]]]], np.float32)
    image = np.zeros((1, 4, 3), np.uint8)
    found = fake(alpha).predict(image)
    assert found.class_map.tolist() == [[0, 0, 1, 1]]
    strict = fake(alpha).predict(image, score=0.7)
    assert strict.class_map.tolist() == [[0, 0, 0, 1]]
    np.testing.assert_array_equal(strict.alpha, alpha[0, 0])


def test_logits_that_nobody_announced_are_an_error_not_a_guess():
    logits = np.array([[[[-3.0, 8.0]]]], np.float32)
    image = np.zeros((1, 2, 3), np.uint8)
    with pytest.raises(
        UnknownLayout, match=r"got -3\.\.8: these are logits; write `logits = true` in mine\.toml"
    ):
        fake(logits).predict(image)
    np.testing.assert_allclose(fake(logits, logits=True).predict(image).alpha, [[0.0474, 0.9997]], atol=1e-4)
    extreme = np.array([[[[-1e9, 1e9, np.nan, np.inf]]]], np.float32)
    found = fake(extreme, logits=True).predict(np.zeros((1, 4, 3), np.uint8))
    assert found.alpha.tolist() == [[0, 1, 0, 1]]


def test_numbers_just_outside_are_cut_and_what_is_none_is_nothing():
    values = np.array([[[[-0.01, 1.02, np.nan]]]], np.float32)
    assert fake(values).predict(np.zeros((1, 3, 3), np.uint8)).alpha.tolist() == [[0, 1, 0]]


def test_human_seg_takes_logits_and_probabilities_alike():
    """Which is the larger never changes; alpha is one half where they are equal."""
    scores = np.random.default_rng(2).normal(size=(1, 2, 192, 192)).astype(np.float32)
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    image = np.zeros((192, 192, 3), np.uint8)
    inputs = (TensorSpec("x", (1, 3, 192, 192), "float32"),)
    found = [
        human_seg.build(FakeRuntime({"y": each}, inputs=inputs), name="x").predict(image)
        for each in (scores, shares)
    ]
    for each in found:
        np.testing.assert_array_equal(each.mask("foreground"), scores[0, 1] > scores[0, 0])
        np.testing.assert_allclose(each.alpha, shares[0, 1], atol=1e-5)


def test_wrong_layouts_are_told():
    inputs = (TensorSpec("input", (1, 3, 8, 8), "float32"),)
    three = {"maps": np.zeros((1, 3, 8, 8), np.float32)}
    with pytest.raises(UnknownLayout, match=r"need a first output \(1, 1, h, w\)"):
        matting.build(FakeRuntime(three, inputs=inputs), name="x")
    with pytest.raises(UnknownLayout, match="take family semantic"):
        human_seg.build(FakeRuntime(three, inputs=inputs), name="x")
    with pytest.raises(UnknownLayout, match="need class names background and foreground, got hair"):
        fake(np.zeros((1, 1, 8, 8), np.float32), class_names=("hair",))
    with pytest.raises(InvalidValue, match="always 8x8, got 320"):
        fake(np.zeros((1, 1, 8, 8), np.float32), size=320)
    model = fake(np.zeros((1, 1, 8, 8), np.float32))
    model.runtime.answer = three
    with pytest.raises(EngineError, match=r"need output alpha \(1, 1, h, w\)"):
        model.predict(np.zeros((8, 8, 3), np.uint8))
    assert recognize(FakeRuntime({"vector": np.zeros((1, 5), np.float32)}, inputs=inputs).describe()) is None


def test_every_entry_of_a_family_of_maps_says_how_images_are_prepared():
    for entry in all_entries():
        if FAMILIES[entry.family] in (matting, human_seg):
            assert isinstance(entry.options["preprocessing"], Preprocessing)
    assert find("birefnet-general").options["logits"]
    assert find("isnet").options["preprocessing"] == replace(UNIT, mean=(0.5, 0.5, 0.5))
    assert semantic.build.__kwdefaults__["preprocessing"] == IMAGENET


def test_the_order_of_channels_and_bad_numbers():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    whole = Letterbox.squash((2, 2), (2, 2))
    np.testing.assert_allclose(UNIT.planes(image, whole), image.transpose(2, 0, 1) / 255, atol=1e-7)
    swapped = replace(UNIT, order="bgr").planes(image, whole)
    np.testing.assert_array_equal(swapped, UNIT.planes(image, whole)[::-1])
    for wrong in ({"std": (1, 0, 1)}, {"mean": (0.5, 0.5)}, {"order": "rbg"}):
        with pytest.raises(InvalidValue, match="preprocessing"):
            replace(UNIT, **wrong)


def test_the_only_channel_may_be_last():
    values = np.zeros((1, 6, 10, 1), np.float32)
    values[:, :, :5] = 1
    inputs = (TensorSpec("input", (1, 3, 6, 10), "float32"),)
    outputs = (TensorSpec("alpha", (1, 6, 10, 1), "float32"),)
    model = matting.build(FakeRuntime({"alpha": values}, inputs=inputs, outputs=outputs), name="mine")
    assert (model.predict(np.zeros((6, 10, 3), np.uint8)).alpha == values[0, :, :, 0]).all()
