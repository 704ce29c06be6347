"""Files as other tools write them, each of which was once read wrongly."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image

from maskweave.annotations.convert import convert
from maskweave.annotations.detections import from_detections
from maskweave.annotations.report import Report
from maskweave.errors import InvalidValue
from maskweave.evaluation.coco_predictions import CocoPredictions
from maskweave.evaluation.coco_truth import CocoTruthFile
from maskweave.ops.rle import encode_masks
from maskweave.types.masks import Masks
from tests.annotations.scenes import collected, read

SQUARE = [[10, 5, 50, 5, 50, 25, 10, 25]]
HEAD = '<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>'
LABELS = "<labels><label><name>a</name></label><label><name>b</name></label></labels>"
POLYGON = '<polygon label="a" points="10,5;50,5;50,25;10,25"></polygon>'


def areas(record):
    return record.instances.masks.areas.tolist()


def png(shape=(10, 10)):
    buffer = io.BytesIO()
    Image.new("L", shape, 255).save(buffer, "PNG")
    return buffer.getvalue()


def coco(path, *, image=None, **annotation):
    data = {
        "images": [{"id": 1, "file_name": "x.jpg", "width": 100, "height": 50, **(image or {})}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": SQUARE, **annotation}],
        "categories": [{"id": 1, "name": "a"}],
    }
    path.write_text(json.dumps(data))
    return path


def test_a_box_without_a_mask_keeps_its_area(tmp_path):
    given = coco(tmp_path / "in.json", segmentation=[], bbox=[10, 5, 40, 20], area=790)
    convert(given, tmp_path / "out.json", to="coco", report=Report())
    (written,) = json.loads((tmp_path / "out.json").read_text())["annotations"]
    assert (written["area"], written["bbox"]) == (790, [10, 5, 40, 20])


@pytest.mark.parametrize("key", ["1", 1.0, 1])
def test_ids_of_results_may_be_spelled_otherwise_than_the_truths(tmp_path, key):
    truth = CocoTruthFile(coco(tmp_path / "truth.json"))
    results = [{"image_id": key, "category_id": str(key), "score": 0.9, "segmentation": SQUARE}]
    (tmp_path / "found.json").write_text(json.dumps(results))
    found = CocoPredictions(tmp_path / "found.json", truth)
    assert [len(found.of(each)) for each in truth.truths()] == [1]


def test_ultralytics_results_are_of_the_image_that_they_name(tmp_path):
    truth = CocoTruthFile(coco(tmp_path / "truth.json"))
    results = [
        {"image_id": "x", "file_name": "x.jpg", "category_id": 1, "score": 0.9, "segmentation": SQUARE}
    ]
    (tmp_path / "found.json").write_text(json.dumps(results))
    found = CocoPredictions(tmp_path / "found.json", truth)
    assert [len(found.of(each)) for each in truth.truths()] == [1]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"1.0 .1 .1 .5 .1 .5 .5 .1 .5", (1, 800, 1.0)),
        (b"1.000000000000000000e+00 .1 .1 .5 .1 .5 .5 .1 .5", (1, 800, 1.0)),
        (b"\xef\xbb\xbf0 .1 .1 .5 .1 .5 .5 .1 .5", (0, 800, 1.0)),
        (b"0 .1 .1 .5 .1 .5 .5 .1 .5 0.87", (0, 800, 0.87)),
        (b"0 .5 .5 .2 .2 0.87", (0, 0, 0.87)),
        (b"0 0,1 0,1 0,5 0,1 0,5 0,5 0,1 0,5 0,875\r\n", (0, 800, 0.875)),
        ("0 .1 .1 .5 .1 .5 .5 .1 .5".encode("utf-16"), (0, 800, 1.0)),
        (b"# class x y\n0,.1,.1,.5,.1,.5,.5,.1,.5\n", (0, 800, 1.0)),
    ],
)
def test_lines_of_labels_as_ultralytics_writes_them(tmp_path, line, found):
    pytest.importorskip("yaml")
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (100, 50)).save(tmp_path / "images" / "x.png")
    (tmp_path / "labels" / "x.txt").write_bytes(line)
    (tmp_path / "data.yaml").write_text("train: images\nnames: [a, b]\n")
    (record,) = read(tmp_path)
    instances = record.instances
    assert (int(instances.class_ids[0]), areas(record)[0], float(instances.scores[0])) == found


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("a.xml", "<?xml version='1.0'?>\n<annotation><object/></annotation>", "Pascal VOC's boxes"),
        ("a.txt", "0 0.5 0.5 0.2 0.2\n", "without their data.yaml"),
        ("a.txt", "some words\n", "looks like none of coco"),
    ],
)
def test_what_is_not_read_is_called_by_its_name(tmp_path, name, text, word):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_text(text)
    for source in (tmp_path / "in", tmp_path / "in" / name):
        with pytest.raises(InvalidValue, match=word):
            convert(source, tmp_path / "out.json", to="coco", report=Report())


def test_points_of_labelme_may_be_text_with_decimal_commas(tmp_path):
    shape = {
        "label": "a",
        "points": [["10", "5"], [50, "5,0"], ["50,0", 25], [10, 25]],
        "shape_type": "polygon",
    }
    bad = {"label": "a", "points": [["x", 5], [50, 5], [50, 25]], "shape_type": "polygon"}
    data = {"shapes": [shape, bad], "imagePath": "x.png", "imageHeight": 50, "imageWidth": 100}
    (tmp_path / "x.json").write_text(json.dumps(data))
    (record,), lines = collected(tmp_path / "x.json")
    assert areas(record) == [800]
    assert lines == ["x.json, shape 2: need a number as point, got 'x'"]


@pytest.mark.parametrize(
    "yaml",
    [
        'train: images\nnames: {"0": a, "1": b}\n',
        "train: .\\images\nnames: {0: a, 1: b}\n",
        "train: ..\\set\\images\nnames: [a, b]\n",
        "train: C:\\data\\set\\images\nnames: [a, b]\n",
        "path: /content/data\ntrain: /content/data/set/images\nnames: [a, b]\n",
        "train: list.txt\nnames: [a, b]\n",
    ],
)
def test_a_data_yaml_may_say_where_things_lay_on_another_machine(tmp_path, yaml):
    pytest.importorskip("yaml")
    home = tmp_path / "set"
    for name in ("images", "labels"):
        (home / "set" / name).mkdir(parents=True)
        (home / name).mkdir()
    for folder in (home, home / "set"):
        Image.new("RGB", (100, 50)).save(folder / "images" / "x.png")
        (folder / "labels" / "x.txt").write_text("1 .1 .1 .5 .1 .5 .5 .1 .5")
    (home / "list.txt").write_text("D:\\my\\images\\x.png\r\n", encoding="utf-16")
    (home / "data.yaml").write_text(yaml)
    (record,) = read(home)
    assert record.instances.names == ("b",)
    assert record.image.name == "x.png"


def test_subsets_of_a_cvat_project_are_folders(tmp_path):
    images = "".join(
        f'<image id="{n}" name="f.png" subset="{subset}" task_id="{n}" width="100" height="50">{POLYGON}</image>'
        for n, subset in enumerate(("Train", "Test"))
    )
    (tmp_path / "a.xml").write_text(f"{HEAD}<meta><project>{LABELS}</project></meta>{images}</annotations>")
    for subset in ("Train", "Test"):
        (tmp_path / "images" / subset).mkdir(parents=True)
        Image.new("RGB", (100, 50)).save(tmp_path / "images" / subset / "f.png")
    found = read(tmp_path / "a.xml")
    assert [record.file_name for record in found] == ["Train/f.png", "Test/f.png"]
    assert [record.image.parent.name for record in found] == ["Train", "Test"]


def cvat(folder, shapes):
    image = f'<image id="0" name="x.png" width="100" height="50">{shapes}</image>'
    (folder / "a.xml").write_text(f"{HEAD}<meta><task>{LABELS}</task></meta>{image}</annotations>")
    return folder / "a.xml"


def supervisely(folder, *objects):
    (folder / "d" / "ann").mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"classes": [{"title": "a", "id": 1}], "tags": []}))
    data = {
        "size": {"height": 50, "width": 100},
        "objects": [{"classTitle": "a", **each} for each in objects],
    }
    (folder / "d" / "ann" / "x.png.json").write_text(json.dumps(data))
    return folder


def labelme(folder, shape, **more):
    whole = {"label": "a", "points": [[10, 5], [50, 5], [50, 25], [10, 25]], "shape_type": "polygon", **shape}
    data = {"imagePath": "x.png", "imageHeight": 50, "imageWidth": 100, "shapes": [whole], **more}
    folder.mkdir(exist_ok=True)
    (folder / "x.json").write_text(json.dumps(data))
    return folder


def test_grouped_shapes_are_one_object(tmp_path):
    parts = ("10,5;20,5;20,25;10,25", "30,5;50,5;50,25;30,25")
    shapes = "".join(f'<polygon label="a" points="{points}" group_id="1"></polygon>' for points in parts)
    assert areas(read(cvat(tmp_path, shapes))[0]) == [600]
    rings = [[[float(each) for each in point.split(",")] for point in points.split(";")] for points in parts]
    objects = [
        {"geometryType": "polygon", "points": {"exterior": ring, "interior": []}, "instance": "k"}
        for ring in rings
    ]
    assert areas(read(supervisely(tmp_path / "s", *objects))[0]) == [600]


def test_bitmaps_are_cut_at_the_edge_as_outlines_are(tmp_path):
    mask = '<mask label="a" rle="0, 100" left="95" top="5" width="10" height="10"></mask>'
    bitmap = {"origin": [95, 5], "data": base64.b64encode(zlib.compress(png())).decode()}
    shape = {"shape_type": "mask", "points": [[95, 5], [104, 14]], "mask": base64.b64encode(png()).decode()}
    found = [
        read(cvat(tmp_path, mask)),
        read(supervisely(tmp_path / "s", {"geometryType": "bitmap", "bitmap": bitmap})),
        read(labelme(tmp_path / "l", shape)),
    ]
    assert [areas(records[0]) for records in found] == [[50]] * 3


@pytest.mark.parametrize(
    ("shape", "more"),
    [
        ({"shape_type": "rotation", "direction": 0.0}, {}),
        ({"label": 1}, {}),
        ({"shape_type": None}, {}),
        (
            {},
            {"imageHeight": None, "imageWidth": None, "imageData": base64.b64encode(png((100, 50))).decode()},
        ),
    ],
    ids=["turned rectangle", "number as label", "no type", "embedded image"],
)
def test_dialects_of_labelme_are_read(tmp_path, shape, more):
    (record,), problems = collected(labelme(tmp_path / "l", shape, **more))
    assert (areas(record), problems) == ([800], [])


def test_a_labelme_shape_without_an_area_is_named_for_what_it_is(tmp_path):
    _, (line,) = collected(labelme(tmp_path / "l", {"shape_type": "linestrip"}))
    assert "need a shape with an area (a polygon, rectangle, circle or mask), got a linestrip" in line


def test_lvis_names_images_by_address_and_says_what_is_labeled(tmp_path):
    data = {
        "images": [
            {
                "id": 7,
                "coco_url": "http://images.cocodataset.org/val2017/x.png",
                "width": 100,
                "height": 50,
                "neg_category_ids": [3],
                "not_exhaustive_category_ids": [2],
            }
        ],
        "annotations": [
            {"id": n, "image_id": 7, "category_id": n, "segmentation": SQUARE, "bbox": [10, 5, 40, 20]}
            for n in (1, 2)
        ],
        "categories": [{"id": n, "name": name, "frequency": "f"} for n, name in enumerate("abcd", start=1)],
    }
    (tmp_path / "lvis.json").write_text(json.dumps(data))
    folder = tmp_path / "val2017"
    folder.mkdir()
    Image.new("RGB", (100, 50)).save(folder / "x.png")
    for images in (tmp_path, folder):
        (record,) = read(tmp_path / "lvis.json", images=images)
        assert (record.file_name, record.image) == ("val2017/x.png", folder / "x.png")
        assert record.labeled == {"a", "c"}
        assert areas(record) == [800, 800]


def darknet(folder, *, with_images=True):
    """A data set as CVAT exports it as "YOLO 1.1"."""
    (folder / "obj_train_data").mkdir(parents=True)
    settings = "classes = 2\nnames = data/obj.names\ntrain = data/train.txt\nbackup = backup/\n"
    (folder / "obj.data").write_text(settings)
    (folder / "obj.names").write_text("cat\ndog\n")
    (folder / "train.txt").write_text("data/obj_train_data/x.png\n")
    (folder / "obj_train_data" / "x.txt").write_text("1 0.5 0.5 0.2 0.4\n")
    place = folder / "obj_train_data" if with_images else folder.parent / "photos"
    place.mkdir(exist_ok=True)
    Image.new("RGB", (100, 50)).save(place / "x.png")
    return folder


@pytest.mark.parametrize("with_images", [True, False])
def test_yolo_1_1_exports_are_read_from_obj_data(tmp_path, with_images):
    folder = darknet(tmp_path / "export", with_images=with_images)
    for path in (folder, folder / "obj.data"):
        images = {} if with_images else {"images": tmp_path / "photos"}
        (record,) = read(path, **images)
        assert record.file_name == "obj_train_data/x.png"
        assert record.instances.names == ("dog",)
        assert record.instances.boxes.tolist() == [[40, 15, 60, 35]]


def test_a_yolo_1_1_export_without_images_says_what_is_missing(tmp_path):
    folder = darknet(tmp_path / "export", with_images=False)
    with pytest.raises(InvalidValue, match="see --images"):
        collected(folder)


def test_data_sets_within_data_sets_are_read(tmp_path):
    square = {"geometryType": "rectangle", "points": {"exterior": [[10, 5], [50, 25]], "interior": []}}
    supervisely(tmp_path, square)
    inner = tmp_path / "d" / "datasets" / "e" / "ann"
    inner.mkdir(parents=True)
    inner.joinpath("x.png.json").write_text((tmp_path / "d" / "ann" / "x.png.json").read_text())
    assert [record.file_name for record in read(tmp_path)] == ["d/x.png", "d/e/x.png"]


def test_videos_of_a_cvat_project_are_told_apart(tmp_path):
    tasks = "".join(
        f"<task><id>{task}</id><name>t</name><size>{frames}</size><original_size><width>{width}</width>"
        "<height>50</height></original_size><source>clip.mp4</source></task>"
        for task, frames, width in ((3, 2, 100), (4, 1, 60))
    )
    tracks = "".join(
        f'<track id="{task}" label="a" task_id="{task}"><box frame="0" outside="0" xtl="1" ytl="1" xbr="9" ybr="9"/>'
        "</track>"
        for task in (3, 4)
    )
    meta = f"<meta><project><tasks>{tasks}</tasks>{LABELS}</project></meta>"
    (tmp_path / "a.xml").write_text(f"{HEAD}{meta}{tracks}</annotations>")
    found = [(each.video, each.frame, each.size[1], len(each.instances)) for each in read(tmp_path / "a.xml")]
    assert found == [("clip", 0, 100, 1), ("clip", 1, 100, 0), ("clip-4", 0, 60, 1)]


def test_instance_ids_alone_are_cityscapes(tmp_path):
    folder = tmp_path / "gtFine" / "val" / "x"
    folder.mkdir(parents=True)
    Image.fromarray(np.full((10, 20), 26001, np.uint16)).save(folder / "x_0_gtFine_instanceIds.png")
    (record,) = read(tmp_path)
    assert (record.instances.names, areas(record)) == (("car",), [200])


def test_a_folder_of_results_is_read_as_one_data_set(tmp_path):
    for name in ("one", "two"):
        coco(tmp_path / f"{name}.json", image={"file_name": f"{name}.jpg"})
    assert [record.file_name for record in read(tmp_path)] == ["one.jpg", "two.jpg"]


class Detections:
    """What supervision's detections are asked for."""

    def __init__(self, class_id, names):
        self.mask = np.zeros((2, 5, 8), bool)
        self.mask[0, 1:3, 1:3] = self.mask[1, 3:5, 4:7] = True
        self.xyxy = np.array([[1, 1, 3, 3], [4, 3, 7, 5]], float)
        self.class_id, self.confidence, self.tracker_id = class_id, None, None
        self.data = {} if names is None else {"class_name": np.array(names)}

    def __len__(self):
        return 2


