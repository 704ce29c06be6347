"""One table of flawed files: convert, evaluate and train must give one answer for each."""

import copy
import json

import numpy as np
import pytest
from PIL import Image

from maskweave.annotations.convert import convert, read_records
from maskweave.annotations.report import Report
from maskweave.errors import MaskWeaveError
from maskweave.evaluation.coco_truth import CocoTruthFile
from maskweave.training.annotations import read_training_set
from maskweave.training.errors import TrainingDataError

SQUARE = [[2, 1, 8, 1, 8, 6, 2, 6]]
OTHER = [[10, 2, 15, 2, 15, 11, 10, 11]]


def rle(compressed):
    from maskweave.annotations.segmentation import segmentation_to_masks
    from maskweave.ops.rle import encode_masks, expand_counts

    (found,) = encode_masks(segmentation_to_masks(SQUARE, (12, 16)))
    counts = found["counts"] if compressed else expand_counts(found["counts"]).tolist()
    return {"size": [12, 16], "counts": counts}


def document():
    """Two objects of one image, of which the first gets the flaw."""
    return {
        "images": [{"id": 1, "file_name": "a.png", "height": 12, "width": 16}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": SQUARE, "bbox": [2, 1, 6, 5],
             "area": 30, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 2, "segmentation": OTHER, "bbox": [10, 2, 5, 9],
             "area": 45, "iscrowd": 0},
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }  # fmt: skip


def changed(**keys):
    def change(data):
        data["annotations"][0].update(keys)

    return change


def without(*keys):
    def change(data):
        for key in keys:
            del data["annotations"][0][key]

    return change


def every_id(spelled):
    def change(data):
        for each in (*data["images"], *data["annotations"], *data["categories"]):
            for key in ("id", "image_id", "category_id"):
                if key in each:
                    each[key] = spelled(each[key])

    return change


def image(**keys):
    return lambda data: data["images"][0].update(keys)


def categories(*listed, used=1):
    def change(data):
        data["categories"] = [{"id": 2, "name": "dog"}, *({"id": key, "name": name} for key, name in listed)]
        data["annotations"][0]["category_id"] = used

    return change


CAT = ("cat", 30, False, False)  # class, pixels, crowd, box alone
DOG = ("dog", 45, False, False)
BOTH, GOOD = {CAT, DOG}, {DOG}

