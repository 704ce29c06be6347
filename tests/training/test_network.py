import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch
from torch import nn

from maskweave.training.assign import assign, pairwise_iou
from maskweave.training.network import Architecture, CompactNet, Conv, normalize, point_positions
from maskweave.training.optimizers import Muon, Optimizers, orthogonalize
from tests.training.networks import random_network

pytestmark = pytest.mark.training


def test_outputs_have_the_shapes_of_the_contract():
    network = CompactNet(Architecture(classes=5)).eval()
    with torch.no_grad():
        out = network(normalize(torch.zeros(2, 64, 96, 3, dtype=torch.uint8)))
    points = 8 * 12 + 4 * 6 + 2 * 3 + 1 * 2
    assert out.class_logits.shape == (2, points, 5)
    assert out.distances.shape == (2, points, 4, 8)
    assert out.boxes.shape == (2, points, 4)
    assert out.kernels.shape == (2, points, 169)
    assert out.prototypes.shape == (2, 8, 16, 24)
    assert out.features.shape == (2, 128, 8, 12)
    positions, _ = point_positions(64, 96)
    assert (out.boxes[0, :, :2] <= positions).all()
    assert (positions <= out.boxes[0, :, 2:]).all()


def test_points_lie_at_the_corners_of_their_cells():
    positions, strides = point_positions(64, 96)
    assert len(positions) == 128
    assert strides.unique().tolist() == [8, 16, 32, 64]
    assert positions[strides == 32].tolist() == [[0, 0], [32, 0], [64, 0], [0, 32], [32, 32], [64, 32]]
    assert positions[strides == 64].tolist() == [[0, 0], [64, 0]]


def test_the_network_is_small_enough_for_the_wheel():
    network = CompactNet(Architecture(classes=80))
    assert sum(p.numel() for p in network.parameters()) * 2 < 7e6


def test_a_fresh_network_believes_in_nothing():
    torch.manual_seed(0)
    out = CompactNet(Architecture(classes=3)).eval()(torch.randn(1, 3, 64, 64))
    assert out.class_logits.sigmoid().max() < 0.1


def test_the_slope_is_that_of_the_detector_alone():
    network = CompactNet(Architecture(classes=2))
    network.set_slope(0.1)
    slopes = {
        name: module.slope
        for name, module in network.named_modules()
        if isinstance(module, Conv) and module.active
    }
    assert {slope for name, slope in slopes.items() if name.startswith("masks.")} == {0.0}
    assert {slope for name, slope in slopes.items() if not name.startswith("masks.")} == {0.1}


def test_a_frozen_detector_gets_no_gradient_and_the_mask_branch_does():
    network = random_network()
    network.freeze(("backbone", "pyramid", "heads"))
    out = network(torch.randn(1, 3, 64, 64))
    assert not out.class_logits.requires_grad
    (out.kernels.sum() + out.prototypes.sum()).backward()
    with_gradient = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert with_gradient == {name for name, _ in network.named_parameters() if name.startswith("masks.")}


def test_iou_of_known_boxes():
    boxes = torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4], [10, 10, 11, 11]])
    expected = torch.tensor([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]])
    torch.testing.assert_close(pairwise_iou(boxes, boxes), expected)


def test_each_object_gets_points_inside_it_and_the_best_fit_the_highest_target():
    positions, _ = point_positions(64, 64)
    truth = torch.tensor([[0.0, 0, 30, 30], [34, 34, 62, 62], [40.0, 2, 42, 4]])
    boxes = torch.cat([positions - 12, positions + 12], 1)
    found = assign(
        torch.full((len(positions), 2), 0.1),
        boxes,
        positions,
        object_boxes=truth,
        object_classes=torch.tensor([0, -1, 1]),
    )
    assert set(found.objects.tolist()) == {0, 1, 2}
    assert len(found.points.unique()) == len(found.points)
    for index in (0, 1):
        mine = found.objects == index
        assert 1 <= mine.sum() <= 10
        inside = (positions[found.points[mine]] > truth[index, :2]) & (
            positions[found.points[mine]] < truth[index, 2:]
        )
        assert inside.all()
        iou = pairwise_iou(truth[index : index + 1], boxes[found.points[mine]])[0]
        assert found.quality[mine].argmax() == iou.argmax()
        assert found.quality[mine].max() == pytest.approx(float(iou.max()), abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 8, 30), (2, 30, 8), (1, 16, 16)])
def test_orthogonalized_matrices_have_singular_values_near_one(shape):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalize(torch.randn(shape)))
    assert values.min() > 0.4
    assert values.max() < 1.4


@pytest.mark.parametrize("shape", [(3, 16, 144), (2, 40, 24), (1, 1, 9)])
def test_orthogonalizing_by_gram_matrices_equals_the_published_iteration(shape):
    torch.manual_seed(0)
    matrices = torch.randn(shape)
    x = matrices / matrices.norm(dim=(1, 2), keepdim=True)
    for _ in range(5):  # Jordan et al. 2024, written for wide matrices; tall ones by their transpose
        wide = x if shape[1] <= shape[2] else x.transpose(1, 2)
        gram = wide @ wide.transpose(1, 2)
        wide = 3.4445 * wide + (-4.7750 * gram + 2.0315 * gram @ gram) @ wide
        x = wide if shape[1] <= shape[2] else wide.transpose(1, 2)
    torch.testing.assert_close(orthogonalize(matrices), x, atol=1e-4, rtol=1e-4)


def rates(network, **options):
    """Learning rate of every parameter by name after `set_lr(1)`; no parameter may be there twice."""
    optimizers = Optimizers(network, lr=1.0, weight_decay=0.1, **options)
    optimizers.set_lr(1.0)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = [
        (names[id(parameter)], group["lr"])
        for part in optimizers.parts
        for group in part.param_groups
        for parameter in group["params"]
    ]
    assert len(found) == len(dict(found))
    return dict(found)


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_every_parameter_is_trained_once(kind):
    network = CompactNet(Architecture(classes=2))
    assert rates(network, kind=kind).keys() == dict(network.named_parameters()).keys()


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_of_a_frozen_network_the_mask_branch_alone_is_trained(kind):
    network = CompactNet(Architecture(classes=2))
    network.freeze(("backbone", "pyramid", "heads"))
    trained = rates(network, kind=kind).keys()
    assert trained == {name for name, _ in network.named_parameters() if name.startswith("masks.")}


def test_detector_and_vectors_learn_at_rates_of_their_own():
    found = rates(CompactNet(Architecture(classes=2)), kind="muon", detector_lr=0.1, vector_lr=0.5)
    assert found["masks.fine.0.conv.weight"] == pytest.approx(1.0)
    assert found["masks.fine.0.conv.bias"] == pytest.approx(0.5)
    assert found["pyramid.reduce.0.conv.weight"] == pytest.approx(0.1)
    assert found["backbone.stem.conv.weight"] == pytest.approx(0.05)
    assert found["heads.0.classes.weight"] == pytest.approx(0.05)
    plain = rates(CompactNet(Architecture(classes=2)), kind="adamw", detector_lr=0.1, vector_lr=0.5)
    assert set(plain.values()) == {1.0, 0.1}


def test_muon_minimizes():
    torch.manual_seed(0)
    layer = nn.Linear(6, 4, bias=False)
    target = torch.eye(4, 6)
    optimizer = Muon(layer.parameters(), lr=0.05)
    for _ in range(150):
        loss = (layer.weight - target).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05
