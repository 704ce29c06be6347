"""Masks are charged at points of the object's box, and computed as the decoder computes them."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from maskweave.models.compact import CompactModel
from maskweave.ops.letterbox import Letterbox
from maskweave.training.batches import collate
from maskweave.training.losses import Positives
from maskweave.training.mask_loss import coordinates, mask_logits, mask_loss
from maskweave.training.network import kernel_layout
from tests.models.compact_outputs import compact_outputs, linear_kernel, prototype_kernel
from tests.runtimes.fake import FakeRuntime
from tests.training.targets import PROTOTYPES, SIZE, prediction, view

pytestmark = pytest.mark.training
LARGE, SMALL = (8, 8, 56, 56), (24, 24, 34, 34)


def positive_at(point=0):
    """One point that learns the only object."""
    one = torch.tensor([point])
    return Positives(torch.tensor([0]), one, torch.tensor([0]), torch.tensor([1.0]))


def cost(kernel, prototypes, box, *, borders=1.0):
    """Of one point's mask, its box being right."""
    out = prediction()
    out.kernels.data[0, 0] = torch.as_tensor(kernel)
    out.boxes.data[0, 0] = torch.tensor(box, dtype=torch.float32)
    out.prototypes.data[0] = torch.as_tensor(prototypes, dtype=torch.float32)
    torch.manual_seed(0)
    return mask_loss(out, collate([view(box=box)], 0), positive_at(), borders).item()


def shape_of(box, sign=1):
    """Prototypes of which the first is the box, sampled as finely as prototypes are."""
    rows = np.full((PROTOTYPES, SIZE // 4, SIZE // 4), -8.0 * sign)
    x1, y1, x2, y2 = (side // 4 for side in box)
    rows[:, y1:y2, x1:x2] = 8.0 * sign
    return rows


def test_a_perfect_mask_costs_less_than_half_a_mask_and_that_less_than_a_wrong_one():
    kernel = prototype_kernel(0, PROTOTYPES)
    half = shape_of((8, 8, 56, 32))
    costs = [cost(kernel, shapes, LARGE) for shapes in (shape_of(LARGE), half, shape_of(LARGE, -1))]
    assert costs[0] < 0.15
    assert costs[0] < costs[1] < costs[2]


def test_a_mask_can_be_told_by_the_position_in_the_box_alone():
    """The object is the left half of the box that its point says."""
    out = prediction()
    out.boxes.data[0, 0] = torch.tensor([8.0, 8, 56, 40])
    costs = []
    for direction in (-4, 4):
        out.kernels.data[0, 0] = torch.from_numpy(linear_kernel([0] * PROTOTYPES + [direction, 0]))
        torch.manual_seed(0)
        costs.append(mask_loss(out, collate([view(box=(8, 8, 32, 40))], 0), positive_at(), 1.0).item())
    assert costs[0] < costs[1] / 2


def test_a_small_object_counts_as_much_as_a_large_one():
    everywhere = linear_kernel([0] * (PROTOTYPES + 2), bias=6.0)
    prototypes = np.zeros((PROTOTYPES, SIZE // 4, SIZE // 4))
    large, small = (cost(everywhere, prototypes, box) for box in (LARGE, SMALL))
    assert large > 0.5  # the margin around the box is wrong
    assert small == pytest.approx(large, rel=0.15)


def test_borders_count_more_where_asked():
    everywhere = linear_kernel([0] * (PROTOTYPES + 2), bias=6.0)
    prototypes = np.zeros((PROTOTYPES, SIZE // 4, SIZE // 4))
    assert cost(everywhere, prototypes, LARGE, borders=4.0) > 1.05 * cost(
        everywhere, prototypes, LARGE, borders=0.0
    )


def test_a_mask_without_pixels_far_away_is_not_asked_about():
    """Only points of the box and its margin are charged: what the prototypes say elsewhere is free."""
    kernel = prototype_kernel(0, PROTOTYPES)
    clean, noisy = shape_of(SMALL), shape_of(SMALL)
    noisy[:, :3] = 8.0
    noisy[:, :, 13:] = 8.0
    assert cost(kernel, clean, SMALL) == cost(kernel, noisy, SMALL)


def test_objects_without_a_mask_cost_nothing_and_keep_the_graph():
    out = prediction()
    loss = mask_loss(out, collate([view(mask_weight=0.0)], 0), positive_at(), 1.0)
    loss.backward()
    assert loss.item() == 0
    assert out.kernels.grad.abs().sum() == 0


@given(seed=st.integers(0, 999))
@settings(max_examples=20)
def test_training_and_decoder_run_the_same_mask_network(seed):
    """Where source pixels are prototype cells, a decoded mask is the sign of what training computes there."""
    rng = np.random.default_rng(seed)
    count, boxes = 8, [[0, 0, 64, 64], [16, 8, 48, 56]]
    layout = kernel_layout(count)
    prototypes = rng.normal(0, 1, (count, 16, 16)).astype(np.float32)
    kernels = rng.normal(0, 0.5, (2, layout.size)).astype(np.float32)
    outputs = compact_outputs(boxes, [[0.9, 0], [0, 0.8]], prototypes, kernels, size=(64, 64))
    model = CompactModel(FakeRuntime(outputs), name="tester", class_names=("cat", "dog"))
    decoded = model.decode(outputs, Letterbox.squash((16, 16), (64, 64)), score=0.5)
    cells = torch.cartesian_prod(torch.arange(16), torch.arange(16)).flip(1)
    at = ((cells + 0.5) * 4)[None].expand(2, -1, -1)
    values = torch.from_numpy(prototypes).flatten(1).t()[None].expand(2, -1, -1)
    logits = mask_logits(
        torch.from_numpy(kernels), values, coordinates(at, torch.tensor(boxes, dtype=torch.float32)), layout
    ).numpy()
    for row, (x1, y1, x2, y2) in enumerate(boxes):
        inside = np.zeros((16, 16), bool)
        inside[y1 // 4 : y2 // 4, x1 // 4 : x2 // 4] = True
        expected = (logits[row].reshape(16, 16) > 0) & inside
        clear = np.abs(logits[row].reshape(16, 16)) > 1e-3
        found = decoded.masks[np.flatnonzero(decoded.class_ids == row)].union()
        assert (found == expected)[clear].all()
