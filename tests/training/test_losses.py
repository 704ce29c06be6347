import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch

from maskweave.training.batches import collate
from maskweave.training.losses import LossWeights, Teaching, compute_loss
from maskweave.training.network import point_positions
from tests.training.targets import SIZE, prediction, view

pytestmark = pytest.mark.training
POSITIONS, _ = point_positions(SIZE, SIZE)
ON_OBJECT = ((POSITIONS > 9) & (POSITIONS < 39)).all(1)
FAR = (POSITIONS > 41).any(1)


def gradients(target, teaching=None):
    out = prediction()
    compute_loss(out, collate([target], 0), LossWeights(), teaching).total.backward()
    return out


def teacher(score, *, taught=(True, True)):
    """Says the same score of every class everywhere, and boxes of no extent."""
    logits = torch.zeros(1, len(POSITIONS), 4, 8)
    logits[..., 0] = 9
    scores = torch.full((1, len(POSITIONS), 2), float(score))
    return Teaching(scores, logits, torch.tensor(taught))


def test_a_class_that_is_not_labeled_costs_nothing_off_known_objects():
    out = gradients(view(labeled=(True, False)))
    assert out.class_logits.grad[0, FAR, 0].abs().sum() > 0
    assert out.class_logits.grad[0, FAR, 1].abs().sum() == 0


def test_a_known_object_is_of_no_other_class_labeled_or_not():
    out = gradients(view(labeled=(True, False)))
    assert (out.class_logits.grad[0, ON_OBJECT, 1] > 0).all()


def test_nor_does_silence_around_it_excuse_another_class():
    out = gradients(view(silent=(1, [0, 0, 64, 64])))
    assert (out.class_logits.grad[0, ON_OBJECT, 1] > 0).all()
    assert out.class_logits.grad[0, FAR, 1].abs().sum() == 0


def test_an_object_of_an_unlabeled_class_still_teaches_its_points():
    out = gradients(view(classes=(1,), labeled=(False, False)))
    assert (out.class_logits.grad[0, :, 1] < 0).any()


def test_a_crowd_is_silent_for_its_class():
    out = gradients(view(classes=(), silent=(0, [0, 0, 32, 64])))
    inside = POSITIONS[:, 0] <= 32
    assert out.class_logits.grad[0, inside, 0].abs().sum() == 0
    assert out.class_logits.grad[0, inside, 1].abs().sum() > 0
    assert out.class_logits.grad[0, ~inside, 0].abs().sum() > 0


@pytest.mark.parametrize(("score", "sign"), [(1, -1), (0, 1)])
def test_what_annotations_leave_open_a_teacher_says(score, sign):
    out = gradients(view(labeled=(True, False)), teacher(score))
    assert (out.class_logits.grad[0, FAR, 1].sign() == sign).all()


def test_where_labels_say_nothing_the_teacher_keeps_half_of_its_score():
    out = gradients(view(classes=()), teacher(1))
    logits = out.class_logits.detach()[0, :, 0]
    wanted = torch.sign(logits.sigmoid() - 0.5)
    assert torch.equal(torch.sign(out.class_logits.grad[0, :, 0]), wanted)


def test_inside_a_known_object_the_teacher_is_asked_for_other_classes():
    alone = gradients(view(labeled=(True, False)))
    taught = gradients(view(labeled=(True, False)), teacher(1))
    assert (alone.class_logits.grad[0, ON_OBJECT, 1] > 0).all()
    assert (taught.class_logits.grad[0, ON_OBJECT, 1] < 0).all()


def test_a_class_that_the_teacher_does_not_know_costs_nothing():
    out = gradients(view(labeled=(True, False)), teacher(1, taught=(True, False)))
    assert out.class_logits.grad[0, FAR, 1].abs().sum() == 0


def test_inside_a_crowd_the_teacher_is_asked():
    out = gradients(view(classes=(), silent=(0, [0, 0, 32, 64])), teacher(1))
    assert (out.class_logits.grad[0, POSITIONS[:, 0] <= 32, 0] < 0).all()


