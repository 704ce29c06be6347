"""Files and folders as labeling tools export them: what is read, what is a problem, and what is left out and said."""

import base64
import gzip
import io
import json
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from maskweave.annotations.convert import convert, detect, read_records
from maskweave.annotations.options import Options
from maskweave.annotations.report import Report
from maskweave.errors import InvalidValue, MaskWeaveError
from maskweave.evaluation.coco_predictions import CocoPredictions
from maskweave.evaluation.coco_truth import CocoTruthFile
from maskweave.training.annotations import read_training_set

WIDTH, HEIGHT = 64, 48
SQUARE = [10, 10, 30, 10, 30, 20, 10, 20]
CORNERS = [[10, 10], [30, 10], [30, 20], [10, 20]]
KITTI = "Car 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.6 1.7 3.6 -0.6 1.7 46.7 -1.6\n"
CAT = ("a.jpg", "cat", 200)


def image(path, size=(WIDTH, HEIGHT)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def put(path, content, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def coco(**changes):
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [SQUARE]}],
        "categories": [{"id": 1, "name": "cat"}],
        **changes,
    }  # fmt: skip


def cvat(inside, version="<version>1.1</version>", label="cat"):
    polygon = f'<polygon label="{label}" points="10,10;30,10;30,20;10,20"></polygon>'
    return (
        f'<?xml version="1.0" encoding="utf-8"?><annotations>{version}<meta></meta>'
        f'<image id="0" name="a.jpg" width="{WIDTH}" height="{HEIGHT}">{inside}{polygon}</image></annotations>'
    )


def region(kind, value, **more):
    return {
        "id": "r", "type": kind, "value": value, "original_width": WIDTH, "original_height": HEIGHT,
        "image_rotation": 0, **more,
    }  # fmt: skip


PERCENT = [[10 / 0.64, 10 / 0.48], [30 / 0.64, 10 / 0.48], [30 / 0.64, 20 / 0.48], [10 / 0.64, 20 / 0.48]]
POLYGON = region("polygonlabels", {"points": PERCENT, "polygonlabels": ["cat"]})


def task(*results, **more):
    return {
        "id": 1,
        "data": {"image": "/data/upload/1/a.jpg"},
        "annotations": [{"result": list(results)}],
        **more,
    }


def labelme(*shapes, **more):
    return {"shapes": shapes, "imagePath": "a.jpg", "imageHeight": HEIGHT, "imageWidth": WIDTH, **more}


def shape(kind="polygon", points=((10, 10), (30, 10), (30, 20), (10, 20)), **more):
    return {"label": "cat", "points": points, "shape_type": kind, **more}


SHARES = " ".join(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in CORNERS)
BOX = "0 0.3125 0.3125 0.3125 0.208333"


def yolo(lines, yaml="train: images\nval: images\nnames: [cat]\n", name="data.yaml", more=()):
    """A data set of one image, whose labels are ``lines``; ``more``: label files without an image."""

    def make(folder):
        image(folder / "images" / "a.jpg")
        put(folder / "labels" / "a.txt", lines)
        for each in more:
            put(folder / "labels" / each, lines)
        put(folder / name, yaml)
        return folder

    return make


def parts(*names):
    """A data set of COCO files, one beside the images of each part, as Roboflow has them."""

    def make(folder):
        for name in names:
            put(folder / name / "_annotations.coco.json", coco())
            image(folder / name / "a.jpg")
        return folder

    return make


def png(values, *, packed=True):
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    data = buffer.getvalue()
    return base64.b64encode(zlib.compress(data) if packed else data).decode()


def supervisely(*objects, **more):
    def make(folder):
        put(folder / "meta.json", {"classes": [{"title": "cat"}], "tags": []})
        size = {"height": HEIGHT, "width": WIDTH}
        put(folder / "ds" / "ann" / "a.jpg.json", {"size": size, "objects": objects, **more})
        return folder

    return make


def bitmap(kind, values, **more):
    return {
        "classTitle": "cat",
        "geometryType": kind,
        kind: {"data": png(values, **more), "origin": [10, 10]},
    }


