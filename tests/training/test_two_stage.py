"""The two-stage rival in benchmarks reads the right features and learns, so comparing with it says something."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch

from maskweave.training.annotations import read_training_set
from maskweave.training.augment import Augmentation
from maskweave.training.batches import StepDataset, sampling_weights
from maskweave.training.cache import ImageCache
from maskweave.training.network import Architecture, normalise
from maskweave.training.optimisers import Optimisers
from tests.training.drawn import draw_data_set

pytestmark = pytest.mark.training
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SMALL = Architecture(2, widths=(8, 16, 16, 24, 32), depths=(1, 1, 1, 1), neck=16, prototypes=8)


@pytest.fixture
def rival(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from two_stage import losses, network

    torch.set_num_threads(1)
    torch.manual_seed(0)
    return network, losses


def ramp(height, width):
    """A map (2, height, width) whose channels are x and y of each pixel's centre."""
    ys, xs = np.mgrid[:height, :width] + 0.5
    return torch.from_numpy(np.stack([xs, ys])).float()


def test_a_crop_holds_the_means_of_its_cells(rival):
    network, _ = rival
    boxes = torch.tensor([[2.0, 1.0, 9.0, 8.0], [4.5, 3.25, 6.25, 10.25]])
    got = network.crop(ramp(12, 16), boxes, 7)
    assert got.shape == (2, 2, 7, 7)
    for found, (x1, y1, x2, y2) in zip(got, boxes.tolist(), strict=True):
        middle = (np.arange(7) + 0.5) / 7
        np.testing.assert_allclose(found[0], np.tile(x1 + middle * (x2 - x1), (7, 1)), atol=1e-4)
        np.testing.assert_allclose(found[1], np.tile(y1 + middle * (y2 - y1), (7, 1)).T, atol=1e-4)


def test_each_box_is_read_from_its_image_and_level(rival):
    network, _ = rival
    levels = [
        torch.full((2, 1, side, side), float(level)) + torch.tensor([0.0, 10.0])[:, None, None, None]
        for level, side in enumerate((32, 16, 8))
    ]
    boxes = torch.tensor([[0.0, 0, 20, 20], [0, 0, 120, 120], [0, 0, 250, 250], [5, 5, 100, 30]])
    got = network.roi_align(levels, boxes, torch.tensor([0, 1, 1, 1]), 7)
    assert got.mean((1, 2, 3)).tolist() == pytest.approx([0, 11, 12, 10])


def test_corrections_keep_boxes_the_right_way_round(rival):
    network, _ = rival
    boxes = torch.tensor([[10.0, 20.0, 30.0, 60.0]])
    same = network.corrected(boxes, torch.zeros(1, 4))
    torch.testing.assert_close(same, boxes)
    worst = network.corrected(boxes, torch.tensor([[99.0, 99.0, -99.0, -99.0]]))
    assert (worst[:, 2:] > worst[:, :2]).all()


def test_the_loss_falls_and_something_is_found(rival, tmp_path):
    network, losses = rival
    path = draw_data_set(tmp_path)
    data = read_training_set(path, path.parent / "images")
    dataset = StepDataset(
        data,
        ImageCache(data.images, tmp_path / "cache", max_side=96),
        weights=sampling_weights(data),
        batch_size=4,
        size=96,
        seed=0,
        augmentation=Augmentation(scale=(0.9, 1.1), colour=0.1, paste=0.0),
    )
    net = network.TwoStageNet(SMALL)
    optimisers = Optimisers(net, kind="muon", lr=5e-3, weight_decay=0.0)
    seen = []
    for step in range(16):
        batch = dataset[step]
        loss = losses.two_stage_loss(net, normalise(batch.images), batch)
        optimisers.zero_grad()
        loss.backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in net.parameters())
        optimisers.step()
        seen.append(loss.item())
    assert np.mean(seen[-4:]) < 0.8 * np.mean(seen[:4])
    untouched = [name for name, p in net.named_parameters() if p.grad is None]
    assert untouched == []
    found = net.eval().detect(normalise(dataset[0].images[:1]), score=0.0)
    count = len(found.boxes)
    assert 0 < count <= 100
    assert found.scores.shape == found.class_ids.shape == (count,)
    assert found.mask_logits.shape == (count, 28, 28)
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