@pytest.mark.parametrize(
    ("class_id", "names", "expected"),
    [
        (None, ["cat", "dog"], ("cat", "dog")),
        (np.array([0, 0]), ["cat", "dog"], ("cat", "dog")),
        (np.array([2, 1]), ["cat", "dog"], ("cat", "dog")),
        (np.array([1, 0]), None, ("class 1", "class 0")),
    ],
)
def test_names_of_detections_are_classes_where_numbers_are_none(class_id, names, expected):
    assert from_detections(Detections(class_id, names), (5, 8)).names == expected


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": ["50", "100"]},
        [["10", "5", "50", "5,0", "50", "25", "10", "25"]],
        [[["10", 5], [50, 5], [50, 25], [10, "25.0"]]],
        [[10, 5, 50, 25], *SQUARE],
    ],
)
def test_numbers_of_coco_outlines_in_any_spelling_are_read(tmp_path, segmentation):
    if isinstance(segmentation, dict):
        dense = np.zeros((1, 50, 100), bool)
        dense[0, 5:25, 10:50] = True
        (rle,) = encode_masks(Masks.from_dense(dense))
        segmentation["counts"] = str(rle["counts"].encode())
    (record,), lines = collected(coco(tmp_path / "in.json", segmentation=segmentation))
    assert (record.instances.boxes.tolist(), lines) == ([[10, 5, 50, 25]], [])


