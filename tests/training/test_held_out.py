"""Training images that show what a validation image shows are left out of a run, and nothing else is."""

import json

import cv2
import numpy as np
import pytest

from maskweave.training.annotations import ImageRecord, TrainingSet
from maskweave.training.copies import CopyFinder
from maskweave.training.held_out import COPIES, without_copies
from tests.training.drawn import photo_like

SEEDS = (1, 2, 3, 4)


def crop(image):
    height, width = image.shape[:2]
    return image[height // 10 : -height // 8, width // 6 :]


def compressed(image):
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(image), [cv2.IMWRITE_JPEG_QUALITY, 50])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


COPY = {
    "itself": lambda image: image,
    "compressed": compressed,
    "mirrored": lambda image: image[:, ::-1],
    "cropped": crop,
    "cropped and mirrored": lambda image: compressed(crop(image)[:, ::-1]),
    "half the size": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "made square": lambda image: cv2.resize(image, (240, 240), interpolation=cv2.INTER_AREA),
    "brighter": lambda image: np.clip(image.astype(float) * 1.2 + 10, 0, 255).astype(np.uint8),
}


@pytest.fixture(scope="module")
def finder():
    return CopyFinder([photo_like(seed) for seed in SEEDS])


@pytest.mark.parametrize("kind", COPY)
def test_a_copy_is_found_with_what_it_shows(finder, kind):
    images = [np.ascontiguousarray(COPY[kind](photo_like(seed))) for seed in SEEDS]
    assert [finder.find(image) for image in images] == [0, 1, 2, 3]


def test_other_images_are_no_copies(finder):
    assert [finder.find(photo_like(seed)) for seed in range(10, 30)] == [None] * 20


@pytest.mark.parametrize("value", [0, 255])
def test_an_image_without_features_is_no_copy(finder, value):
    assert finder.find(np.full((40, 60, 3), value, np.uint8)) is None
    assert CopyFinder([np.full((40, 60, 3), value, np.uint8)]).find(photo_like(1)) is None


def saved(folder, images):
    folder.mkdir()
    paths = []
    for number, image in enumerate(images):
        paths.append(folder / f"{number}.png")
        cv2.imwrite(str(paths[-1]), image[..., ::-1])
    return paths


def training_set(paths):
    labeled = np.ones(1, np.bool_)
    return TrainingSet(
        ("thing",), tuple(ImageRecord(n, path, (1, 1), labeled, (), "") for n, path in enumerate(paths))
    )


def test_copies_are_left_out_told_and_listed(tmp_path):
    paths = saved(tmp_path / "train", [photo_like(1), photo_like(2)[:, ::-1], photo_like(7)])
    held_out = saved(tmp_path / "val", [photo_like(5), photo_like(2)])
    messages = []
    left = without_copies(training_set(paths), held_out, tmp_path / "run", messages.append)
    assert [image.path for image in left.images] == [paths[0], paths[2]]
    (message,) = messages
    assert message.startswith("1 of 3 training images show what a validation image shows")
    assert json.loads((tmp_path / "run" / COPIES).read_text()) == {str(paths[1]): str(held_out[1])}


def test_a_resumed_run_leaves_out_the_same_ones_without_looking(tmp_path):
    paths = saved(tmp_path / "train", [photo_like(1), photo_like(2)])
    held_out = saved(tmp_path / "val", [photo_like(2)])
    first = without_copies(training_set(paths), held_out, tmp_path / "run")
    held_out[0].unlink()
    assert without_copies(training_set(paths), held_out, tmp_path / "run") == first


def test_validating_on_all_that_is_trained_on_is_told(tmp_path):
    paths = saved(tmp_path / "train", [photo_like(1), photo_like(2)])
    messages = []
    data = training_set(paths)
    assert without_copies(data, paths, tmp_path / "run", messages.append) == data
    assert messages == [
        "all training images are validation images too: the scores say nothing about other images"
    ]