WHOLE = np.full((10, 20), 255, np.uint8)
COLOR = np.stack([WHOLE, 0 * WHOLE, 0 * WHOLE], axis=2)
FAINT = np.full((10, 20), 40, np.uint8)


def one(name, content, **options):
    return lambda folder: put(folder / name, content, **options)


def several(**files):
    """A folder with files, whose names have "__" for "/" and "_DOT_" for a point."""

    def make(folder):
        for name, content in files.items():
            put(folder / name.replace("__", "/").replace("_DOT_", "."), content)
        return folder

    return make


def zipped(folder):
    with zipfile.ZipFile(folder / "set.zip", "w") as file:
        file.writestr("instances.json", json.dumps(coco()))
    return folder / "set.zip"


TABLE = {
    # what is read whole, however it is packed, encoded or called
    "COCO, packed by gzip": (one("a.json.gz", gzip.compress(json.dumps(coco()).encode())), [CAT], 0, ""),
    "COCO in UTF-16 without a mark": (one("a.json", json.dumps(coco()), encoding="utf-16-le"), [CAT], 0, ""),
    "COCO in UTF-32": (one("a.json", json.dumps(coco()), encoding="utf-32"), [CAT], 0, ""),
    "COCO without a suffix": (one("annotations", coco()), [CAT], 0, ""),
    "COCO as .json.txt": (one("a.json.txt", coco()), [CAT], 0, ""),
    "CVAT in UTF-16": (one("a.xml", cvat("").replace("utf-8", "utf-16"), encoding="utf-16"), [CAT], 0, ""),
    "CVAT 1.0": (one("a.xml", cvat("", "<version>1.0</version>")), [CAT], 0, ""),
    "CVAT without a version": (one("a.xml", cvat("", "")), [CAT], 0, ""),
    "the folder of a CVAT export": (several(annotations_DOT_xml=cvat("")), [CAT], 0, ""),
    "labelme without imagePath": (one("a.json", {**labelme(shape()), "imagePath": None}), [CAT], 0, ""),
    "labelme beside another tool's JSON": (
        several(**{"0_DOT_json": {"x": 1}, "a_DOT_json": labelme(shape())}),
        [CAT],
        1,
        "0.json: need a labelme file",
    ),
    "a task of Label Studio alone": (one("a.json", task(POLYGON)), [CAT], 0, ""),
    "an annotation of Label Studio that holds its task": (
        one("1", {"id": 7, "result": [POLYGON], "task": {"data": {"image": "a.jpg"}}}),
        [CAT],
        0,
        "",
    ),
    "Label Studio's short form": (
        one("a.json", [{"id": 1, "annotator": 1, "image": "/data/upload/1/a.jpg", "sky": "blue", "label": [
            {"points": PERCENT, "polygonlabels": ["cat"], "original_width": WIDTH, "original_height": HEIGHT},
        ]}]),
        [CAT],
        0,
        "",
    ),
    "an alpha mask": (supervisely(bitmap("alpha_mask", FAINT)), [CAT], 0, ""),
    "an alpha mask that is not compressed": (
        supervisely(bitmap("alpha_mask", WHOLE, packed=False)),
        [CAT],
        0,
        "",
    ),
    "a bitmap in colors": (supervisely(bitmap("bitmap", COLOR)), [CAT], 0, ""),
    "a geometry of its own": (
        supervisely({"classTitle": "cat", "shape": "polygon", "geometry": {"points": {"exterior": CORNERS}}}),
        [CAT],
        0,
        "",
    ),
    "CVAT's folder of COCO": (
        several(annotations__instances_default_DOT_json=coco()),
        [CAT],
        0,
        "",
    ),
    "COCO's own layout": (
        several(
            annotations__instances_all_DOT_json=coco(),
            annotations__captions_all_DOT_json=coco(annotations=[{"id": 1, "image_id": 1, "caption": "A cat"}]),
        ),
        [CAT],
        0,
        "passed over, as not among COCO's instances: annotations/captions_all.json",
    ),
    "run lengths in a list": (one("a.json", coco(annotations=[
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [
            {"size": [HEIGHT, WIDTH], "counts": [490, 10, 2572]},
            {"size": [HEIGHT, WIDTH], "counts": [538, 10, 2524]},
        ]},
    ])), [("a.jpg", "cat", 20)], 0, ""),
    "a polygon that is a list of pairs": (one("a.json", coco(annotations=[
        {"id": 0, "image_id": 1, "category_id": 1, "segmentation": CORNERS},
    ])), [CAT], 0, ""),
    "ids of more than 64 bits": (one("a.json", coco(
        images=[{"id": 2**70, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}],
        annotations=[{"id": 2**90, "image_id": str(2**70), "category_id": 1, "segmentation": [SQUARE]}],
    )), [CAT], 0, ""),
    "an address as the file's name": (one("a.json", coco(images=[
        {"id": 1, "file_name": "https://host/bucket/a.jpg?key=1", "height": HEIGHT, "width": WIDTH},
    ])), [CAT], 0, "names of images say where they lay on another machine"),
    "YOLO's YAML by another name": (yolo(f"0 {SHARES}\r\n", name="coco8-seg.yaml"), [CAT], 0, ""),
    "YOLO with classes.txt": (yolo(f"1 {SHARES}\n", "dog\ncat\n", "classes.txt"), [CAT], 0, ""),
    "YOLO with labels/classes.txt": (yolo(f"1 {SHARES}\n", "dog\ncat\n", "labels/classes.txt"), [CAT], 0, ""),
    "boxes with confidence and track": (yolo(f"{BOX} 0.9 7\n"), [CAT], 0, ""),
    "boxes with tracks": (yolo(f"{BOX} 2\n"), [CAT], 0, ""),
    "outlines with confidence and track": (yolo(f"0 {SHARES} 0.5 3\n0 {SHARES} 0.5 1\n"), [CAT, CAT], 0, ""),
    # what is left out and said
    "label files without an image": (
        yolo(f"0 {SHARES}\n", more=("b.txt", "c.txt")), [CAT], 1, "labels/b.txt and 1 more: need an image in"
    ),
    "an outline outside of the image": (
        yolo(f"0 {SHARES}\n0 2 2 3 2 3 3\n"), [CAT], 1, "line 2: need an outline inside the image, it lies outside"
    ),
    "an outline round nothing": (yolo(f"0 {SHARES}\n{'0' + ' 0.1' * 6}\n"), [CAT], 1, "it encloses none"),
    "a box outside of an image in shares": (yolo(f"0 {SHARES}\n0 2 2 0.1 0.1\n"), [CAT], 1, "need a box inside"),
    "keypoints in COCO": (one("a.json", coco(annotations=[
        {**coco()["annotations"][0], "keypoints": [1, 2, 2], "attributes": {"occluded": False, "age": 3}},
    ])), [CAT], 0, "left out: keypoints (1), attributes (1)"),
    "captions in COCO": (one("a.json", coco(annotations=[
        *coco()["annotations"], {"id": 2, "image_id": 1, "caption": "A cat"},
    ])), [CAT], 0, "left out: captions (1)"),
    "CVAT's tags": (one("a.xml", cvat('<tag label="sunny"></tag>')), [CAT], 0, "tags of images (1)"),
    "CVAT's attributes": (
        one("a.xml", cvat("").replace("></polygon>", '><attribute name="age">3</attribute></polygon>')),
        [CAT],
        0,
        "attributes (1)",
    ),
    "a skeleton": (one("a.xml", cvat('<skeleton label="cat"></skeleton>')), [CAT], 1, "has no area"),
    "labelme's flags": (
        one("a.json", labelme(shape(flags={"old": True, "x": False}), flags={"sunny": True})),
        [CAT],
        0,
        "flags of shapes (1), flags of images (1)",
    ),
    "Supervisely's tags": (
        supervisely({**bitmap("bitmap", WHOLE), "tags": [{"name": "x"}]}, tags=[{"name": "y"}]),
        [CAT],
        0,
        "tags of images (1), tags of objects (1)",
    ),
    "keypoints in Label Studio": (
        one("a.json", [task(POLYGON, region("keypointlabels", {"x": 1, "y": 1, "keypointlabels": ["nose"]}))]),
        [CAT],
        1,
        "a.jpg, result 2: need a brush, polygon, rectangle or ellipse, got a keypoint, which is not read",
    ),
    "choices, texts and relations in Label Studio": (
        one("a.json", [task(POLYGON, region("choices", {"choices": ["x"]}), {"type": "relation"})]),
        [CAT],
        0,
        "results of the type choices (1), results of the type relation (1)",
    ),
    "two annotations of one task": (
        one("a.json", [task(POLYGON) | {"annotations": [{"result": []}, {"result": [POLYGON]}]}]),
        [CAT],
        0,
        "older annotations (1)",
    ),
    "a region of two labels": (
        one("a.json", [task(region("polygonlabels", {"points": PERCENT, "polygonlabels": ["cat", "old"]}))]),
        [CAT],
        0,
        "further labels of regions (1)",
    ),
    "a region drawn on a rotated image": (
        one("a.json", [task(POLYGON, {**POLYGON, "id": "s", "image_rotation": 90})]),
        [CAT],
        1,
        "while it was rotated",
    ),
    # a shape without a pixel costs itself
    "an empty circle": (one("a.json", labelme(shape(), shape("circle", [(5, 5)] * 2))), [CAT], 1, "covers none"),
    "a rectangle of one point": (one("a.json", labelme(shape(), shape("rectangle", [(5, 5)] * 2))), [CAT], 1, "none"),
    "a box outside of the image": (
        one("a.xml", cvat('<box label="cat" xtl="70" ytl="1" xbr="80" ybr="9"></box>')),
        [CAT],
        1,
        "image a.jpg, shape 1 (box): need a shape with pixels inside the image of 64 x 48",
    ),
    "a polygon outside of the image": (
        supervisely(bitmap("bitmap", WHOLE), {
            "classTitle": "cat", "geometryType": "polygon", "points": {"exterior": [[80, 80], [90, 80], [90, 90]]}
        }),
        [CAT],
        1,
        "covers none",
    ),
}  # fmt: skip


