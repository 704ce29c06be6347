import os

import cv2
import numpy as np
import pytest

from maskweave.sources.images import read_image
from maskweave.training.annotations import ImageRecord
from maskweave.training.cache import ImageCache, read_rgb
from maskweave.training.errors import TrainingDataError


@pytest.fixture
def records(tmp_path):
    rng = np.random.default_rng(0)
    found = []
    for index, size in enumerate([(40, 60), (90, 30)]):
        path = tmp_path / f"{index}.png"
        cv2.imwrite(str(path), rng.integers(0, 255, (*size, 3), dtype=np.uint8))
        found.append(ImageRecord(index, path, size, np.ones(1, dtype=bool), (), ""))
    return found


def test_images_come_back_as_they_were(records, tmp_path):
    cache = ImageCache(records, tmp_path / "cache", max_side=100)
    assert len(cache) == 2
    for index, record in enumerate(records):
        np.testing.assert_array_equal(cache[index], read_rgb(record.path))


def test_training_reads_an_image_as_every_command_does(tmp_path):
    pixels = np.zeros((6, 9, 4), np.uint16)
    pixels[:, :, 0], pixels[:, :3, 3] = 40000, 65535  # red where it is opaque, transparent elsewhere
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), pixels[:, :, [2, 1, 0, 3]])
    np.testing.assert_array_equal(read_rgb(path), read_image(path))
    assert read_rgb(path)[0].tolist() == [[156, 0, 0]] * 3 + [[255, 255, 255]] * 6


def test_large_images_are_shrunk(records, tmp_path):
    cache = ImageCache(records, tmp_path / "cache", max_side=45)
    assert cache[0].shape == (30, 45, 3)
    assert cache[1].shape == (45, 15, 3)


def test_a_set_too_large_is_not_stored(records, tmp_path):
    cache = ImageCache(records, tmp_path / "cache", max_side=45, max_bytes=1000)
    assert not (tmp_path / "cache").exists()
    assert cache[0].shape == (30, 45, 3)


def test_the_file_is_reused_until_an_image_changes(records, tmp_path):
    folder = tmp_path / "cache"
    ImageCache(records, folder, max_side=100)
    before = (folder / "images.bin").stat().st_ino
    ImageCache(records, folder, max_side=100)
    assert (folder / "images.bin").stat().st_ino == before
    cv2.imwrite(str(records[0].path), np.full((40, 60, 3), 7, np.uint8))
    os.utime(records[0].path, ns=(1, 1))
    assert ImageCache(records, folder, max_side=100)[0].max() == 7


def test_a_damaged_index_is_built_anew(records, tmp_path):
    ImageCache(records, tmp_path / "cache", max_side=100)
    (tmp_path / "cache" / "images.json").write_text("{")
    assert ImageCache(records, tmp_path / "cache", max_side=100)[1].shape == (90, 30, 3)


def test_an_unreadable_image_is_named(records, tmp_path):
    records[1].path.write_bytes(b"nothing")
    with pytest.raises(TrainingDataError, match=r"1\.png: not a readable image"):
        ImageCache(records, tmp_path / "cache", max_side=100)