def test_boxes_of_which_the_teacher_is_sure_are_taught():
    sure = gradients(view(classes=()), teacher(0.8))
    unsure = gradients(view(classes=()), teacher(0.05))
    assert (sure.distances.grad[..., 0] < 0).all()
    assert unsure.distances.grad.abs().sum() == 0


def test_a_labeled_box_is_not_taught_otherwise():
    alone, taught = gradients(view()), gradients(view(), teacher(0.8))
    mine = alone.distances.grad.abs().sum((2, 3)) > 0
    assert mine.any()
    assert torch.equal(alone.distances.grad[mine], taught.distances.grad[mine])


def test_distances_learn_the_two_bins_around_the_truth():
    out = gradients(view(box=(0, 0, 60, 60)))
    rows = torch.nonzero(out.distances.grad[0].abs().sum((1, 2)) > 0)[:, 0]
    positions, strides = point_positions(SIZE, SIZE)
    for point in rows.tolist():
        right = (60 - positions[point, 0]) / strides[point]
        wanted = torch.nonzero(out.distances.grad[0, point, 2] < 0)[:, 0].tolist()
        if right < 7:
            assert set(wanted) <= {int(right), int(right) + 1}
            assert wanted


def test_an_object_that_is_believed_half_pulls_its_box_half():
    whole, half, none = (gradients(view(trust=trust)) for trust in (1.0, 0.5, 0.0))
    torch.testing.assert_close(half.boxes.grad, whole.boxes.grad / 2)
    torch.testing.assert_close(half.distances.grad, whole.distances.grad / 2)
    assert none.boxes.grad.abs().sum() == 0


def test_an_object_that_is_believed_less_asks_for_a_lower_score():
    whole, half = (gradients(view(trust=trust)).class_logits.grad[0, :, 0] for trust in (1.0, 0.3))
    positive = whole < 0
    assert positive.any()
    assert (half[positive] > whole[positive]).all()
    assert torch.equal(half[FAR], whole[FAR])


def test_a_box_without_mask_teaches_the_box_only():
    out = gradients(view(mask_weight=0.0))
    assert out.boxes.grad.abs().sum() > 0
    assert out.kernels.grad is None or out.kernels.grad.abs().sum() == 0
    assert out.prototypes.grad is None or out.prototypes.grad.abs().sum() == 0


def test_an_other_object_teaches_box_and_mask_but_no_class():
    out = gradients(view(classes=(-1,), labeled=(False, False)))
    assert out.class_logits.grad is None or out.class_logits.grad.abs().sum() == 0
    assert out.boxes.grad.abs().sum() > 0
    assert out.kernels.grad.abs().sum() > 0


def test_a_frozen_detector_is_charged_for_masks_alone():
    out = prediction()
    for part in (out.class_logits, out.distances, out.boxes):
        part.requires_grad_(False)
    parts = compute_loss(out, collate([view()], 0), LossWeights())
    assert (parts.classes.item(), parts.boxes.item()) == (0, 0)
    parts.total.backward()
    assert out.kernels.grad.abs().sum() > 0


def test_a_batch_without_objects_has_a_finite_loss():
    out = prediction()
    parts = compute_loss(out, collate([view(classes=())], 0), LossWeights())
    parts.total.backward()
    assert torch.isfinite(parts.total)
    assert torch.isfinite(out.class_logits.grad).all()


def test_the_weights_are_factors_of_the_parts():
    batch = collate([view()], 0)
    plain, heavy = (
        compute_loss(prediction(), batch, weights)
        for weights in (LossWeights(), LossWeights(classes=2.0, boxes=4.0, distances=0.5))
    )
    torch.testing.assert_close(heavy.classes, 2 * plain.classes)
    torch.testing.assert_close(heavy.boxes, 2 * plain.boxes)
