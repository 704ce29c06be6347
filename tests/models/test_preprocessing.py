"""Images reach each network as its makers fed them in training, against their recipes restated."""

import numpy as np
import pytest

from maskweave.errors import InvalidValue, UnknownLayout
from maskweave.models import dfine_seg, rfdetr_seg, rtmdet_ins, torchvision_mask_rcnn, yolo_seg
from maskweave.ops.preprocessing import Preprocessing
from maskweave.runtimes.base import TensorSpec
from tests.runtimes.fake import FakeRuntime

NAMES = ("cat", "dog")
IMAGE = np.random.default_rng(0).integers(0, 256, (70, 110, 3), dtype=np.uint8)


def model_of(module, shape, *, dtype="float32", metadata=None, **options):
    outputs = (TensorSpec("output0", (1, 9, 84), "float32"), TensorSpec("output1", (1, 3, 8, 8), "float32"))
    if module is not yolo_seg:
        outputs = ()
    runtime = FakeRuntime(
        {}, inputs=(TensorSpec("input", shape, dtype),), outputs=outputs, metadata=metadata or {}
    )
    return module.build(runtime, name="mine", class_names=NAMES, **options)


def fed(model, image=IMAGE):
    (tensor,) = model.prepare(image).inputs.values()
    return tensor


def bilinear(image, height, width):
    """(height, width, 3) float, interpolated between pixel centers, constant beyond the outermost; no averaging."""

    def neighbors(new, old):
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.minimum(at.astype(int), max(old - 2, 0))
        return low, np.minimum(low + 1, old - 1), at - low

    top, bottom, down = neighbors(height, image.shape[0])
    left, right, across = neighbors(width, image.shape[1])
    rows = image[top] * (1 - down)[:, None, None] + image[bottom] * down[:, None, None]
    return rows[:, left] * (1 - across)[:, None] + rows[:, right] * across[:, None]


ROUNDED = 1.0  # OpenCV resizes images in whole values, 0.8 of one off at most


@pytest.mark.parametrize("side", [48, 312])
def test_rfdetr(side):
    tensor = fed(model_of(rfdetr_seg, (1, 3, side, side)))
    assert (tensor.shape, tensor.dtype) == ((1, 3, side, side), np.float32)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (bilinear(IMAGE, side, side) / 255 - mean) / std
    np.testing.assert_allclose(tensor[0].transpose(1, 2, 0), expected, atol=ROUNDED / 255 / 0.224 + 1e-5)


def test_dfine():
    tensor = fed(model_of(dfine_seg, (1, 3, 64, 96)))
    np.testing.assert_allclose(
        tensor[0].transpose(1, 2, 0), bilinear(IMAGE, 64, 96) / 255, atol=ROUNDED / 255 + 1e-6
    )


def test_rtmdet():
    """mmdet: Resize keeping the ratio, Pad with 114 on the right and below, then the normalization, BGR."""
    tensor = fed(model_of(rtmdet_ins, (1, 3, 96, 96)))
    canvas = np.full((96, 96, 3), 114.0)
    canvas[:61] = bilinear(IMAGE, 61, 96)  # 70 * 96 / 110 = 61.1
    expected = (canvas[:, :, ::-1] - [103.53, 116.28, 123.675]) / [57.375, 57.12, 58.395]
    np.testing.assert_allclose(tensor[0].transpose(1, 2, 0), expected, atol=ROUNDED / 57.12 + 1e-5)


def test_yolo():
    """ultralytics: LetterBox, 114 on both sides, the odd pixel below."""
    tensor = fed(model_of(yolo_seg, (1, 3, 96, 96)))
    canvas = np.full((96, 96, 3), 114.0)
    canvas[17:78] = bilinear(IMAGE, 61, 96)  # 35 to pad: 17 above, 18 below
    np.testing.assert_allclose(tensor[0].transpose(1, 2, 0), canvas / 255, atol=ROUNDED / 255 + 1e-6)


def test_torchvision_keeps_a_image_that_is_small_enough():
    tensor = fed(model_of(torchvision_mask_rcnn, (3, None, None)))
    np.testing.assert_allclose(tensor.transpose(1, 2, 0), IMAGE / 255, atol=1e-6)
    fixed = fed(model_of(torchvision_mask_rcnn, (1, 3, 96, 128)))
    assert fixed.shape == (1, 3, 96, 128)
    assert not fixed[0, :, 82:].any()  # 70 * 128 / 110 = 81.5


@pytest.mark.parametrize(
    ("module", "preprocessing", "shape"),
    [(yolo_seg, None, (1, 3, 64, 96)), (dfine_seg, None, (1, 3, 96, 96)), (rtmdet_ins, None, (1, 3, 64, 96))],
)
def test_a_free_input_gets_the_size_asked_for(module, preprocessing, shape):
    assert fed(model_of(module, (1, 3, None, None), size=96)).shape == shape
    assert max(fed(model_of(module, (None, 3, None, None))).shape) == 640


def test_yolo_knows_the_size_it_was_trained_at():
    for told, side in (("[480, 320]", 480), ("1280", 1280), ("[]", 640), ("[9999999]", 640)):
        assert model_of(yolo_seg, (1, 3, None, None), metadata={"imgsz": told}).fed.long_side == side


def test_half_precision_files_get_half_precision():
    tensor = fed(model_of(yolo_seg, (1, 3, 96, 96), dtype="float16"))
    assert tensor.dtype == np.float16
    assert tensor.max() <= 1


def test_an_input_with_channels_last_is_fed_the_same_values():
    first, last = (fed(model_of(rfdetr_seg, shape)) for shape in ((1, 3, 64, 96), (1, 64, 96, 3)))
    assert last.shape == (1, 64, 96, 3)
    np.testing.assert_array_equal(np.moveaxis(last, -1, 1), first)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((8, 3, 64, 64), "float32", r"need one input \(1, 3, H, W\) of floats, got input \(8, 3, 64, 64\)"),
        ((1, 64, 64, 4), "float32", "need one input"),
        ((1, 3, 64, 64), "uint8", "need one input"),
        ((1, 3, 64, None), "float32", "both free or both fixed, got 64xany"),
        ((1, 3, None, None), "float32", "takes any size; give the one it was trained on"),
    ],
)
def test_inputs_that_no_image_can_be_laid_into(shape, dtype, message):
    with pytest.raises(UnknownLayout, match=message):
        model_of(rfdetr_seg, shape, dtype=dtype)


def test_a_size_that_the_input_does_not_have():
    assert model_of(rfdetr_seg, (1, 3, 96, 96), size=96).fed.canvas == (96, 96)
    with pytest.raises(InvalidValue, match="always 96x96, got 128"):
        model_of(rfdetr_seg, (1, 3, 96, 96), size=128)
    with pytest.raises(InvalidValue, match="need 32 to 4096 pixels, got 31"):
        model_of(rfdetr_seg, (1, 3, None, None), size=31)


def test_an_overlap_that_cannot_be():
    for module in (yolo_seg, dfine_seg):
        with pytest.raises(InvalidValue, match=r"nms_iou: need a number in \[0, 1\], got 2"):
            model_of(module, (1, 3, 96, 96), nms_iou=2)


def test_words():
    assert Preprocessing().in_words() == "RGB 0..255 x 0.00392157; squashed, aspect not kept; bilinear"