TABLE = {
    "nothing wrong": (lambda data: None, BOTH, 0),
    "no bbox": (without("bbox"), BOTH, 0),
    "bbox is null": (changed(bbox=None), BOTH, 0),
    "no area": (without("area"), BOTH, 0),
    "every optional place is null": (
        changed(bbox=None, area=None, iscrowd=None, score=None, track_id=None),
        BOTH,
        0,
    ),
    "a box alone": (changed(segmentation=[]), {("cat", 30, False, True), DOG}, 0),
    "an empty ring and a box": (changed(segmentation=[[]]), {("cat", 30, False, True), DOG}, 0),
    "segmentation is null": (changed(segmentation=None), {("cat", 30, False, True), DOG}, 0),
    "neither mask nor box": (changed(segmentation=None, bbox=None), GOOD, 1),
    "a polygon of two points": (changed(segmentation=[[1, 1, 5, 5]]), GOOD, 1),
    "a polygon of text": (changed(segmentation=[["a"] * 6]), GOOD, 1),
    "a flat polygon": (changed(segmentation=SQUARE[0]), BOTH, 0),
    "a polygon in pairs": (changed(segmentation=[[[2, 1], [8, 1], [8, 6], [2, 6]]]), BOTH, 0),
    "a polygon of numbers as text": (changed(segmentation=[[str(each) for each in SQUARE[0]]]), BOTH, 0),
    "compressed run lengths": (changed(segmentation=rle(True)), BOTH, 0),
    "uncompressed run lengths": (changed(segmentation=rle(False)), BOTH, 0),
    "run lengths without size": (changed(segmentation={"counts": "d0"}), GOOD, 1),
    "run lengths of another size": (changed(segmentation={**rle(True), "size": [3, 4]}), GOOD, 1),
    "a bbox of text": (changed(bbox=["2", "1", "6", "5"]), BOTH, 0),
    "a bbox of three numbers": (changed(bbox=[2, 1, 6]), GOOD, 1),
    "a bbox that is NaN": (changed(bbox=[float("nan"), 1, 6, 5]), GOOD, 1),
    "ids as text": (every_id(str), BOTH, 0),
    "ids as floats": (every_id(float), BOTH, 0),
    "ids that are words": (every_id(lambda key: f"abc_{key}"), BOTH, 0),
    "crowd as text 0": (changed(iscrowd="0"), BOTH, 0),
    "crowd as text 1": (changed(iscrowd="1"), {("cat", 30, True, False), DOG}, 0),
    "crowd as 1.0": (changed(iscrowd=1.0), {("cat", 30, True, False), DOG}, 0),
    "category 0": (categories((0, "cat"), used=0), BOTH, 0),
    "categories of one name": (categories((0, "cat"), (1, "cat")), BOTH, 0),
    "a category without a name": (categories((1, None)), {("category 1", 30, False, False), DOG}, 0),
    "an unknown category": (changed(category_id=9), GOOD, 1),
    "an unknown image": (changed(image_id=9), GOOD, 1),
    "an id that comes twice": (changed(id=2), {CAT}, 1),
    "an area as text": (changed(area="30"), BOTH, 0),
    "sizes as text": (image(height="12", width="16"), BOTH, 0),
    "no size beside the image": (image(height=None, width=None), BOTH, 0),
    "a score as text": (changed(score="0.5"), BOTH, 0),
    "a score with a decimal comma": (changed(score="0,5"), BOTH, 0),
    "an area that is NaN": (changed(area=float("nan")), BOTH, 0),
    "an area that may be thousands": (changed(area="1,234"), GOOD, 1),
    **{
        f"the image is named {name}": (image(height=None, width=None, file_name=name), BOTH, 0)
        for name in (
            ".\\a.png",
            "C:\\set\\a.png",
            "\\\\nas\\a.png",
            "/home/me/a.png",
            "../set/a.png",
            "%61.png",
            "a.PNG",
        )
    },
}


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", (16, 12)).save(tmp_path / "a.png")
    return tmp_path


def put(folder, change, *, mark=b""):
    data = copy.deepcopy(document())
    change(data)
    path = folder / "in.json"
    path.write_bytes(mark + json.dumps(data).encode())
    return path


def seen(instances, crowd, box_only):
    """What each object is: its class, its pixels (a box's where it is alone), crowd or not, box alone or not."""
    sides = instances.boxes[:, 2:] - instances.boxes[:, :2]
    areas = np.where(box_only, sides.prod(axis=1), instances.masks.areas).round().astype(int)
    return set(zip(instances.names, areas.tolist(), crowd.tolist(), box_only.tolist(), strict=True))


def by_convert(path):
    report = Report("coco")
    convert(path, path.parent / "out.json", to="coco", format_name="coco", report=report)
    (record,) = read_records(path.parent / "out.json", "coco")
    return seen(record.instances, record.crowds, record.box_only), report


def by_evaluate(path):
    report = Report()
    (truth,) = CocoTruthFile(path, report=report).truths()
    return seen(truth.instances, truth.crowd, truth.box_only), report


def by_train(path):
    report = Report()
    data = read_training_set(path, path.parent, report=report)
    found = set()
    for item in data.images[0].objects:
        x1, y1, x2, y2 = item.box
        area = round((x2 - x1) * (y2 - y1)) if item.mask is None else int(item.mask.dense().sum())
        found.add((data.class_names[item.class_index], area, item.crowd, item.mask is None))
    return found, report


CONSUMERS = {"convert": by_convert, "evaluate": by_evaluate, "train": by_train}


