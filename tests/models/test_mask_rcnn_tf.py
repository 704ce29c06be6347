"""The classic Mask R-CNN: its decoder, a tiny graph through OpenCV, and a graph of the real shape."""

import math

import cv2
import numpy as np
import pytest

from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models import mask_rcnn_tf
from maskweave.models.mask_rcnn_tf import DETECTIONS, MASKS, Resize
from maskweave.ops.coco_names import COCO_IDS, LABEL_CLASSES
from maskweave.runtimes.opencv import OpenCVRuntime
from tests.models.classic import ClassicWeights, write_frozen
from tests.models.graphs import tiny_mask_rcnn
from tests.runtimes.fake import FakeRuntime

TEXT_GRAPH = "media/mask_rcnn_inception_v2_coco_2018_01_28.pbtxt"
DOG, UNUSED_12 = 17, 11  # COCO's 18 and 12, less one


def rows(*found):
    """detection_out_final with rows (class, score, x1, y1, x2, y2), and one row of zeros at the end."""
    table = np.zeros((len(found) + 1, 7), np.float32)
    for row, values in zip(table, found, strict=False):
        row[1:] = values
    return table


def model_with(table, masks=None, **options):
    masks = np.full((len(table), 90, 15, 15), 0.9, np.float32) if masks is None else masks
    runtime = FakeRuntime({DETECTIONS: table[None, None], MASKS: masks})
    return mask_rcnn_tf.build(runtime, name="classic", **options)


def halves(count):
    """(count, 90, 15, 15) masks whose left half is sure."""
    masks = np.zeros((count, 90, 15, 15), np.float32)
    masks[..., :7] = 1
    masks[..., 7] = 0.5
    return masks


def pasted_by_loops(table, masks, size, score, threshold=0.5):
    """The published post-processing, restated pixel by pixel: (class, score, (H, W) mask) of each detection.

    Source: OpenCV's samples/dnn/mask_rcnn.py and the Object Detection API's reframe_box_masks_to_image_masks:
    take the mask of the detection's class, stretch it over the box bilinearly, compare with the threshold.
    """
    height, width = size
    found = []
    for row, grids in zip(table, masks, strict=True):
        _, class_id, confidence, x1, y1, x2, y2 = (float(each) for each in row)
        if confidence <= 0 or confidence < score:
            continue
        grid = grids[int(class_id)]
        left, top, right, bottom = x1 * width, y1 * height, x2 * width, y2 * height
        mask = np.zeros(size, np.float64)
        for y in range(height):
            for x in range(width):
                if left <= x + 0.5 < right and top <= y + 0.5 < bottom:
                    mask[y, x] = bilinear(
                        grid, (x + 0.5 - left) / (right - left), (y + 0.5 - top) / (bottom - top)
                    )
        found.append((int(class_id), confidence, mask))
    return found


def bilinear(grid, across, down):
    """The value of a square grid of cell centers at a place given in 0..1 of its sides."""
    cells = len(grid)
    x = min(max(across * cells - 0.5, 0), cells - 1)
    y = min(max(down * cells - 0.5, 0), cells - 1)
    left, top = math.floor(x), math.floor(y)
    right, bottom = min(left + 1, cells - 1), min(top + 1, cells - 1)
    upper = grid[top, left] * (1 - (x - left)) + grid[top, right] * (x - left)
    lower = grid[bottom, left] * (1 - (x - left)) + grid[bottom, right] * (x - left)
    return upper * (1 - (y - top)) + lower * (y - top)


def sample_of_opencv(row, grids, size):
    """Mask of one detection as OpenCV's sample makes it: whole-pixel box, both ends included."""
    height, width = size
    left, right = (max(0, min(int(width * each), width - 1)) for each in (row[3], row[5]))
    top, bottom = (max(0, min(int(height * each), height - 1)) for each in (row[4], row[6]))
    mask = np.zeros(size, bool)
    grid = cv2.resize(grids[int(row[1])], (right - left + 1, bottom - top + 1))
    mask[top : bottom + 1, left : right + 1] = grid > 0.5
    return mask


def test_names_are_the_80_of_coco():
    model = model_with(rows())
    assert model.class_names == mask_rcnn_tf.CLASS_NAMES == tuple(COCO_IDS)