def seen(folder, source):
    report = Report()
    records = list(read_records(source, options=Options(), report=report))
    found = [
        (record.file_name, name, round(area))
        for record in records
        for name, area in zip(record.instances.names, record.stated_areas.tolist(), strict=True)
    ]
    return found, report


@pytest.mark.parametrize("name", TABLE)
def test_what_tools_export_is_read_and_what_is_not_is_said(tmp_path, name):
    make, expected, problems, words = TABLE[name]
    source = make(tmp_path)
    found, report = seen(tmp_path, source)
    assert (found, report.problems) == (expected, problems)
    assert words in "\n".join([*report.messages, *report.notes()])
    assert bool(words) == bool([*report.messages, *report.notes()])


@pytest.mark.parametrize("name", TABLE)
def test_evaluate_and_train_read_the_same(tmp_path, name):
    make, expected, problems, _ = TABLE[name]
    source = make(tmp_path)
    home = source if source.is_dir() else source.parent
    if not any(home.rglob("*.jpg")):
        image(home / "ds" / "img" / "a.jpg" if (home / "ds").is_dir() else home / "a.jpg")
    reports = [Report(), Report()]
    truths = CocoTruthFile(source, report=reports[0]).truths()
    names = [(each.file_name, name) for each in truths for name in each.instances.names]
    data = read_training_set(source, home, report=reports[1])
    trained = [
        (each.path.name, data.class_names[item.class_index]) for each in data.images for item in each.objects
    ]
    assert names == [row[:2] for row in expected] == trained
    assert [each.problems for each in reports] == [problems, problems]