@pytest.mark.parametrize("consumer", CONSUMERS)
@pytest.mark.parametrize("name", TABLE)
def test_a_flaw_costs_the_object_that_has_it_and_nothing_else(folder, name, consumer):
    change, expected, problems = TABLE[name]
    found, report = CONSUMERS[consumer](put(folder, change))
    assert found == expected
    assert (report.problems, len(report.messages)) == (problems, problems)


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_byte_order_mark_is_no_part_of_the_file(folder, consumer):
    found, _ = CONSUMERS[consumer](put(folder, lambda data: None, mark=b"\xef\xbb\xbf"))
    assert found == BOTH


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_text_may_be_in_utf_16_as_windows_writes_it(folder, consumer):
    path = put(folder, lambda data: None)
    path.write_text(path.read_text(), encoding="utf-16")
    found, _ = CONSUMERS[consumer](path)
    assert found == BOTH


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_labels_of_another_shape_than_the_image_are_left_out_and_named(folder, consumer):
    path = put(
        folder, lambda data: data["images"].append({**data["images"][0], "id": 3, "file_name": "b.png"})
    )
    Image.new("RGB", (40, 12)).save(folder / "b.png")
    found, report = CONSUMERS[consumer](path)
    assert found == BOTH
    assert report.messages == [
        "b.png: need labels of the image's size; labels are of 16 x 12 pixels, the image is of 40 x 12 pixels; "
        "they are left out"
    ]


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_labels_of_the_image_in_another_size_are_scaled_and_named(folder, consumer):
    Image.new("RGB", (32, 24)).save(folder / "a.png")
    found, report = CONSUMERS[consumer](put(folder, lambda data: None))
    assert found == {("cat", 120, False, False), ("dog", 180, False, False)}
    assert "they are scaled to it" in report.messages[0]


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("consumer", CONSUMERS)
def test_labels_of_the_stored_image_are_turned_with_it(folder, consumer, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    (folder / "a.png").unlink()
    pixels = np.zeros((12, 16, 3), np.uint8)
    pixels[1:6, 2:8] = 255
    Image.fromarray(pixels).save(folder / "a.png", exif=exif)
    path = put(folder, changed(segmentation=[]))
    if orientation <= 4:  # width and height stay, so that nothing shows that the label was not turned
        assert CONSUMERS[consumer](path)[0] == {("cat", 30, False, True), DOG}
        return
    found, report = CONSUMERS[consumer](path)
    assert found == {("cat", 30, False, True), DOG}
    assert "turned as its EXIF orientation says" in report.messages[0]


@pytest.mark.parametrize("text", ["", "{", "[1, 2", '{"images": 3}', '{"images": []}', "\xff"])
def test_what_is_no_annotation_file_is_refused_by_all(folder, text):
    path = folder / "in.json"
    path.write_bytes(text.encode("latin-1"))
    for consumer in CONSUMERS.values():
        with pytest.raises((MaskWeaveError, TrainingDataError), match=r"in\.json: need"):
            consumer(path)


def test_a_list_without_categories_is_named_by_all(folder):
    path = put(folder, lambda data: data.update(categories=[]))
    for consumer in CONSUMERS.values():
        with pytest.raises(MaskWeaveError, match="missing categories"):
            consumer(path)


def test_a_part_that_is_not_there_is_named_by_all(folder):
    pytest.importorskip("yaml")
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    Image.new("RGB", (16, 12)).save(folder / "images" / "a.png")
    (folder / "labels" / "a.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    data = folder / "data.yaml"
    data.write_text("train: [images, gone]\nval: [images, gone]\nnames: [cat]\n")
    reports = [Report("coco"), Report(), Report()]
    convert(data, folder / "out.json", to="coco", report=reports[0])
    CocoTruthFile(data, report=reports[1])
    read_training_set(data, folder, report=reports[2])
    assert ["there is no" in report.messages[0] for report in reports] == [True] * 3
    data.write_text("train: images\nnames: [cat]\n")
    with pytest.raises(MaskWeaveError, match="has no val entry, but train"):
        CocoTruthFile(data)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b'{"_via_settings": {}, "_via_img_metadata": {}}', "a project of VIA"),
        (b'{"a.png1": {"filename": "a.png", "regions": []}}', "annotations of VIA"),
        (b'[{"image": "a.png", "annotations": []}]', "CreateML's boxes"),
        (b'{"categories": {"label": {}}, "items": []}', "Datumaro's JSON"),
        ('{"images": [], "x": "\xfc"}'.encode("latin-1"), "need JSON in UTF-8"),
    ],
)
def test_what_no_format_takes_is_named_alike(folder, content, message):
    path = folder / "x.json"
    path.write_bytes(content)
    for read in (
        lambda: list(read_records(path)),
        lambda: CocoTruthFile(path),
        lambda: read_training_set(path, folder),
    ):
        with pytest.raises(MaskWeaveError, match=message):
            read()