def test_a_list_of_coco_may_be_null(tmp_path):
    data = {"images": [{"id": 1, "file_name": "x.jpg", "width": 100, "height": 50}], "categories": []}
    (tmp_path / "in.json").write_text(json.dumps({**data, "annotations": None}))
    (record,) = read(tmp_path / "in.json")
    assert areas(record) == []


def test_annotations_that_are_no_list_are_refused(tmp_path):
    (tmp_path / "in.json").write_text('{"images": [{"id": 1}], "annotations": 7, "categories": []}')
    with pytest.raises(InvalidValue, match="need a list under 'annotations'"):
        read(tmp_path / "in.json")


def yolo(folder, yaml, line, images="images", labels="labels"):
    for name in (images, labels):
        (folder / name).mkdir(parents=True)
    Image.new("RGB", (100, 50)).save(folder / images / "x.png")
    (folder / labels / "x.txt").write_text(line)
    (folder / "data.yaml").write_text(yaml)
    return folder


OUTLINE = "1 .1 .1 .5 .1 .5 .5 .1 .5"


@pytest.mark.parametrize(
    ("yaml", "line", "name"),
    [
        ("val: images\nnames: [a, no]", OUTLINE, "no"),
        ("val: images\nnames: {0: a, 1: 007}", OUTLINE, "007"),
        ("val: images\nnames: [a, 2024-01-01]", OUTLINE, "2024-01-01"),
        ("val: images\nnc: 2", OUTLINE, "class 1"),
        ("valid: images\nnames: [a, b]", OUTLINE, "b"),
        ("validation: images\ntrain:\nnames: [a, b]", OUTLINE, "b"),
        ("val: images\nnames: [a, b]", OUTLINE.replace(" ", ", "), "b"),
        ("val: images\nnames: [a, b]", OUTLINE.replace(" ", ";"), "b"),
        ("val: images\nnames: [a, b]\nkpt_shape: [2, 3]", "1 .3 .3 .4 .4 .1 .1 2 .5 .5 2", "b"),
        ("val: images\nnames: [a, b]\nkpt_shape: [3, 2]", "1 .3 .3 .4 .4 .1 .1 .5 .5 .2 .2", "b"),
    ],
)
def test_dialects_of_yolo_are_read(tmp_path, yaml, line, name):
    pytest.importorskip("yaml")
    (record,), lines = collected(yolo(tmp_path, yaml, line))
    assert (record.instances.names, lines) == ((name,), [])
    assert record.instances.boxes.round(6).tolist() == [[10, 5, 50, 25]]