def test_a_track_in_labels_of_yolo_is_kept(tmp_path):
    (record,) = read_records(yolo(f"{BOX} 0.9 7\n{BOX} 0.8 1\n")(tmp_path))
    assert (record.instances.track_ids.tolist(), record.instances.scores.tolist()) == ([7, 1], [0.9, 0.8])


def test_the_parts_of_a_folder_of_coco_are_read_where_they_are_asked_for(tmp_path):
    source = parts("train", "valid", "test")(tmp_path)
    names = [record.file_name for record in read_records(source)]
    assert names == ["test/a.jpg", "train/a.jpg", "valid/a.jpg"]
    (truth,) = CocoTruthFile(source).truths()
    (item,) = read_training_set(source, source).images
    assert (truth.file_name, item.path) == ("a.jpg", source / "train" / "a.jpg")
    (source / "valid" / "_annotations.coco.json").unlink()
    with pytest.raises(InvalidValue, match="has no val part, but test, train"):
        CocoTruthFile(source)


def test_images_of_one_name_in_folders_of_another_machine_are_told_apart(tmp_path):
    names = ("/mnt/set/1/a.jpg", "C:\\set\\2\\a.jpg")
    images = [{"id": each, "file_name": name, "height": 48, "width": 64} for each, name in enumerate(names)]
    image(tmp_path / "1" / "a.jpg")
    image(tmp_path / "2" / "a.jpg")
    found = list(read_records(put(tmp_path / "a.json", coco(images=images))))
    assert [record.file_name for record in found] == ["1/a.jpg", "2/a.jpg"]


