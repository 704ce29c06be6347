"""Each family through ONNX Runtime, with a graph of exactly the published names and shapes whose answer is known."""

import json
import warnings

import numpy as np
import pytest

from maskweave.catalog import download
from maskweave.errors import UnknownLayout
from maskweave.models import dfine_seg, loading, rfdetr_seg, rtmdet_ins, torchvision_mask_rcnn, yolo_seg
from maskweave.models.loading import FAMILIES, build_as, recognize
from maskweave.ops.coco_names import COCO_NAMES
from maskweave.ops.iou import mask_iou
from maskweave.runtimes.base import RuntimeInfo, TensorSpec
from maskweave.runtimes.onnxruntime import OnnxRuntime
from maskweave.types.masks import Masks
from tests.models import seg_graphs
from tests.models.graphs import zoo_mask_rcnn
from tests.runtimes.fake import FakeRuntime

BLUE, RED = (10, 20, 40, 60), (50, 30, 90, 70)  # xyxy in an image of at least 90 x 70

GRAPHS = {
    "rfdetr_seg": (seg_graphs.rfdetr, ("dog", "cat", "cow")),
    "rfdetr_seg older": (lambda: seg_graphs.rfdetr(third="4245"), ("dog", "cat", "cow")),
    "rfdetr_seg medium": (lambda: seg_graphs.rfdetr(432, 200), ("dog", "cat", "cow")),
    "rtmdet_ins": (seg_graphs.rtmdet, ("dog", "cat")),
    "rtmdet_ins free": (lambda: seg_graphs.rtmdet(None), ("dog", "cat")),
    "dfine_seg": (seg_graphs.dfine, ("dog", "cat")),
    "yolo_seg": (seg_graphs.yolo, ("dog", 'it\'s a "cat"')),
    "yolo_seg v26": (seg_graphs.yolo_v26, ("dog", 'it\'s a "cat"')),
    "torchvision_mask_rcnn": (seg_graphs.torchvision, ("dog", "cat")),
    "torchvision_mask_rcnn batched": (lambda: seg_graphs.torchvision(batched=True), ("dog", "cat")),
}
pytestmark = pytest.mark.engine


@pytest.fixture(scope="module", params=GRAPHS)
def layout(request):
    """(model, names it finds, best first)."""
    graph, names = GRAPHS[request.param]
    runtime = OnnxRuntime(graph(), threads=1)
    family, _ = recognize(runtime.describe())
    assert family == request.param.split()[0]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="tester does not name its classes")
        return build_as(family, runtime, "tester"), names


def make_image(height, width, blue=BLUE, red=RED):
    image = np.zeros((height, width, 3), np.uint8)
    for channel, (x1, y1, x2, y2) in ((2, blue), (0, red)):
        image[y1:y2, x1:x2, channel] = 255
    return image


def masks_of(size, *boxes):
    return Masks(
        [np.ones((y2 - y1, x2 - x1), bool) for x1, y1, x2, y2 in boxes], [box[:2] for box in boxes], size
    )


def check(found, size, blue, red, names, *, least=0.93):
    """The first object is the blue rectangle, the second the red one, a third the blue one again."""
    assert found.names == names
    where = (blue, red, blue)[: len(names)]
    np.testing.assert_allclose(found.boxes, where, atol=1.0)
    assert np.diag(mask_iou(found.masks, masks_of(size, *where))).min() >= least


@pytest.mark.parametrize("size", [(100, 100), (80, 200), (300, 110)])
def test_rectangles_come_back_where_they_were(layout, size):
    model, names = layout
    found = model.predict(make_image(*size), score=0.5)
    check(found, size, BLUE, RED, names)
    expected = {"rfdetr_seg": (0.881, 0.731, 0.55)}.get(type(model).__module__.split(".")[-1], (0.9, 0.6))
    np.testing.assert_allclose(found.scores, expected, atol=1e-3)


def test_a_mirrored_image_gives_the_mirrored_answer(layout):
    model, names = layout
    image = make_image(80, 130)
    mirrored = np.ascontiguousarray(image[:, ::-1])
    found = model.predict(mirrored, score=0.5)
    blue, red = ((130 - x2, y1, 130 - x1, y2) for x1, y1, x2, y2 in (BLUE, RED))
    check(found, (80, 130), blue, red, names)


def test_images_of_one_row_and_of_one_column(layout):
    model, names = layout
    check(
        model.predict(make_image(1, 60, (5, 0, 20, 1), (30, 0, 50, 1))),
        (1, 60),
        (5, 0, 20, 1),
        (30, 0, 50, 1),
        names,
    )
    check(
        model.predict(make_image(60, 1, (0, 5, 1, 20), (0, 30, 1, 50))),
        (60, 1),
        (0, 5, 1, 20),
        (0, 30, 1, 50),
        names,
    )