@pytest.mark.parametrize("labels", ["Labels", "labels"])
def test_folders_of_yolo_may_have_capitals(tmp_path, labels):
    pytest.importorskip("yaml")
    (record,) = read(yolo(tmp_path, "val: Images\nnames: [a, b]", OUTLINE, "Images", labels))
    assert record.instances.names == ("b",)


def test_images_of_yolo_without_any_labels_are_told(tmp_path):
    pytest.importorskip("yaml")
    folder = yolo(tmp_path, "val: photos\nnames: [a, b]", OUTLINE, "photos", "labels")
    report = Report()
    convert(folder, tmp_path / "out.json", to="coco", report=report)
    assert "none of its images has a label file" in report.warnings[0]


def test_a_data_yaml_in_another_encoding_is_told_so(tmp_path):
    pytest.importorskip("yaml")
    (tmp_path / "data.yaml").write_bytes("val: images\nnames: [caf\xe9]".encode("latin-1"))
    with pytest.raises(InvalidValue, match="need text in UTF-8 or UTF-16, got another encoding; save it"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ('<polygon label="a" points="10,5;50,5;50,25;10,25;"/>', [10, 5, 50, 25]),
        ('<polygon label="a" points="10, 5; 50, 5; 50, 25; 10, 25"/>', [10, 5, 50, 25]),
        ('<mask label="a" rle="0, 200.0," left="10.0" top="5" width="20.0" height="10"/>', [10, 5, 30, 15]),
        ('<box label="a" xtl="10,0" ytl="5" xbr="50" ybr="25"/>', [10, 5, 50, 25]),
    ],
)
def test_numbers_of_cvat_in_any_spelling_are_read(tmp_path, shape, box):
    (record,), lines = collected(cvat(tmp_path, shape))
    assert (record.instances.boxes.tolist(), lines) == ([box], [])


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ('<polygon label="a" points="10,x;50,5;50,25"/>', "need a number as point, got 'x'"),
        ('<polygon label="a" points="10,5;50;50,25"/>', "need points x, y"),
        ('<box label="a" xtl="x" ytl="5" xbr="50" ybr="25"/>', "need a number as a place in pixels, got 'x'"),
        (
            '<mask label="a" rle="" left="1" top="1" width="2" height="1"/>',
            "need run lengths that sum to 2, got 0",
        ),
    ],
)
def test_a_shape_of_cvat_that_cannot_be_read_is_named_in_our_words(tmp_path, shape, why):
    _, lines = collected(cvat(tmp_path, shape))
    assert len(lines) == 1
    assert lines[0].endswith(why)