@pytest.mark.parametrize("side", [0, -1, None, "", "0"])
def test_a_size_that_says_nothing_is_that_of_the_image(tmp_path, side):
    source = put(
        tmp_path / "a.json", coco(images=[{"id": 1, "file_name": "a.jpg", "height": side, "width": side}])
    )
    with pytest.raises(MaskWeaveError, match="and the image was not found; say where it is with --images"):
        list(read_records(source))
    image(tmp_path / "a.jpg")
    assert seen(tmp_path, source)[0] == [CAT]


def test_a_list_of_images_as_cvat_writes_it_is_found(tmp_path):
    source = yolo(f"0 {SHARES}\n", "path: .\ntrain: train.txt\nnames:\n  0: cat\n")(tmp_path)
    put(source / "train.txt", "data/images/a.jpg\r\n/home/me/images/b.jpg\n")
    found, report = seen(tmp_path, source)
    assert found == [CAT]
    assert "/home/me/images/b.jpg: the image is missing" in report.messages[0]


POLYGONS = {
    "imgHeight": HEIGHT,
    "imgWidth": WIDTH,
    "objects": [
        {"label": "road", "polygon": [[0, 0], [64, 0], [64, 48], [0, 48]]},
        {"label": "car", "polygon": CORNERS},
        {"label": "car", "polygon": [[40, 10], [50, 10], [50, 20], [40, 20]]},
        {"label": "car", "deleted": 1, "polygon": [[0, 0], [9, 0], [9, 9]]},
        {"label": "persongroup", "polygon": [[20, 10], [30, 10], [30, 20], [20, 20]]},
        {"label": "license plate", "polygon": [[10, 10], [12, 10], [12, 12]]},
        {"label": "spaceship", "polygon": CORNERS},
    ],
}


@pytest.mark.parametrize("alone", [False, True])
def test_polygons_of_cityscapes_lie_one_over_the_other(tmp_path, alone):
    file = put(tmp_path / "gtFine" / "val" / "ulm" / "ulm_0_0_gtFine_polygons.json", POLYGONS)
    report = Report()
    (record,) = read_records(file if alone else tmp_path, report=report)
    found = zip(
        record.instances.names, record.instances.masks.areas.tolist(), record.crowds.tolist(), strict=True
    )
    assert set(found) == {("car", 100, False), ("car", 100, False), ("person", 100, True)}
    assert len(record.instances) == 3
    assert int(record.semantic.mask("road").sum()) == 64 * 48 - 300
    assert report.messages[0].endswith("object 7: need a class of Cityscapes, got 'spaceship'")
    assert report.notes() == ["left out: deleted objects (1)"]