def test_objects_at_the_edges_keep_their_last_pixels(layout):
    model, names = layout
    blue, red = (0, 0, 40, 50), (60, 30, 120, 90)
    check(model.predict(make_image(90, 120, blue, red), score=0.5), (90, 120), blue, red, names, least=0.96)


def test_a_score_equal_to_the_threshold_is_kept_and_one_above_all_gives_nothing(layout):
    model, _ = layout
    image = make_image(80, 130)
    best = float(np.float32(model.predict(image, score=0.5).scores[0]))
    assert len(model.predict(image, score=best)) == 1
    found = model.predict(image, score=0.99)
    assert (len(found), found.size, found.class_names) == (0, (80, 130), model.class_names)


def test_no_layout_is_taken_for_another():
    """Whichever family is asked first."""
    files = {name: graph() for name, (graph, _) in GRAPHS.items()} | {"mask_rcnn_onnx": zoo_mask_rcnn()}
    for name, content in files.items():
        info = OnnxRuntime(content).describe()
        takers = [family for family, module in FAMILIES.items() if module.recognize(info)]
        assert takers == [name.split()[0]]


def build(module, content, **options):
    return module.build(OnnxRuntime(content), name="mine", **options)


def test_rfdetr_takes_sparse_coco_or_what_it_is_told():
    model = build(rfdetr_seg, seg_graphs.rfdetr())
    assert model.class_names == COCO_NAMES
    assert build(rfdetr_seg, seg_graphs.rfdetr(), class_names=COCO_NAMES).class_names == COCO_NAMES
    own = build(rfdetr_seg, seg_graphs.rfdetr(columns=4), class_names=["a", "b", "c"])
    assert own.class_names == ("a", "b", "c")
    # columns 18 % 4, 17 % 4 and 12 % 4 (a, of a query without a mask); column 3 was never trained
    assert own.predict(make_image(80, 130), score=0.5).names == ("c", "b", "b")
    with pytest.raises(UnknownLayout, match="a name for each of its 4 classes, got 2"):
        build(rfdetr_seg, seg_graphs.rfdetr(columns=4), class_names=["a", "b"])
    with pytest.warns(UserWarning, match="mine does not name its 4 classes: called class 0 to class 3"):
        assert build(rfdetr_seg, seg_graphs.rfdetr(columns=4)).class_names[3] == "class 3"


def test_rfdetr_has_no_more_objects_than_queries():
    """The best pairs of query and class count, as many as there are queries."""
    queries, columns = 4, 3
    logits = np.arange(queries * columns, dtype=np.float32).reshape(1, queries, columns)
    outputs = {
        "dets": np.tile(np.array([0.5, 0.5, 1, 1], np.float32), (1, queries, 1)),
        "labels": logits,
        "masks": np.ones((1, queries, 16, 16), np.float32),
    }
    inputs = (TensorSpec("input", (1, 3, 64, 64), "float32"),)
    model = rfdetr_seg.build(FakeRuntime(outputs, inputs=inputs), name="mine", class_names=["a", "b", "c"])
    assert model.predict(np.zeros((9, 9, 3), np.uint8), score=0.1).names == ("c", "b", "a", "c")


def test_rfdetr_of_the_catalog_is_built_with_its_names(tmp_path, monkeypatch):
    path = tmp_path / "rfdetr-seg-nano.onnx"
    path.write_bytes(seg_graphs.rfdetr())
    monkeypatch.setattr(download, "pull", lambda entry, **options: (path,))
    model = loading.load_model("rfdetr-seg-nano")
    assert (model.name, model.class_names) == ("rfdetr-seg-nano", COCO_NAMES)
    assert model.predict(make_image(100, 100), score=0.5).names == ("dog", "cat", "cow")


def test_rfdetr_reads_the_names_of_newer_exports():
    told = {"class_id_to_name": {"1": "b", "2": "c"}, "num_classes": 4}
    content = seg_graphs.rfdetr(columns=4, metadata={"rfdetr_inference": json.dumps(told)})
    model = build(rfdetr_seg, content)
    assert model.class_names == ("b", "c")
    assert model.predict(make_image(80, 130), score=0.5).names == ("c", "b", "b")
    for broken in (
        "",
        "[]",
        '{"num_classes": 4}',
        '{"class_id_to_name": {"x": "a"}, "num_classes": 4}',
        "[" * 9999,
    ):
        with pytest.raises(UnknownLayout, match="mine: need class_id_to_name and num_classes"):
            build(rfdetr_seg, seg_graphs.rfdetr(columns=4, metadata={"rfdetr_inference": broken}))


@pytest.mark.parametrize(
    "names",
    [
        "",
        "{",
        "1",
        "{}",
        "{0: 1}",
        "{'0': 'a'}",
        "{1: 'a', 2: 'b', 3: 'c'}",
        "{0: 'a', 0.5: 'b'}",
        "open('x')",
        "-" * 9999 + "1",
        "[" * 999,
    ],
)
def test_names_of_yolo_are_read_and_not_run(names):
    with pytest.raises(UnknownLayout, match="mine: need names in its metadata"):
        build(yolo_seg, seg_graphs.yolo(160, names=names))


