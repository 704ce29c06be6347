"""Label files of a data set are read, and come back with what was corrected; the server keeps none of it."""

import io
import json
import zipfile

import numpy as np
import pytest

from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.types import Masks
from tests.annotations.scenes import rectangle
from tests.annotations.test_revision import RING, SOURCE

COCO = {"annotations/set.json": SOURCE.encode(), "readme.txt": b"ours\r\n"}
IMAGES = [
    {"name": "three.png", "width": 16, "height": 12},
    {"name": "b/seven.png", "width": 16, "height": 12},
]
YOLO = {
    "data.yaml": b"train: ../train/images\nnc: 2\nnames: [person, car]\n",
    "train/labels/a.txt": b"0 0.1 0.1 0.5 0.1 0.5 0.6\nnonsense\n1 0.5 0.5 0.25 0.5",
}
YOLO_IMAGES = [{"name": f"train/images/{name}.jpg", "width": 16, "height": 12} for name in "ab"]


def packed(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def unpacked(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def ask(client, what, files, **asked):
    data = files if isinstance(files, bytes) else packed(files)
    form = {"labels": ("labels.zip", data), "request": (None, json.dumps(asked))}
    return client.post(f"/v1/datasets/{what}", files=form)


def as_read(image):
    """The objects of an image as they were read, to be sent back."""
    keys = ("row", "class", "rle")
    objects = [{key: each[key] for key in keys} for each in image["objects"]]
    return {"name": image["name"], "source": image["source"], "objects": objects}


def rle_of(mask):
    return dict(encode_masks(Masks.from_dense(mask[None]))[0])


def test_a_coco_set_is_read_by_image(client):
    found = ask(client, "read", COCO, images=IMAGES).json()
    assert found["formats"] == ["coco"]
    assert found["class_names"] == ["cat", "person"]
    seven, three = found["images"]
    assert (seven["name"], seven["source"], seven["size"]) == (
        "b/seven.png",
        "annotations/set.json",
        [12, 16],
    )
    assert [each["class"] for each in three["objects"]] == ["person", "cat", "cat"]
    assert [each["crowd"] for each in three["objects"]] == [False, False, True]
    box_only = three["objects"][1]
    assert (box_only["row"], box_only["score"], box_only["area"], box_only["box"]) == (
        1,
        None,
        0,
        [8, 2, 12, 6],
    )
    assert any("its id is another annotation's" in line for line in found["problems"])


@pytest.mark.parametrize(("files", "images"), [(COCO, IMAGES), (YOLO, YOLO_IMAGES)], ids=["coco", "yolo"])
def test_label_files_come_back_byte_for_byte_where_nothing_was_corrected(client, files, images):
    found = ask(client, "read", files, images=images).json()
    assert found["images"]
    revisions = [as_read(image) for image in found["images"]]
    for given in ([], revisions):
        answer = ask(client, "revise", files, images=images, revisions=given)
        assert answer.headers["content-type"] == "application/zip"
        assert unpacked(answer.content) == files


def test_a_corrected_mask_is_what_is_read_then(client):
    found = ask(client, "read", COCO, images=IMAGES).json()
    revision = as_read(found["images"][1])
    revision["objects"][0]["rle"] = rle_of(RING)
    revision["objects"].append({"row": None, "class": "bus", "rle": rle_of(rectangle(0, 0, 2, 2))})
    files = unpacked(ask(client, "revise", COCO, images=IMAGES, revisions=[revision]).content)
    assert files["readme.txt"] == COCO["readme.txt"]
    assert b'"weight": 1.10' in files["annotations/set.json"]
    after = ask(client, "read", files, images=IMAGES).json()
    assert after["images"][0] == found["images"][0]
    masks = decode_masks([each["rle"] for each in after["images"][1]["objects"]], (12, 16)).dense()
    assert np.array_equal(masks[0], RING)
    assert [each["class"] for each in after["images"][1]["objects"]] == ["person", "cat", "cat", "bus"]


def test_an_image_of_a_yolo_set_without_labels_gets_some(client):
    found = ask(client, "read", YOLO, images=YOLO_IMAGES).json()
    assert [len(image["objects"]) for image in found["images"]] == [2, 0]
    revision = {**as_read(found["images"][1]), "objects": [{"class": "bus", "rle": rle_of(RING)}]}
    files = unpacked(ask(client, "revise", YOLO, images=YOLO_IMAGES, revisions=[revision]).content)
    assert set(files) == {*YOLO, "train/labels/b.txt"}
    assert files["train/labels/a.txt"] == YOLO["train/labels/a.txt"]
    assert b'nc: 3\nnames: [person, car, "bus"]' in files["data.yaml"]


def test_images_that_are_not_there_or_of_another_size_are_left_as_they_are(client):
    images = [{**IMAGES[0], "width": 12, "height": 16}]
    found = ask(client, "read", COCO, images=images).json()
    assert found["images"] == []
    assert any("of 16 x 12 pixels, the image is of 12 x 16" in line for line in found["problems"])
    assert any("b/seven.png: the image is not among those" in line for line in found["problems"])


def test_an_image_is_found_in_another_folder_when_only_one_has_its_name(client):
    images = [{**each, "name": f"val/{each['name'].split('/')[-1]}"} for each in IMAGES]
    found = ask(client, "read", COCO, images=images).json()
    assert {image["name"] for image in found["images"]} == {"val/three.png", "val/seven.png"}


@pytest.mark.parametrize(
    ("files", "images", "detail"),
    [
        (b"PK\x05\x06" + bytes(18), [], "found neither"),
        ({"../a.json": b"{}"}, [], "need a file name that stays in its folder"),
        ({"/etc/a.json": b"{}"}, [], "need a file name that stays in its folder"),
        ({"a.txt": b""}, [{"name": "../b.png", "width": 1, "height": 1}], "need a file name that stays"),
        (COCO, [IMAGES[0], IMAGES[0]], "three.png comes twice"),
        ({"data.yaml": b"train: /etc\nnames: [a]\n"}, [], "need places within the data set, got /etc"),
        ({"data.yaml": b"train: ../../../etc\nnames: [a]\n"}, [], "need places within the data set"),
        ({"data.yaml": b"path: /etc\ntrain: .\nnames: [a]\n"}, [], "within the data set"),
        ({"data.yaml": b"names: 7\n"}, [], "need names"),
    ],
)
def test_what_leads_elsewhere_or_says_nothing_is_refused(client, files, images, detail):
    answer = ask(client, "read", files, images=images)
    assert answer.status_code == 422
    assert detail in answer.json()["detail"]
    assert "/tmp" not in answer.text


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"name": "other.png"}, "has none called other.png"),
        ({"source": "x.json"}, "x.json has none"),
        ({"objects": [{"row": 9, "class": "cat", "rle": rle_of(RING)}]}, "its number of 0 to"),
        ({"objects": [{"row": 0, "class": "cat", "rle": {"size": [3, 3], "counts": "9"}}]}, ""),
    ],
)
def test_a_revision_that_does_not_fit_is_refused(client, change, detail):
    found = ask(client, "read", COCO, images=IMAGES).json()
    answer = ask(client, "revise", COCO, images=IMAGES, revisions=[as_read(found["images"][0]) | change])
    assert answer.status_code == 422
    assert detail in answer.json()["detail"]


