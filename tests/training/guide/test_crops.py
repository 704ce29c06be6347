"""Crops show their object with guidance that is of it; steps are pure functions of their number."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

from maskweave.ops import guidance
from maskweave.training.annotations import read_training_set
from maskweave.training.cache import ImageCache
from maskweave.training.errors import TrainingDataError
from maskweave.training.guide import crops
from tests.training.drawn import draw_data_set

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = draw_data_set(tmp_path_factory.mktemp("drawn"))
    return read_training_set(path, path.parent / "images")


@pytest.fixture(scope="module")
def dataset(data, tmp_path_factory):
    cache = ImageCache(data.images, tmp_path_factory.mktemp("cache"), max_side=96)
    return crops.CropDataset(
        data, cache, crops.exact_objects(data, min_area=10), batch_size=9, size=96, seed=3
    )


def test_a_step_is_a_pure_function_of_its_number(dataset):
    one, again, other = dataset[5], dataset[5], dataset[6]
    assert (one.images == again.images).all()
    assert (one.guidance == again.guidance).all()
    assert (one.images != other.images).any()


def test_masks_are_where_the_shapes_are(dataset):
    """Drawn shapes are bright in red or blue, all else is dark or gray."""
    batch = dataset[0]
    pairs = [
        (np.ptp(image.astype(int), axis=2) > 60, mask)
        for image, mask in zip(batch.images.numpy(), batch.masks.numpy() > 0, strict=True)
    ]
    colored = [(vivid, mask) for vivid, mask in pairs if vivid.any()]
    assert len(colored) >= len(pairs) - 2  # a few crops are made gray
    for vivid, mask in colored:
        assert vivid[mask].mean() > 0.9


def test_every_third_crop_is_told_a_box_clicks_or_an_old_mask(dataset):
    batch = dataset[0]
    for number, (maps, mask) in enumerate(zip(batch.guidance.numpy(), batch.masks.numpy() > 0, strict=True)):
        needed = {crops.BOX: guidance.BOX, crops.CLICKS: guidance.INSIDE, crops.MASK: guidance.MASK}[
            number % 3
        ]
        told = maps[..., needed] > 0
        assert told.any()
        assert (told & mask).any()


def test_an_image_kept_smaller_gives_the_same_crop(data):
    record = data.images[0]
    image = np.full((96, 96, 3), 60, np.uint8)
    image[record.objects[0].mask.corner[1] :][:20] = 200
    small = image.reshape(48, 2, 48, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    big = crops.make_crop(record, 0, image, crops.BOX, 64, np.random.default_rng(1))
    half = crops.make_crop(record, 0, small, crops.BOX, 64, np.random.default_rng(1))
    np.testing.assert_array_equal(big[2], half[2])
    assert np.abs(big[0].astype(int) - half[0]).mean() < 8


def test_a_correction_shows_the_answer_and_a_click_on_its_error():
    truth = np.zeros((1, 64, 64), np.uint8)
    truth[0, 10:40, 10:40] = 1
    answer = np.zeros((1, 64, 64), np.float32)
    answer[0, 10:40, 10:20] = 0.9
    maps = np.zeros((1, 64, 64, 4), np.uint8)
    seconds = [
        crops.add_corrections(maps, answer, truth, np.random.default_rng(seed))[0] for seed in range(40)
    ]
    shown = [second[..., guidance.MASK].max() == 230 for second in seconds]
    clicked = [second[10:40, 20:40, guidance.INSIDE].any() for second in seconds]
    assert 0.6 < np.mean(shown) < 1
    assert 0.6 < np.mean(clicked) < 1
    assert not any(second[..., guidance.OUTSIDE].any() for second in seconds)
    assert not maps.any()


def test_data_without_masks_is_refused(data):
    with pytest.raises(TrainingDataError, match="no object has an exact mask of at least 100000 pixels"):
        crops.exact_objects(data, min_area=100_000)


def test_objects_of_rare_classes_are_drawn_oftener(data):
    objects = crops.exact_objects(data, min_area=10)
    assert objects.odds.sum() == pytest.approx(1)
    names = np.array([data.images[image].objects[row].class_index for image, row in objects.rows])
    assert objects.odds[names == 0].sum() == pytest.approx(objects.odds[names == 1].sum())