def test_yolo_without_names():
    with pytest.warns(UserWarning, match="does not name its 3 classes"):
        model = build(yolo_seg, seg_graphs.yolo(160, names=None))
    assert model.class_names == ("class 0", "class 1", "class 2")
    listed = build(yolo_seg, seg_graphs.yolo(160, names="['a', 'b', 'c']"))
    assert listed.class_names == ("a", "b", "c")
    with pytest.raises(UnknownLayout, match="a name for each of its 3 classes, got 1"):
        build(yolo_seg, seg_graphs.yolo(160), class_names=["a"])
    few = build(yolo_seg, seg_graphs.yolo_v26(160), class_names=["a", "b"])
    with pytest.raises(UnknownLayout, match="got 2 labels and label 2; give class_names"):
        few.predict(make_image(80, 130))
    rows = np.zeros((1, 300, 38), np.float32)
    rows[0, :2, 2:6] = [[9, 9, 0.9, 1e30], [9, 9, 0.8, -1e30]]
    outputs = {"output0": rows, "output1": np.ones((1, 32, 40, 40), np.float32)}
    with pytest.raises(UnknownLayout, match="label 1000000000; give class_names"):
        few.decode(outputs, few.prepare(make_image(80, 130)).letterbox, score=0.85)
    rows[0, 0, 4] = 0
    assert len(few.decode(outputs, few.prepare(make_image(80, 130)).letterbox, score=0.5)) == 0


def info(inputs, outputs, metadata=None):
    return RuntimeInfo("onnxruntime", "0", "cpu", inputs, outputs, metadata or {})


IMAGES = (TensorSpec("images", (1, 3, 640, 640), "float32"),)


def specs(**shapes):
    return tuple(TensorSpec(name, shape, "float32") for name, shape in shapes.items())


@pytest.mark.parametrize(
    "other",
    [
        info(IMAGES, specs(output0=(1, 25200, 117), output1=(1, 32, 160, 160))),  # v5
        info(IMAGES, specs(output0=(1, 116, 8400))),  # boxes only
        info(IMAGES, specs(output0=(1, 116, 8400), output1=(1, 32, 160, 160)), {"task": "pose"}),
        info(IMAGES, specs(dets=(1, 100, 5), labels=(1, 100), masks=(1, 100, 28, 28))),  # two stages
        info(IMAGES, specs(dets=(1, 100, 4), labels=(1, 100, 91))),  # RF-DETR without masks
        info(IMAGES * 2, specs(dets=(1, 9, 4), labels=(1, 9, 91), masks=(1, 9, 8, 8))),
        info(
            (TensorSpec("x", (1, 1, 64, 64), "float32"),),
            specs(dets=(1, 9, 4), labels=(1, 9, 3), masks=(1, 9, 8, 8)),
        ),
        info(IMAGES, specs(labels=(1, 9), boxes=(1, 9, 4), scores=(1, 9))),  # D-FINE without masks
        info((), ()),
    ],
)
def test_other_networks_are_not_recognized(other):
    assert recognize(other) is None


def test_two_stage_masks_of_unknown_size_are_refused_when_they_come():
    outputs = {
        "dets": np.array([[[8, 8, 40, 40, 0.9]]], np.float32),
        "labels": np.array([[1]]),
        "masks": np.ones((1, 1, 28, 28), np.float32),
    }
    model = rtmdet_ins.build(FakeRuntime(outputs, inputs=IMAGES), name="mine", class_names=["a", "b"])
    with pytest.raises(UnknownLayout, match="masks of the whole input, 640x640, got 28x28"):
        model.predict(np.zeros((64, 64, 3), np.uint8))


def test_torchvision_scales_down_what_the_network_would_scale_down_itself():
    with pytest.warns(UserWarning, match="taken for the 80 of the published weights, person first"):
        model = build(torchvision_mask_rcnn, seg_graphs.torchvision())
    for size, fed in (((100, 300), (100, 300)), ((1600, 1700), (800, 850)), ((100, 2666), (50, 1333))):
        assert model.prepare(np.zeros((*size, 3), np.uint8)).letterbox.input_size == fed
    assert "keeps its size" in model.preprocessing


def test_dfine_boxes_held_to_the_last_pixel_reach_the_edge():
    model = build(dfine_seg, seg_graphs.dfine(128), class_names=COCO_NAMES)
    blue, red = (0, 0, 40, 50), (60, 30, 128, 128)
    check(
        model.predict(make_image(128, 128, blue, red), score=0.5),
        (128, 128),
        blue,
        red,
        ("dog", "cat"),
        least=0.99,
    )
