from itertools import islice

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch

from maskweave.training.annotations import ImageRecord, ObjectRecord, TrainingSet, read_training_set
from maskweave.training.augment import Augmentation
from maskweave.training.batches import StepDataset, sampling_weights, step_loader
from maskweave.training.cache import ImageCache
from maskweave.training.config import TrainConfig
from maskweave.training.schedule import Schedule, activation_slope
from tests.training.drawn import draw_data_set

pytestmark = pytest.mark.training


@pytest.fixture
def dataset(tmp_path):
    path = draw_data_set(tmp_path)
    data = read_training_set(path, path.parent / "images")
    cache = ImageCache(data.images, tmp_path / "cache", max_side=96)
    return StepDataset(
        data,
        cache,
        weights=sampling_weights(data),
        batch_size=4,
        size=96,
        seed=3,
        augmentation=Augmentation(),
    )


def same(a, b):
    return all(torch.equal(x, getattr(b, name)) for name, x in vars(a).items() if isinstance(x, torch.Tensor))


def test_a_step_is_the_same_whenever_it_is_asked_for(dataset):
    assert same(dataset[5], dataset[5])
    assert not same(dataset[5], dataset[6])


def test_a_batch_holds_different_images_and_consistent_targets(dataset):
    for step in range(4):
        batch = dataset[step]
        assert batch.images.shape[0] == 4
        assert batch.images.shape[1] % 32 == batch.images.shape[2] % 32 == 0
        assert (
            len({len(batch.boxes), len(batch.owner), len(batch.classes), len(batch.masks), len(batch.trust)})
            == 1
        )
        assert batch.masks.shape[1:] == (batch.images.shape[1] // 2, batch.images.shape[2] // 2)
        assert (batch.boxes[:, 2:] > batch.boxes[:, :2]).all()


def test_mosaics_hold_more_objects(dataset):
    plain = [len(dataset[step].boxes) for step in range(4)]
    dataset.augmentation = Augmentation(mosaic=1.0)
    mosaics = [dataset[step] for step in range(4)]
    assert sum(len(batch.boxes) for batch in mosaics) > 2 * sum(plain)
    assert all(batch.images.shape[1] % 32 == batch.images.shape[2] % 32 == 0 for batch in mosaics)
    assert same(dataset[2], mosaics[2])


@pytest.mark.parametrize("workers", [0, 1])
def test_loading_starts_at_any_step_and_keeps_the_order(dataset, workers):
    batches = list(islice(step_loader(dataset, 7, workers=workers), 3))
    assert [batch.step for batch in batches] == [7, 8, 9]
    assert same(batches[1], dataset[8])


def test_images_of_scarce_classes_and_of_favored_sources_are_drawn_more():
    def image(number, class_index, source):
        item = ObjectRecord(class_index, (0, 0, 9, 9), None, True, False)
        return ImageRecord(number, None, (9, 9), np.ones(2, dtype=bool), (item,), source)

    images = (
        [image(i, 0, "a") for i in range(95)] + [image(i, 0, "b") for i in range(4)] + [image(99, 1, "a")]
    )
    weights = sampling_weights(
        TrainingSet(("often", "seldom"), tuple(images)), source_weights={"b": 0.5}, threshold=0.16
    )
    assert weights.sum() == pytest.approx(1)
    assert weights[99] / weights[0] == pytest.approx(4)  # sqrt(0.16 / 0.01)
    assert weights[96] / weights[0] == pytest.approx(0.5)


def test_the_schedule_warms_up_stays_and_falls(tmp_path):
    config = TrainConfig(
        tmp_path,
        tmp_path,
        tmp_path,
        epochs=10,
        batch_size=10,
        warmup_steps=10,
        lr=1.0,
        decay=0.25,
        size=128,
        start_size=64,
        size_switch=0.5,
    )
    schedule = Schedule.of(config, 100)
    assert schedule.total_steps == 100
    rates = [schedule.lr(step, schedule.progress(step, 0)) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:76] == [1.0] * 67
    assert np.all(np.diff(rates[75:]) < 0)
    assert rates[100] == 0
    assert [schedule.phase(p).size for p in (0.0, 0.49, 0.5, 1.0)] == [64, 64, 128, 128]
    assert [schedule.phase(p).mosaic for p in (0.0, 0.74, 0.75, 1.0)] == [True, True, False, False]
    assert not schedule.decaying(0.74)
    assert schedule.decaying(0.75)


def test_a_run_by_the_clock_follows_the_clock(tmp_path):
    schedule = Schedule.of(TrainConfig(tmp_path, tmp_path, tmp_path, minutes=2), 100)
    assert schedule.progress(10**6, 60) == pytest.approx(0.5)


def test_the_slope_falls_to_zero_in_its_share_of_the_run_or_stays():
    def slopes(relu_by):
        return [activation_slope(0.1, progress, relu_by=relu_by) for progress in (0.0, 0.25, 0.5, 0.9)]

    assert slopes(0.5) == pytest.approx([0.1, 0.05, 0.0, 0.0])
    assert slopes(0.0) == [0.1] * 4
