import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch
from torch import nn

from maskweave.training.assign import assign, pairwise_iou
from maskweave.training.network import Architecture, CompactNet, normalise, point_centres
from maskweave.training.optimisers import Optimisers, orthogonalise

pytestmark = pytest.mark.training


def test_outputs_have_the_shapes_of_the_contract():
    network = CompactNet(Architecture(classes=5)).eval()
    with torch.no_grad():
        out = network(normalise(torch.zeros(2, 64, 96, 3, dtype=torch.uint8)))
    points = 8 * 12 + 4 * 6 + 2 * 3
    assert out.class_logits.shape == (2, points, 5)
    assert out.boxes.shape == (2, points, 4)
    assert out.coefficients.shape == (2, points, 30)
    assert out.prototypes.shape == (2, 30, 16, 24)
    assert out.features.shape == (2, 80, 8, 12)
    assert out.semantic_logits is None
    centres, strides = point_centres(64, 96)
    assert centres.shape == (points, 2)
    assert strides.unique().tolist() == [8, 16, 32]
    inside = (out.boxes[0, :, :2] < centres) & (centres < out.boxes[0, :, 2:])
    assert inside.all()


def test_the_network_is_small_enough_for_the_wheel():
    network = CompactNet(Architecture(classes=23))
    assert sum(p.numel() for p in network.parameters()) * 2 < 7.5e6


def test_iou_of_known_boxes():
    boxes = torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4], [10, 10, 11, 11]])
    expected = torch.tensor([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]])
    torch.testing.assert_close(pairwise_iou(boxes, boxes), expected)


def test_each_object_gets_points_inside_it_and_the_best_fit_the_highest_target():
    centres, _ = point_centres(64, 64)
    truth = torch.tensor([[0.0, 0, 30, 30], [34, 34, 62, 62], [40.0, 2, 42, 4]])
    boxes = torch.cat([centres - 12, centres + 12], 1)
    found = assign(
        torch.full((len(centres), 2), 0.1),
        boxes,
        centres,
        object_boxes=truth,
        object_classes=torch.tensor([0, -1, 1]),
    )
    assert set(found.objects.tolist()) == {0, 1, 2}
    assert len(found.points.unique()) == len(found.points)
    for index in (0, 1):
        mine = found.objects == index
        assert 1 <= mine.sum() <= 10
        inside = (centres[found.points[mine]] > truth[index, :2]) & (
            centres[found.points[mine]] < truth[index, 2:]
        )
        assert inside.all()
        iou = pairwise_iou(truth[index : index + 1], boxes[found.points[mine]])[0]
        assert found.quality[mine].argmax() == iou.argmax()
        assert found.quality[mine].max() == pytest.approx(float(iou.max()), abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 8, 30), (2, 30, 8), (1, 16, 16)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
    assert values.min() > 0.4
    assert values.max() < 1.4


@pytest.mark.parametrize("shape", [(3, 16, 144), (2, 40, 24), (1, 1, 9)])
def test_orthogonalising_by_gram_matrices_equals_the_published_iteration(shape):
    torch.manual_seed(0)
    matrices = torch.randn(shape)
    x = matrices / matrices.norm(dim=(1, 2), keepdim=True)
    for _ in range(5):  # Jordan et al. 2024, written for wide matrices; tall ones by their transpose
        wide = x if shape[1] <= shape[2] else x.transpose(1, 2)
        gram = wide @ wide.transpose(1, 2)
        wide = 3.4445 * wide + (-4.7750 * gram + 2.0315 * gram @ gram) @ wide
        x = wide if shape[1] <= shape[2] else wide.transpose(1, 2)
    torch.testing.assert_close(orthogonalise(matrices), x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_every_parameter_is_trained_once(kind):
    network = CompactNet(Architecture(classes=2))
    optimisers = Optimisers(network, kind=kind, lr=1e-3, weight_decay=0.1)
    trained = [id(p) for part in optimisers.parts for group in part.param_groups for p in group["params"]]
    assert sorted(trained) == sorted(id(p) for p in network.parameters())


def test_muon_minimises():
    torch.manual_seed(0)
    layer = nn.Linear(6, 4, bias=False)
    target = torch.eye(4, 6)
    optimisers = Optimisers(layer, kind="muon", lr=0.05, weight_decay=0.0)
    for _ in range(150):
        loss = (layer.weight - target).square().sum()
        optimisers.zero_grad()
        loss.backward()
        optimisers.step()
    assert loss < 0.05