@pytest.mark.parametrize(
    ("meta", "frames", "expected"),
    [
        ("<size>3</size><start_frame>10</start_frame>", (10, 11), [10, 11, 12]),
        (
            "<size>3</size><start_frame>5</start_frame><frame_filter>step=10</frame_filter>",
            (5, 25),
            [5, 15, 25],
        ),
        ("<size>3</size><start_frame>10</start_frame>", (0, 1), [0, 1, 2]),  # of another program
        ("<size>2</size>", (0,), [0, 1]),
    ],
)
def test_tracks_of_cvat_have_the_frames_of_their_task(tmp_path, meta, frames, expected):
    shapes = "".join(
        f'<polygon frame="{n}" outside="{outside}" points="10,5;50,5;50,25"/>'
        for n, outside in [*((each, "0") for each in frames), (expected[-1], "True")]
    )
    size = "<original_size><width>100</width><height>50</height></original_size>"
    text = f'<meta><task>{LABELS}{size}{meta}</task></meta><track id="0" label="a">{shapes}</track></annotations>'
    (tmp_path / "a.xml").write_text(HEAD.replace("1.1", " 1.1 ") + text)
    found = read(tmp_path / "a.xml")
    assert [record.frame for record in found] == expected
    assert [record.frame for record in found if len(record.instances)] == list(frames)