@pytest.mark.parametrize("label", range(90))
def test_every_label_is_the_coco_category_above_it(label):
    """The label map of the Object Detection API: class is COCO's id less one, ten ids are gaps."""
    names = {coco_id: name for name, coco_id in COCO_IDS.items()}
    found = model_with(rows((label, 0.9, 0, 0, 1, 1))).predict(np.zeros((8, 8, 3), np.uint8))
    expected = () if label + 1 in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83) else (names[label + 1],)
    assert found.names == expected


@pytest.mark.parametrize("label", [-1, 90, 1e30])
def test_labels_beyond_the_classes_are_dropped(label):
    model = model_with(rows((label, 0.9, 0, 0, 1, 1), (DOG, 0.6, 0, 0, 1, 1)))
    assert model.predict(np.zeros((8, 8, 3), np.uint8)).names == ("dog",)


def test_boxes_scores_and_names():
    model = model_with(rows((DOG, 0.9, 0.25, 0.5, 0.75, 1.0), (0, 0.4, 0, 0, 0.5, 0.5)))
    found = model.predict(np.zeros((40, 80, 3), np.uint8), score=0.3)
    assert found.names == ("dog", "person")
    assert found.boxes.tolist() == [[20, 20, 60, 40], [0, 0, 40, 20]]
    np.testing.assert_allclose(found.scores, [0.9, 0.4], rtol=1e-6)
    assert found.masks.areas.tolist() == [40 * 20, 40 * 20]


def test_score_threshold():
    model = model_with(rows((0, 0.75, 0, 0, 1, 1), (0, 0.5, 0, 0, 1, 1)))
    image = np.zeros((8, 8, 3), np.uint8)
    assert [len(model.predict(image, score=each)) for each in (0, 0.5, 0.51, 0.75, 0.76)] == [2, 2, 1, 1, 0]
    assert len(model.predict(image)) == 2  # its own default is 0.5


def test_unused_classes_are_never_reported():
    model = model_with(rows((UNUSED_12, 0.99, 0, 0, 1, 1), (DOG, 0.6, 0, 0, 1, 1)))
    assert model.predict(np.zeros((8, 8, 3), np.uint8)).names == ("dog",)


def test_each_object_takes_the_mask_of_its_own_class():
    masks = np.zeros((2, 90, 15, 15), np.float32)
    masks[0, DOG] = 1
    model = model_with(rows((DOG, 0.9, 0, 0, 1, 1)), masks)
    assert model.predict(np.zeros((8, 8, 3), np.uint8)).masks.areas.tolist() == [64]
    other = model_with(rows((DOG + 1, 0.9, 0, 0, 1, 1)), masks)
    assert len(other.predict(np.zeros((8, 8, 3), np.uint8))) == 0  # without a pixel it is no object


def test_mask_threshold():
    masks = np.full((2, 90, 15, 15), 0.4, np.float32)
    table, image = rows((0, 0.9, 0, 0, 1, 1)), np.zeros((8, 8, 3), np.uint8)
    assert len(model_with(table, masks).predict(image)) == 0
    assert len(model_with(table, masks, mask_threshold=0.3).predict(image)) == 1


def test_mask_of_a_box_over_the_edge_is_cut_and_not_squeezed():
    table = rows((0, 0.9, -0.5, 0.0, 0.5, 1.0))
    image = np.zeros((60, 60, 3), np.uint8)
    assert len(model_with(table, halves(2)).predict(image)) == 0  # its left half lies outside
    found = model_with(table, halves(2)[..., ::-1]).predict(image)
    assert found.boxes.tolist() == [[0, 0, 30, 60]]
    assert found.masks.boxes.tolist() == [[0, 0, 30, 60]]


def test_decoder_equals_the_loops():
    random = np.random.default_rng(3)
    corners = np.sort(random.uniform(-0.2, 1.2, (12, 2, 2)), axis=1).reshape(12, 4)
    table = rows(*((index % 5, 0.95 - index / 40, *box) for index, box in enumerate(corners)))
    masks = random.uniform(0, 1, (len(table), 90, 15, 15)).astype(np.float32)
    found = model_with(table, masks).predict(np.zeros((37, 53, 3), np.uint8), score=0.7)
    expected = [each for each in pasted_by_loops(table, masks, (37, 53), 0.7) if (each[2] > 0.5).any()]
    assert len(found) == len(expected) > 6
    same(found, expected)


