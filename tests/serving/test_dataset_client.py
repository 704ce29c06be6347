"""The Python client opens a data set, corrects it and saves it back, and only what was corrected changes."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image as PILImage

from maskweave.errors import BadRecord, InvalidValue
from maskweave.serving import dataset_client
from maskweave.serving.client import Client, ServerError
from maskweave.types import Instances, Masks
from tests.annotations.scenes import objects, rectangle
from tests.annotations.test_revision import RING
from tests.serving.test_datasets import COCO, IMAGES, YOLO, YOLO_IMAGES, packed, unpacked


@pytest.fixture
def remote(server):
    with Client(server.url) as remote:
        yield remote


def files_of(labels, images):
    """A data set's files by name: label files, and gray images of their sizes."""
    return labels | {
        each["name"]: encoded(PILImage.new("L", (each["width"], each["height"]), 90)) for each in images
    }


def encoded(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def written(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def coco(tmp_path):
    hidden = {".git/old.json": b"{}", "notes.docx": b"x"}
    return written(tmp_path / "set", files_of(COCO, IMAGES) | hidden)


@pytest.fixture
def yolo(tmp_path):
    path = tmp_path / "yolo.zip"
    path.write_bytes(packed(files_of(YOLO, YOLO_IMAGES) | {"about.pdf": b"%PDF"}))
    return path


def test_a_folder_is_opened_with_the_objects_of_each_image(remote, coco):
    dataset = remote.dataset(coco)
    assert (dataset.formats, dataset.class_names) == (("coco",), ("cat", "person"))
    assert any("its id is another annotation's" in line for line in dataset.problems)
    assert repr(dataset) == "RemoteDataset('set', coco, 2 images)"
    _, three = dataset
    assert (three.name, three.source, three.instances.size) == ("three.png", "annotations/set.json", (12, 16))
    assert three.instances.names == ("person", "cat", "cat")
    assert three.crowds.tolist() == [False, False, True]
    assert three.instances.masks.areas.tolist()[1] == 0
    assert three.instances.boxes[1].tolist() == [8, 2, 12, 6]
    assert dataset.image("b/seven.png") == coco / "b/seven.png"
    with pytest.raises(InvalidValue, match="need the name of one of 2 images, got 'other'"):
        dataset.image("other")


def test_a_corrected_object_keeps_its_id_and_all_else_its_letters(remote, coco, tmp_path):
    dataset = remote.dataset(coco)
    three = dataset.images[1]
    masks = three.instances.masks.dense()
    corrected = objects([RING, masks[1], rectangle(0, 0, 2, 2)], names=("person", "cat", "bus"))
    dataset.revise(three, corrected, rows=[0, 1, -1])
    assert dataset.save(coco) == [coco / "annotations/set.json"]
    after = (coco / "annotations/set.json").read_bytes()
    assert b'"weight": 1.10' in after
    assert b'"id": 40' in after
    assert b'"id": 50' not in after
    seven, three = remote.dataset(coco)
    assert three.instances.names == ("person", "cat", "bus")
    assert np.array_equal(three.instances.masks.dense()[0], RING)
    assert np.array_equal(seven.instances.masks.dense(), dataset.images[0].instances.masks.dense())


def test_what_comes_back_as_it_was_changes_no_file(remote, coco):
    dataset = remote.dataset(coco)
    for image in dataset:
        dataset.revise(image, image.instances, rows=range(len(image.instances)))
    assert dataset.revised() == {}
    assert dataset.save(coco) == []


def test_a_zip_comes_back_whole_with_the_corrections(remote, yolo, tmp_path):
    dataset = remote.dataset(yolo)
    (bare,) = [image for image in dataset if not len(image.instances)]
    with PILImage.open(io.BytesIO(dataset.image(bare.name))) as image:
        assert image.size == (16, 12)
    dataset.revise(bare, objects([RING], names=("bus",)))
    dataset.save(tmp_path / "corrected.zip")
    before, after = unpacked(yolo.read_bytes()), unpacked((tmp_path / "corrected.zip").read_bytes())
    assert set(after) == {*before, "train/labels/b.txt"}
    assert {name for name in before if before[name] != after[name]} == {"data.yaml"}
    assert remote.dataset(tmp_path / "corrected.zip").class_names == ("person", "car", "bus")


def test_a_folder_becomes_a_zip_with_its_images(remote, coco, tmp_path):
    remote.dataset(coco).save(tmp_path / "set.zip")
    assert unpacked((tmp_path / "set.zip").read_bytes()) == files_of(COCO, IMAGES)


def test_more_corrections_than_one_request_takes_come_to_the_same(remote, coco, monkeypatch):
    dataset = remote.dataset(coco)
    for image in dataset:
        dataset.revise(image, objects([RING], names=("bus",)), rows=[0])
    at_once = dataset.revised()
    monkeypatch.setattr(dataset_client, "_MAX_SENT", 10)
    assert dataset.revised() == at_once


def test_an_image_that_lies_on_its_side_is_measured_upright(remote, tmp_path):
    exif = PILImage.Exif()
    exif[274] = 6
    image = encoded(PILImage.new("L", (12, 16)), exif=exif)
    labels = {"data.yaml": YOLO["data.yaml"], "train/labels/a.txt": b"0 0.5 0.5 0.5 0.5\n"}
    set_of_one = written(tmp_path / "set", labels | {"train/images/a.png": image})
    (found,) = remote.dataset(set_of_one)
    assert found.instances.size == (12, 16)


def test_what_does_not_fit_is_said_before_it_is_sent(remote, coco, tmp_path):
    dataset = remote.dataset(coco)
    three = dataset.images[1]
    with pytest.raises(InvalidValue, match="need objects in an image of"):
        dataset.revise(three, Instances(Masks.empty((3, 3)), np.zeros((0, 4)), [], [], ("cat",)))
    with pytest.raises(InvalidValue, match=r"a number of 0 to 2 in three\.png, or -1, got"):
        dataset.revise(three, objects([RING]), rows=[3])
    with pytest.raises(InvalidValue, match="need for each of 1 objects"):
        dataset.revise(three, objects([RING]), rows=[0, 1])
    with pytest.raises(InvalidValue, match="need a folder or a zip"):
        remote.dataset(tmp_path / "nowhere")
    with pytest.raises(ServerError, match="need COCO's JSON or"):
        remote.dataset(written(tmp_path / "bare", {"a.txt": b""}))


def test_names_that_lead_elsewhere_are_not_written(remote, coco, monkeypatch):
    dataset = remote.dataset(coco)
    dataset.revise(dataset.images[0], objects([RING]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../evil.json", b"{}")
    answer = type("Answer", (), {"content": buffer.getvalue()})
    monkeypatch.setattr(remote, "post", lambda *_, **__: answer)
    with pytest.raises(BadRecord, match="need a file name that stays in its folder"):
        dataset.save(coco)
