import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskweave.training.augment import Augmentation, make_view
from maskweave.training.mosaic import join_views
from tests.training.test_augment import PLAIN, make_image, record


def quarter(labeled=(True, False), **options):
    view = make_view(
        record(**options), make_image(), (96, 96), rng=np.random.default_rng(0), augmentation=PLAIN
    )
    view.labeled = np.array(labeled)
    return view


def test_each_quarter_lies_where_it_belongs():
    part = quarter()
    view = join_views((part, part, part, part))
    assert view.image.shape == (192, 192, 3)
    assert view.masks.shape == (4, 96, 96)
    corners = [(0, 0), (96, 0), (0, 96), (96, 96)]
    for (x, y), mask, box in zip(corners, view.masks, view.boxes, strict=True):
        assert np.array_equal(view.image[y : y + 96, x : x + 96], part.image)
        assert np.array_equal(mask[y // 2 : y // 2 + 48, x // 2 : x // 2 + 48], part.masks[0])
        assert mask.sum() == part.masks.sum()
        np.testing.assert_allclose(box - [x, y, x, y], part.boxes[0], atol=1e-4)


def test_a_class_that_one_quarter_does_not_label_is_silent_there_only():
    knows_both = quarter((True, True))
    view = join_views((quarter((True, False)), knows_both, knows_both, knows_both))
    assert view.labeled.tolist() == [True, True]
    assert view.silent.tolist() == [[0, 0, 96, 96]]
    assert view.silent_classes.tolist() == [1]


@given(seed=st.integers(0, 10_000))
def test_nothing_is_lost(seed):
    rng = np.random.default_rng(seed)
    how = Augmentation()
    views = tuple(make_view(record(), make_image(), (96, 128), rng=rng, augmentation=how) for _ in range(4))
    view = join_views(views)
    assert view.masks.sum() == sum(int(v.masks.sum()) for v in views)
    assert (
        len(view.boxes)
        == len(view.classes)
        == len(view.mask_weights)
        == len(view.trust)
        == sum(len(v.boxes) for v in views)
    )
    assert view.boxes.max(initial=0) <= 256
    for part, (row, column) in zip(views, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        mine = view.image[row * 96 : (row + 1) * 96, column * 128 : (column + 1) * 128]
        assert np.array_equal(mine, part.image)
    assert view.silent.dtype == np.float32 == view.boxes.dtype