def same(found, expected):
    """Objects equal the loops', whose classes are the network's labels.

    Pixels whose probability is the threshold, rounding apart, may differ.
    """
    assert found.class_ids.tolist() == [LABEL_CLASSES[label] for label, _, _ in expected]
    np.testing.assert_allclose(found.scores, [score for _, score, _ in expected], rtol=1e-6)
    for mask, (_, _, probs) in zip(found.masks.dense(), expected, strict=True):
        clear = abs(probs - 0.5) > 1e-4
        np.testing.assert_array_equal(mask[clear], (probs > 0.5)[clear])


def test_prepare_keeps_aspect_and_values():
    image = np.random.default_rng(0).integers(0, 256, (800, 1000, 3), dtype=np.uint8)
    prepared = model_with(rows()).prepare(image)
    tensor = prepared.inputs["image_tensor"]
    assert tensor.dtype == np.float32
    np.testing.assert_array_equal(tensor, image.transpose(2, 0, 1)[None])


@pytest.mark.parametrize(
    ("size", "resize", "expected"),
    [
        ((480, 640), None, (800, 1067)),
        ((480, 1920), None, (341, 1365)),
        ((480, 1920), Resize(keep_aspect=False), (800, 800)),
        ((1, 3000), None, (1, 1365)),
        ((100, 50), Resize(short=160, max_side=200), (200, 100)),
    ],
)
def test_input_sizes(size, resize, expected):
    prepared = model_with(rows(), resize=resize).prepare(np.zeros((*size, 3), np.uint8))
    assert prepared.inputs["image_tensor"].shape == (1, 3, *expected)
    assert prepared.letterbox.source_size == size


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_broken_rows_are_dropped(value):
    for column in range(1, 7):
        table = rows((0, 0.9, 0, 0, 1, 1))
        table[0, column] = value
        assert len(model_with(table).predict(np.zeros((8, 8, 3), np.uint8))) == 0


def test_outputs_that_do_not_fit():
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(EngineError, match="need detection_out_final"):
        model_with(rows(), np.zeros((7, 90, 15, 15), np.float32)).predict(image)
    with pytest.raises(UnknownLayout, match="each of its 3 classes, got 80"):
        model_with(rows(), np.zeros((1, 3, 15, 15), np.float32)).predict(image)
    model = model_with(rows())
    with pytest.raises(EngineError, match="detection_masks is missing"):
        model.decode({DETECTIONS: rows()}, model.prepare(image).letterbox, score=0.5)