@pytest.mark.parametrize("group", ["", "null", None])
def test_labelme_shapes_without_a_group_are_objects_of_their_own(tmp_path, group):
    shape = {"label": "a", "points": [[60, 5], [70, 5], [70, 25]], "group_id": group}
    labelme(tmp_path / "d", {"group_id": group})
    data = json.loads((tmp_path / "d" / "x.json").read_text())
    data["shapes"].append(shape)
    (tmp_path / "d" / "x.json").write_text(json.dumps(data))
    (record,) = read(tmp_path / "d")
    assert len(record.instances) == 2


def test_types_of_labelme_shapes_may_have_capitals(tmp_path):
    (record,) = read(labelme(tmp_path / "d", {"shape_type": "Rectangle", "points": [[10, 5], [50, 25]]}))
    assert areas(record) == [800]


SUPERVISELY = {"geometryType": "polygon", "points": {"exterior": [[10, 5], [50, 5], [50, 25], [10, 25]]}}


@pytest.mark.parametrize(
    "given",
    [
        {
            **SUPERVISELY,
            "points": {"exterior": [["10", "5"], [50, "5,0"], [50, 25], [10, 25]], "interior": None},
        },
        {**SUPERVISELY, "geometryType": None, "shape": "polygon"},
        {**SUPERVISELY, "classTitle": None, "classId": "1"},
    ],
)
def test_dialects_of_supervisely_are_read(tmp_path, given):
    (record,), lines = collected(supervisely(tmp_path, given))
    assert (areas(record), lines) == ([800], [])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({**SUPERVISELY, "points": [[1, 2]]}, "need points with an exterior, got a list"),
        ({**SUPERVISELY, "points": {"exterior": None}}, "need points x, y"),
        ({"geometryType": "bitmap", "bitmap": None}, "need a bitmap with data and an origin of x and y"),
        ({"classTitle": 7}, "need a class of meta.json, got 7"),
    ],
)
def test_an_object_of_supervisely_that_cannot_be_read_is_named_in_our_words(tmp_path, given, why):
    _, lines = collected(supervisely(tmp_path, given))
    assert lines == [f"d/x.png, object 1: {why}"]