def test_coarse_labels_of_cityscapes_are_read(tmp_path):
    folder = tmp_path / "gtCoarse" / "train" / "ulm"
    folder.mkdir(parents=True)
    ids = np.zeros((HEIGHT, WIDTH), np.uint16)
    ids[10:20, 10:30] = 26001
    Image.fromarray(ids).save(folder / "ulm_0_0_gtCoarse_instanceIds.png")
    assert seen(tmp_path, tmp_path)[0] == [("train/ulm/ulm_0_0.png", "car", 200)]


def voc(folder, name="VOC2012"):
    for kind, number in (("SegmentationClass", 8), ("SegmentationObject", 1)):
        values = np.zeros((HEIGHT, WIDTH), np.uint8)
        values[10:20, 10:30] = number
        (folder / name / kind).mkdir(parents=True)
        for stem in "ab":
            palette = Image.fromarray(values)
            palette.putpalette([each for number in range(256) for each in (number, 0, 255 - number)])
            palette.save(folder / name / kind / f"{stem}.png")


def test_voc_is_found_below_its_folder_and_read_by_parts(tmp_path):
    voc(tmp_path / "VOCdevkit")
    sets = tmp_path / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation"
    put(sets / "train.txt", "a\n")
    put(sets / "val.txt", "b\nc\n")
    found, _ = seen(tmp_path, tmp_path)
    assert found == [("a.jpg", "cat", 200), ("b.jpg", "cat", 200)]
    report = Report()
    assert [each.file_name for each in CocoTruthFile(tmp_path, report=report).truths()] == ["b.jpg"]
    assert report.messages == ["val.txt: 1 of its images have no masks (first: c)"]
    (sets / "val.txt").unlink()
    with pytest.raises(InvalidValue, match="has no val part, but train"):
        CocoTruthFile(tmp_path)


RUNS = "0 1001 1 4 4 04<\n"


def test_results_of_trackers_have_ids_without_classes(tmp_path):
    for lines, ids in (
        (RUNS * 2, [1, 1]),
        ("0 7 1 4 4 04<\n1 2034 2 4 4 04<\n2 9 1 4 4 04<\n", [7, 2034, 9]),
    ):
        source = put(tmp_path / "clip.txt", lines)
        tracks = [each for record in read_records(source) for each in record.instances.track_ids.tolist()]
        assert tracks == ids


def test_a_row_of_mots_in_another_size_costs_itself(tmp_path):
    source = put(tmp_path / "clip.txt", f"{RUNS}0.0 1002.0 1 4 4 04<\n0 1003 1 2 2 4\n")
    found, report = seen(tmp_path, source)
    assert (len(found), report.messages) == (
        2,
        ["clip.txt, frame 0: need id 1003 in 4 x 4 pixels like the rest, got 2 x 2"],
    )


def test_other_text_in_a_folder_of_mots_is_passed_over_and_said(tmp_path):
    source = several(**{"0001_DOT_txt": RUNS, "README_DOT_txt": "hello\nyou\n"})(tmp_path)
    found, report = seen(tmp_path, source)
    assert (len(found), report.problems) == (1, 0)
    assert report.notes() == ["README.txt: passed over, as it is no text of KITTI MOTS"]


@pytest.mark.parametrize(("number", "expected"), [(3, "davis"), (1003, "mots-png")])
def test_numbers_of_16_bits_tell_tracks_of_davis_from_those_of_mots(tmp_path, number, expected):
    (tmp_path / "Annotations" / "clip").mkdir(parents=True)
    Image.fromarray(np.full((4, 4), number, np.uint16)).save(tmp_path / "Annotations" / "clip" / "00000.png")
    assert detect(tmp_path)[0].name == expected


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 1), (np.uint16, 257)])
def test_gray_photos_in_folders_are_no_numbers_of_objects(tmp_path, dtype, scale):
    shades = np.add.outer(np.arange(48), np.arange(64)) + np.random.default_rng(0).integers(0, 60, (48, 64))
    shades[:20] = 0  # as the border of an X-ray
    for folder in ("normal", "other"):
        (tmp_path / folder).mkdir()
        Image.fromarray((shades * scale).astype(dtype)).save(tmp_path / folder / "00000.png")
    with pytest.raises(InvalidValue, match="need annotations of a known format"):
        detect(tmp_path)