def test_masks_of_the_rows_own_classes():
    """Imported models give one mask a row, and their metadata say how many classes there are."""
    table = rows((UNUSED_12, 0.9, 0, 0, 1, 1), (DOG, 0.8, 0, 0, 1, 1), (0, 0.2, 0, 0, 1, 1))
    masks = np.zeros((4, 15, 15), np.float32)
    masks[1, :, 7:] = 1
    told = {"maskweave.classes": "90"}
    runtime = FakeRuntime({DETECTIONS: table[None, None], MASKS: masks}, metadata=told)
    found = mask_rcnn_tf.build(runtime, name="imported").predict(np.zeros((30, 30, 3), np.uint8))
    assert found.names == ("dog",)
    assert found.masks.boxes.tolist() == [[14, 0, 30, 30]]
    wide = FakeRuntime({DETECTIONS: table[None, None], MASKS: np.zeros((4, 90, 15, 15))}, metadata=told)
    model = mask_rcnn_tf.build(wide, name="imported")
    with pytest.raises(EngineError, match=r"and detection_masks \(N, M, M\), got"):
        model.predict(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("told", ["0", "many", "-1", ""])
def test_metadata_that_name_no_number_of_classes(told):
    runtime = FakeRuntime({DETECTIONS: rows(), MASKS: rows()}, metadata={"maskweave.classes": told})
    with pytest.raises(UnknownLayout, match=r"need maskweave\.classes to be a number above 0"):
        mask_rcnn_tf.build(runtime, name="imported")


def test_own_class_names():
    masks = np.ones((2, 3, 15, 15), np.float32)
    model = model_with(rows((2, 0.9, 0, 0, 1, 1)), masks, class_names=["a", "b", "c"])
    assert model.predict(np.zeros((8, 8, 3), np.uint8)).names == ("c",)


def test_a_network_with_just_the_80_classes_or_90_own_ones():
    image, table = np.zeros((8, 8, 3), np.uint8), rows((11, 0.9, 0, 0, 1, 1))
    dense = model_with(table, np.ones((2, 80, 15, 15), np.float32))
    assert dense.predict(image).names == ("stop sign",)
    own = model_with(table, class_names=[f"own {index}" for index in range(90)])
    assert own.predict(image).names == ("own 11",)


def test_build_refuses():
    with pytest.raises(UnknownLayout, match="got other; is the text graph right"):
        mask_rcnn_tf.build(FakeRuntime({"other": np.zeros(1)}), name="mine")
    with pytest.raises(InvalidValue, match="mask_threshold"):
        model_with(rows(), mask_threshold=-1)
    with pytest.raises(InvalidValue, match="resize"):
        Resize(short=0)


def test_recognize():
    assert "detection_masks" in mask_rcnn_tf.recognize(model_with(rows()).runtime.describe())
    assert mask_rcnn_tf.recognize(FakeRuntime({"detection_masks": np.zeros(1)}).describe()) is None


@pytest.mark.engine
def test_tiny_graph_through_opencv(tmp_path):
    """Colors reach the network as RGB 0..255 and its two outputs come back in order and shape."""
    table = np.array(
        [
            [0, DOG, 0.9, 0.1, 0.2, 0.5, 0.9],
            [0, UNUSED_12, 0.8, 0.0, 0.0, 1.0, 1.0],
            [0, 0, 0.6, 0.5, 0.5, 1.5, 1.5],
        ]
    )
    masks = np.random.default_rng(1).normal(0, 2, (3, 90, 15, 15)).astype(np.float32)
    model_path, text_path = tiny_mask_rcnn(tmp_path, rows=table, masks=masks)
    runtime = OpenCVRuntime(model_path, text_graph=text_path, outputs=mask_rcnn_tf.OUTPUTS)
    assert mask_rcnn_tf.recognize(runtime.describe())
    model = mask_rcnn_tf.build(runtime, name="tiny", resize=Resize(short=32, max_side=64))

    red = np.zeros((40, 60, 3), np.uint8)
    red[..., 0] = 255
    found = model.predict(red, score=0.5)
    assert found.names == ("dog", "person")
    np.testing.assert_allclose(found.boxes, [[6, 8, 30, 36], [30, 20, 60, 40]], atol=1e-4)
    named = np.delete(table, 1, axis=0), np.delete(1 / (1 + np.exp(-masks)), 1, axis=0)
    same(found, pasted_by_loops(*named, (40, 60), 0.5))

    half_red = red // 2
    np.testing.assert_allclose(model.predict(half_red, score=0).scores, [0.45, 0.3], atol=0.01)
    assert len(model.predict(np.ascontiguousarray(red[:, :, ::-1]), score=0)) == 0  # blue
    model.close()


@pytest.mark.engine
@pytest.mark.shared
def test_graph_of_the_real_shape(tmp_path, shared_data):
    """The published text graph with random weights: the whole network, then decoder against loops and sample."""
    text_graph = shared_data / TEXT_GRAPH
    frozen = write_frozen(ClassicWeights().made, tmp_path / "frozen_inference_graph.pb")
    runtime = OpenCVRuntime(frozen, text_graph=text_graph, outputs=mask_rcnn_tf.OUTPUTS)
    model = mask_rcnn_tf.build(runtime, name="random", resize=Resize(short=96, max_side=160))
    image = cv2.resize(np.random.default_rng(1).integers(0, 256, (6, 6, 3), dtype=np.uint8), (64, 40))

    prepared = model.prepare(image)
    outputs = model.infer(prepared.inputs)
    assert outputs[DETECTIONS].shape == (1, 1, 100, 7)
    assert outputs[MASKS].shape == (100, 90, 15, 15)

    found = model.decode(outputs, prepared.letterbox, score=0.35)
    table = outputs[DETECTIONS].reshape(-1, 7)
    named = [LABEL_CLASSES[int(row[1])] >= 0 for row in table]
    expected = pasted_by_loops(table[named], outputs[MASKS][named], (40, 64), 0.35)
    expected = [each for each in expected if (each[2] > 0.5).any()]
    assert len(found) == len(expected) > 5
    same(found, expected)
    agrees_with_sample(found, table[named], outputs[MASKS][named])


def agrees_with_sample(found, table, masks):
    """OpenCV's sample rounds boxes to whole pixels; large objects must be the same all the same."""
    compared = 0
    for mask, score in zip(found.masks.dense(), found.scores, strict=True):
        row = int(np.argmin(abs(table[:, 2] - score)))
        sample = sample_of_opencv(table[row], masks[row], found.size)
        if mask.sum() > 300:
            compared += 1
            assert (mask & sample).sum() / (mask | sample).sum() > 0.85
    assert compared