def test_a_zip_that_unpacks_to_more_than_fits_is_refused(client):
    bomb = {f"{number}.json": bytes(64_000_000) for number in range(9)}
    answer = ask(client, "read", bomb, images=[])
    assert answer.status_code == 422
    assert "unpacked, got more" in answer.json()["detail"]


def test_what_is_no_zip_is_refused(client, image):
    answer = ask(client, "read", image, images=[])
    assert (answer.status_code, answer.json()["title"]) == (415, "unsupported media type")


def test_all_of_a_set_becomes_one_set_of_another_format(client):
    coco = {"set.json": SOURCE.encode()}
    answer = ask(client, "export", coco, images=IMAGES, format="yolo")
    assert answer.headers["content-disposition"].endswith('images.yolo.zip"')
    files = unpacked(answer.content)
    assert b"cat" in files["images.yolo/data.yaml"]
    assert len(files["images.yolo/labels/three.txt"].splitlines()) == 2
    answer = ask(client, "export", coco, images=IMAGES, format="cvat")
    assert answer.content.count(b"<image ") == 2


def test_a_set_becomes_nothing_that_is_no_annotation(client):
    answer = ask(client, "export", COCO, images=IMAGES, format="overlay")
    assert answer.status_code == 422
    assert "need one of coco" in answer.json()["detail"]