def test_unsupervised_davis_finds_its_images(tmp_path):
    image(tmp_path / "JPEGImages" / "480p" / "bear" / "00000.jpg", (4, 4))
    place = tmp_path / "Annotations_unsupervised" / "480p" / "bear" / "00000.png"
    place.parent.mkdir(parents=True)
    Image.fromarray(np.ones((4, 4), np.uint8)).save(place)
    (record,) = read_records(tmp_path)
    assert (record.video, record.image is not None) == ("bear", True)


def test_train_ids_of_cityscapes_are_no_tracks(tmp_path):
    (tmp_path / "gtFine" / "ulm").mkdir(parents=True)
    Image.fromarray(np.ones((4, 4), np.uint8)).save(
        tmp_path / "gtFine" / "ulm" / "ulm_0_gtFine_labelTrainIds.png"
    )
    with pytest.raises(InvalidValue, match="known format"):
        detect(tmp_path)


def video(**track):
    return {
        "videos": [{"id": 0, "file_names": ["v/0.jpg", "v/1.jpg"], "height": HEIGHT, "width": WIDTH}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": 0, "video_id": 0, "category_id": 1, **track}],
    }


def test_tracks_of_boxes_alone_are_read(tmp_path):
    source = put(tmp_path / "a.json", video(segmentations=[None, None], bboxes=[[1, 1, 5, 4], None]))
    first, second = read_records(source)
    assert (first.instances.boxes.tolist(), first.instances.track_ids.tolist()) == ([[1, 1, 6, 5]], [0])
    assert len(second.instances) == 0


def test_videos_without_annotations_are_read_as_without_objects(tmp_path):
    data = video()
    del data["annotations"]
    assert [len(each.instances) for each in read_records(put(tmp_path / "a.json", data))] == [0, 0]


def test_results_of_an_image_of_id_0_are_its_own(tmp_path):
    image = {"id": 0, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}
    annotation = {"id": 0, "image_id": 0, "category_id": 0, "segmentation": [SQUARE]}
    truth = coco(images=[image], annotations=[annotation], categories=[{"id": 0, "name": "cat"}])
    report = Report()
    known = CocoTruthFile(put(tmp_path / "a.json", truth), report=report)
    results = put(tmp_path / "b.json", [{**annotation, "score": 0.5}])
    found = CocoPredictions(results, known).of(next(known.truths()))
    assert (len(found), report.messages) == (1, [])


def test_half_a_character_in_a_class_costs_nothing_and_is_said(tmp_path):
    source = put(tmp_path / "a.json", json.dumps(coco()).replace('"cat"', '"\\ud83d cat"'))
    for to in ("voc", "cvat", "csv", "yolo"):
        report = Report(to)
        convert(source, tmp_path / to, to=to, report=report)
        assert (report.problems, report.objects) == (0, 1)
        assert "half a character" in report.notes()[0]
    assert next(read_records(tmp_path / "voc")).instances.names == ("? cat",)


def test_half_a_character_in_a_file_name_is_named(tmp_path):
    source = put(tmp_path / "a.json", json.dumps(coco()).replace("a.jpg", "\\ud83d.jpg"))
    report = Report("cvat")
    with pytest.raises(MaskWeaveError, match="nothing is written"):
        convert(source, tmp_path / "b.xml", to="cvat", report=report)
    assert "need names of whole characters, got half of one" in report.messages[0]


@pytest.mark.parametrize("name", ["a%20b.jpg", "a#1.jpg", "a?.jpg", "a b.jpg", "a", "a.txt", "x/a+b&c.jpg"])
def test_any_name_of_an_image_comes_back_from_label_studio(tmp_path, name):
    images = [{"id": 1, "file_name": name, "height": HEIGHT, "width": WIDTH}]
    convert(put(tmp_path / "a.json", coco(images=images)), tmp_path / "b.json", to="label-studio")
    assert [record.file_name for record in read_records(tmp_path / "b.json")] == [name]


def test_images_in_a_folder_called_images_keep_their_labels_in_yolo(tmp_path):
    images = [{"id": 1, "file_name": "images/train/a.jpg", "height": HEIGHT, "width": WIDTH}]
    image(tmp_path / "images" / "train" / "a.jpg")
    source = put(tmp_path / "a.json", coco(images=images))
    convert(source, tmp_path / "b", to="yolo", options=Options(with_images="copy"))
    assert seen(tmp_path, tmp_path / "b")[0] == [("train/a.jpg", "cat", 200)]


UNREAD = {
    "a zip": (zipped, "set.zip is packed; unpack it and give the folder"),
    "JSON lines": (one("a.jsonl", '{"image": "a.jpg"}\n{"image": "b.jpg"}\n'), "JSON lines"),
    "tasks a line": (one("a.json", f"{json.dumps(task(POLYGON))}\n" * 2), "JSON lines"),
    "Latin-1": (one("a.json", '{"images": [], "name": "Größe"}', encoding="latin-1"), "save it in that encoding"),
    "no JSON": (one("a.json", "{'images': []}"), "need JSON; Expecting"),
    "an empty file": (one("a.json", ""), "a.json is empty"),
    "an image": (one("a.png", b"\x89PNG\r\n"), "`maskweave segment` makes annotations of it"),
    "an empty folder": (lambda folder: folder, "got an empty folder"),
    "a project of VIA": (one("a.json", {"_via_img_metadata": {}}), "VIA, which is not read; export it as COCO"),
    "annotations of VIA": (one("a.json", {"a.jpg12": {"filename": "a.jpg", "regions": []}}), "annotations of VIA"),
    "a table of VIA": (one("a.csv", "filename,file_size,file_attributes,region_count\n"), "a table of VIA"),
    "Datumaro": (several(annotations__default_DOT_json={"info": {}, "categories": {}, "items": []}), "Datumaro"),
    "CreateML": (one("a.json", [{"image": "a.jpg", "annotations": []}]), "CreateML's boxes"),
    "Open Images": (one("a.csv", "MaskPath,ImageID,LabelName,BoxID\n"), "a table of Open Images"),
    "KITTI": (several(label_2__000000_DOT_txt=KITTI), "KITTI's boxes"),
    "KITTI's tracks": (one("a.txt", f"0 0 {KITTI}"), "KITTI's boxes"),
    "MOT": (one("gt.txt", "1,1,912,484,97,109,0,7,1\n"), "boxes of the MOT challenge"),
    "DOTA": (one("a.txt", "imagesource:GoogleEarth\ngsd:0.14\n10 10 30 10 30 20 10 20 plane 0\n"), "labels of DOTA"),
    "boxes of VOC": (one("a.xml", "<annotation><filename>a.jpg</filename></annotation>"), "Pascal VOC's boxes"),
    "YOLO without names": (one("a.txt", "0 0.5 0.5 0.2 0.2\n"), "labels of YOLO without"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREAD)
def test_what_is_not_read_is_called_by_its_name(tmp_path, name):
    make, words = UNREAD[name]
    with pytest.raises(InvalidValue, match="need annotations of a known format") as caught:
        detect(make(tmp_path))
    assert words in str(caught.value)


def test_mots_with_a_damaged_first_line_keeps_the_others(tmp_path):
    """The damaged line is a problem of its own; the file is not passed over as foreign text."""
    folder = tmp_path / "mots"
    folder.mkdir()
    (folder / "0001.txt").write_text("0 1001 1 damaged\n0 2001 2 12 16 d0n0^4\n")
    report = Report()
    records = list(read_records(folder, "mots", options=Options(), report=report))
    assert [record.instances.names for record in records] == [("person",)]
    (problem,) = report.messages
    assert problem.startswith("0001.txt, line 1: ")
