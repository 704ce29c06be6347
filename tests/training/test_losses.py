import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch

from maskweave.training.augment import View
from maskweave.training.batches import collate
from maskweave.training.losses import LossWeights, compute_loss
from maskweave.training.network import RawOutput, point_centres

pytestmark = pytest.mark.training
SIZE = 64


def view(*, classes=(0,), labelled=(True, True), mask_weight=1.0, silent=None):
    boxes = np.array([[8, 8, 40, 40]] * len(classes), np.float32).reshape(-1, 4)
    masks = np.zeros((len(classes), 16, 16), np.uint8)
    masks[:, 2:10, 2:10] = 1
    return View(
        image=np.zeros((SIZE, SIZE, 3), np.uint8),
        boxes=boxes,
        classes=np.array(classes, np.int64),
        masks=masks,
        mask_weights=np.full(len(classes), mask_weight, np.float32),
        silent=np.array([] if silent is None else [silent[1]], np.float32).reshape(-1, 4),
        silent_classes=np.array([] if silent is None else [silent[0]], np.int64),
        labelled=np.array(labelled),
        dense=np.array(labelled),
    )


def prediction():
    """Random output that wants gradients."""
    torch.manual_seed(0)
    centres, _ = point_centres(SIZE, SIZE)
    points = len(centres)
    boxes = torch.cat([centres - 14, centres + 14], 1)[None]
    return RawOutput(
        class_logits=torch.randn(1, points, 2).requires_grad_(),
        boxes=boxes.clone().requires_grad_(),
        coefficients=torch.randn(1, points, 4).requires_grad_(),
        prototypes=torch.randn(1, 4, 16, 16).requires_grad_(),
        features=torch.zeros(1, 1, 8, 8),
        semantic_logits=torch.randn(1, 2, 8, 8).requires_grad_(),
    )


def gradients(target):
    out = prediction()
    compute_loss(out, collate([target], 0), LossWeights()).total.backward()
    return out


def test_a_class_that_is_not_labelled_costs_nothing_off_known_objects():
    out = gradients(view(labelled=(True, False)))
    centres, _ = point_centres(SIZE, SIZE)
    far = (centres > 41).any(1)
    assert out.class_logits.grad[0, far, 0].abs().sum() > 0
    assert out.class_logits.grad[0, far, 1].abs().sum() == 0
    assert out.semantic_logits.grad[:, 1].abs().sum() == 0


def test_a_known_object_is_of_no_other_class_labelled_or_not():
    out = gradients(view(labelled=(True, False)))
    centres, _ = point_centres(SIZE, SIZE)
    on_object = ((centres > 9) & (centres < 39)).all(1)
    assert (out.class_logits.grad[0, on_object, 1] > 0).all()


def test_nor_does_silence_around_it_excuse_another_class():
    out = gradients(view(silent=(1, [0, 0, 64, 64])))
    centres, _ = point_centres(SIZE, SIZE)
    on_object = ((centres > 9) & (centres < 39)).all(1)
    assert (out.class_logits.grad[0, on_object, 1] > 0).all()
    assert out.class_logits.grad[0, (centres > 41).any(1), 1].abs().sum() == 0


def test_an_object_of_an_unlabelled_class_still_teaches_its_points():
    out = gradients(view(classes=(1,), labelled=(False, False)))
    assert (out.class_logits.grad[0, :, 1] < 0).any()


def test_a_box_without_mask_teaches_the_box_only():
    out = gradients(view(mask_weight=0.0))
    assert out.boxes.grad.abs().sum() > 0
    assert out.coefficients.grad is None or out.coefficients.grad.abs().sum() == 0


def test_an_other_object_teaches_box_and_mask_but_no_class():
    out = gradients(view(classes=(-1,), labelled=(False, False)))
    assert out.class_logits.grad is None or out.class_logits.grad.abs().sum() == 0
    assert out.boxes.grad.abs().sum() > 0
    assert out.coefficients.grad.abs().sum() > 0


def test_a_crowd_is_silent_for_its_class():
    out = gradients(view(classes=(), silent=(0, [0, 0, 32, 64])))
    centres, _ = point_centres(SIZE, SIZE)
    inside = centres[:, 0] <= 32
    assert out.class_logits.grad[0, inside, 0].abs().sum() == 0
    assert out.class_logits.grad[0, inside, 1].abs().sum() > 0
    assert out.class_logits.grad[0, ~inside, 0].abs().sum() > 0


def test_a_batch_without_objects_has_a_finite_loss():
    parts = compute_loss(prediction(), collate([view(classes=())], 0), LossWeights())
    assert torch.isfinite(parts.total)


def test_a_perfect_mask_costs_less_than_a_wrong_one():
    target = collate([view()], 0)
    costs = []
    for sign in (1, -1):
        out = prediction()
        shape = torch.full((1, 4, 16, 16), -5.0)
        shape[:, :, 2:10, 2:10] = 5.0
        out.prototypes.data = shape * sign
        out.coefficients.data = torch.ones_like(out.coefficients)
        costs.append(compute_loss(out, target, LossWeights()).masks.item())
    assert costs[0] < 0.1 < costs[1]
