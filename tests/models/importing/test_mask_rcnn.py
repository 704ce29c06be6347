"""The whole import: a thin network at once, the real shape against OpenCV's run of the same weights."""

import sys

import cv2
import numpy as np
import onnx
import pytest

from maskweave.errors import MissingDependency, UnknownLayout
from maskweave.models import mask_rcnn_tf
from maskweave.models.importing import import_frozen_graph
from maskweave.models.loading import load_model
from maskweave.models.mask_rcnn_tf import DETECTIONS, MASKS, Resize
from maskweave.runtimes.onnxruntime import OnnxRuntime
from maskweave.runtimes.opencv import OpenCVRuntime
from tests.models.classic import ClassicWeights, write_frozen

TEXT_GRAPH = "media/mask_rcnn_inception_v2_coco_2018_01_28.pbtxt"
THIN = {"thin": 16}


def make_image(size, seed=0):
    """(H, W, 3) uint8 with coarse and fine structure."""
    random = np.random.default_rng(seed)
    height, width = size
    layers = [
        cv2.resize(random.normal(0, 60, (edge, edge, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
        for edge in (4, 12, 40)
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def imported(tmp_path, **options):
    return import_frozen_graph(write_frozen(ClassicWeights(**options).made, tmp_path / "graph.pb"))


def test_a_users_import_loads_and_finds_objects(tmp_path):
    path = tmp_path / "mine.onnx"
    path.write_bytes(imported(tmp_path, **THIN))
    onnx.checker.check_model(str(path), full_check=True)
    model = load_model(path)
    model.resize = Resize(short=96, max_side=160)
    found = model.predict(make_image((40, 64)), score=0.3)
    assert (model.name, len(model.class_names), model.labels) == ("mine", 80, 90)
    assert len(found) > 3
    assert found.size == (40, 64)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 40), (33, 300), (97, 161)])
def test_every_size_of_image_gives_rows_and_masks(tmp_path, size):
    runtime = OnnxRuntime(imported(tmp_path, **THIN))
    outputs = runtime.run({"image_tensor": make_image(size).astype(np.float32).transpose(2, 0, 1)[None]})
    rows, masks = outputs[DETECTIONS].reshape(-1, 7), outputs[MASKS]
    assert masks.shape == (len(rows), 15, 15)
    assert 1 <= len(rows) <= 100
    assert (np.diff(rows[:, 2]) <= 0).all()
    assert rows[:, 3:].min() >= 0
    assert rows[:, 3:].max() <= 1
    assert np.isfinite(masks).all()


def test_no_object_leaves_one_row_of_score_0(tmp_path):
    runtime = OnnxRuntime(imported(tmp_path, background=1e4, **THIN))
    outputs = runtime.run({"image_tensor": np.zeros((1, 3, 64, 64), np.float32)})
    assert outputs[DETECTIONS].shape == (1, 1, 1, 7)
    assert outputs[DETECTIONS][0, 0, 0, 2] == 0
    model = mask_rcnn_tf.build(runtime, name="nothing")
    assert len(model.predict(make_image((40, 64)), score=0)) == 0


def test_other_numbers_of_classes(tmp_path):
    runtime = OnnxRuntime(imported(tmp_path, classes=2, **THIN))
    assert runtime.describe().metadata["maskweave.classes"] == "2"
    model = mask_rcnn_tf.build(
        runtime, name="two", class_names=["a", "b"], resize=Resize(short=96, max_side=160)
    )
    assert set(model.predict(make_image((40, 64)), score=0.3).names) <= {"a", "b"}


def test_the_same_graph_gives_the_same_file(tmp_path):
    assert imported(tmp_path, **THIN) == imported(tmp_path, **THIN)


@pytest.mark.parametrize(
    "name", ["Conv/weights", "Preprocessor/mul/x", "SecondStageBoxPredictor/Conv_1/biases"]
)
def test_a_graph_without_a_constant_is_another_network(tmp_path, name):
    made = ClassicWeights(**THIN).made
    del made[name]
    with pytest.raises(
        UnknownLayout, match=f"need the constant {name} .* is it a frozen Mask R-CNN inception"
    ):
        import_frozen_graph(write_frozen(made, tmp_path / "graph.pb"))


def test_widths_that_do_not_fit_each_other(tmp_path):
    made = ClassicWeights(**THIN).made
    made["Conv/weights"] = made["Conv/weights"][:, :, :-1]
    with pytest.raises(
        UnknownLayout,
        match=r"graph.pb: need the constant Conv/weights \(3, 3, 36, any\), got \(3, 3, 35, 32\)",
    ):
        import_frozen_graph(write_frozen(made, tmp_path / "graph.pb"))


@pytest.mark.parametrize("library", ["onnx", "google.protobuf"])
def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch, library):
    for name in [each for each in sys.modules if each.startswith("maskweave.models.importing.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependency, match=r"pip install 'maskweave\[import\]'"):
        import_frozen_graph(tmp_path / "graph.pb")


def both_routes(shared_data, tmp_path, seed):
    """Runtimes for one graph: OpenCV's and the imported one."""
    frozen = write_frozen(ClassicWeights(seed=seed).made, tmp_path / "frozen_inference_graph.pb")
    opencv = OpenCVRuntime(
        frozen, text_graph=shared_data / TEXT_GRAPH, outputs=mask_rcnn_tf.OUTPUTS, verified=True
    )
    return opencv, OnnxRuntime(import_frozen_graph(frozen))


def kept(outputs):
    """Rows of an output that hold an object with an extent, and their masks."""
    rows = outputs[DETECTIONS].reshape(-1, 7)
    real = (rows[:, 2] > 0) & (rows[:, 5] > rows[:, 3]) & (rows[:, 6] > rows[:, 4])
    rows, masks = rows[real], outputs[MASKS][real]
    return rows, masks if masks.ndim == 3 else masks[np.arange(len(rows)), rows[:, 1].astype(int)]


def order(rows, like):
    """Places of ``rows`` in the order of ``like``: equal scores, such as 1 after rounding, come in any order."""
    apart = abs(rows[:, None, 1:] - like[None, :, 1:]).max(2)
    places = apart.argmin(0)
    assert sorted(places) == list(range(len(rows)))
    return places


@pytest.mark.engine
@pytest.mark.shared
@pytest.mark.parametrize(
    ("seed", "sizes"), [(0, [(97, 161), (130, 83)]), (1, [(96, 160)]), (2, [(213, 320)])]
)
def test_the_real_shape_equals_opencvs_run(tmp_path, shared_data, seed, sizes):
    """Sizes of both parities, since TensorFlow's padding depends on them."""
    opencv, onnxruntime = both_routes(shared_data, tmp_path, seed)
    for size in sizes:
        height, width = size
        blob = make_image(size, seed).astype(np.float32).transpose(2, 0, 1)[None]
        rows, masks = kept(opencv.run({"image_tensor": blob}))
        found_rows, found_masks = kept(onnxruntime.run({"image_tensor": blob}))
        assert len(found_rows) == len(rows) > 5
        places = order(found_rows, rows)
        np.testing.assert_array_equal(found_rows[places, 1], rows[:, 1])
        np.testing.assert_allclose(found_rows[places, 2], rows[:, 2], atol=2e-3)
        pixels = np.array([width, height, width, height])
        np.testing.assert_allclose(found_rows[places, 3:] * pixels, rows[:, 3:] * pixels, atol=0.02)
        np.testing.assert_allclose(found_masks[places], masks, atol=2e-3)


@pytest.mark.engine
@pytest.mark.shared
def test_fewer_proposals_than_100(tmp_path, shared_data):
    """OpenCV fills up with boxes without extent and may report them; they take places, but are no objects."""
    opencv, onnxruntime = both_routes(shared_data, tmp_path, 0)
    blob = make_image((17, 40)).astype(np.float32).transpose(2, 0, 1)[None]
    rows, found = (
        kept(opencv.run({"image_tensor": blob}))[0],
        kept(onnxruntime.run({"image_tensor": blob}))[0],
    )
    for row in rows:
        assert abs(found[:, 1:] - row[1:]).max(1).min() < 1e-3


@pytest.mark.engine
@pytest.mark.shared
def test_decoded_objects_equal_opencvs(tmp_path, shared_data):
    models = [
        mask_rcnn_tf.build(runtime, name="random", resize=Resize(short=160, max_side=240))
        for runtime in both_routes(shared_data, tmp_path, 1)
    ]
    expected, found = (model.predict(make_image((120, 180)), score=0.35) for model in models)
    assert len(found) == len(expected) > 5
    table = [np.column_stack([each.scores, each.class_ids, each.boxes]) for each in (found, expected)]
    found = found[order(*table)]
    assert found.names == expected.names
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.02)
    common = (found.masks.dense() & expected.masks.dense()).sum((1, 2))
    either = (found.masks.dense() | expected.masks.dense()).sum((1, 2))
    assert (common / either).min() > 0.99
