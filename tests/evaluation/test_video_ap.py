import numpy as np
import pytest

from maskweave.errors import InvalidValue
from maskweave.evaluation.coco_ap import CocoAP
from maskweave.evaluation.video_ap import VideoAP, clip_iou
from maskweave.evaluation.video_clips import Track, VideoClip
from maskweave.ops.rle import encode_masks
from maskweave.types.masks import Masks
from tests.evaluation.test_coco_ap import SIZE, squares, truth

NAMES = ("cat", "dog")


def seen(*columns, side=10):
    """A square's run lengths by frame, from its left column in each; None where it is not seen."""
    boxes = {frame: x for frame, x in enumerate(columns) if x is not None}
    return {
        frame: encode_masks(Masks([np.ones((side, side), bool)], [(x, 5)], SIZE))[0]
        for frame, x in boxes.items()
    }


def clip(*tracks, name="clip", length=4, **more):
    return VideoClip(name, SIZE, length, tracks, NAMES, **more)


def score(*pairs):
    metric = VideoAP(NAMES)
    for known, found in pairs:
        metric.add(known, found)
    return metric.result()


def test_iou_adds_up_pixels_over_the_frames():
    known = clip(Track(1, 0, seen(0, 0, 0)), Track(2, 0, seen(None, None, None, 40)))
    found = clip(Track(7, 0, seen(0, 5, None, 0)))
    shared, union = 100 + 50, 100 + 150 + 100 + 100
    np.testing.assert_allclose(clip_iou(known, found), [[shared / union, 0]])
    crowd = clip(Track(1, 0, seen(0, 0, 0), crowd=True))
    np.testing.assert_allclose(clip_iou(crowd, found), [[shared / 300]])


def test_by_hand():
    """One of two cats found at IoU 1, a wrong dog before the right one."""
    known = clip(Track(1, 0, seen(0, 0)), Track(2, 0, seen(30, 30)), Track(3, 1, seen(50, 50)))
    found = clip(Track(1, 0, seen(0, 0), 0.9), Track(2, 1, seen(15, 15), 0.8), Track(3, 1, seen(50, 50), 0.7))
    scores = score((known, found))
    cat, dog = scores.classes.values()
    assert (cat.ap, cat.ap50, cat.ar_1) == pytest.approx((100 * 51 / 101, 100 * 51 / 101, 50))
    assert (dog.ap, dog.ar_1, dog.ar_10) == pytest.approx((50, 0, 100))
    assert scores.mean.ap == pytest.approx((100 * 51 / 101 + 50) / 2)


def test_a_find_in_a_crowd_costs_nothing():
    known = clip(Track(1, 0, seen(0)), Track(2, 0, seen(30, side=30), crowd=True))
    found = clip(Track(1, 0, seen(0), 0.5), Track(2, 0, seen(35), 0.9), Track(3, 0, seen(45), 0.8))
    assert score((known, found)).mean.ap == pytest.approx(100)


def as_clip(instances, crowd=None):
    """An image as a clip of one frame."""
    crowd = np.zeros(len(instances), bool) if crowd is None else crowd
    rles, ids, scores = encode_masks(instances.masks), instances.class_ids.tolist(), instances.scores.tolist()
    return clip(
        *[Track(row, ids[row], {0: rles[row]}, scores[row], bool(crowd[row])) for row in range(len(rles))]
    )


def drawn(rng):
    def near(value, most):
        return int(np.clip(value + rng.integers(-4, 5), 0, most))

    known = [
        (
            int(rng.integers(0, 40)),
            int(rng.integers(0, 25)),
            int(rng.integers(8, 30)),
            int(rng.integers(0, 2)),
        )
        for _ in range(4)
    ]
    found = [(near(x, 45), near(y, 28), side, kind, float(rng.random())) for x, y, side, kind in known * 3]
    return truth(*known, crowd=rng.random(4) < 0.2), squares(*found)


@pytest.mark.parametrize("seed", range(3))
def test_clips_of_one_frame_are_images(seed):
    pytest.importorskip("faster_coco_eval", reason="AP needs the extra: pip install maskweave[evaluate]")
    rng = np.random.default_rng(seed)
    images, video = CocoAP(NAMES), VideoAP(NAMES)
    for _ in range(8):
        known, found = drawn(rng)
        images.add(known, found)
        video.add(as_clip(known.instances, known.crowd), as_clip(found))
    expected, mine = images.result(), video.result()
    for name in ("ap", "ap50", "ap75", "ar_1", "ar_10"):
        assert getattr(mine.mean, name) == pytest.approx(getattr(expected.masks, name)), name
    np.testing.assert_allclose(mine.curves, expected.mask_curves, atol=1e-9)


def test_what_cannot_be_scored():
    with pytest.raises(InvalidValue, match="at least one clip with a true object"):
        score((clip(), clip(Track(1, 0, seen(0)))))
    with pytest.raises(InvalidValue, match="clip: need classes"):
        VideoAP(NAMES).add(clip(), VideoClip("clip", SIZE, 1, (), ("cat",)))
    with pytest.raises(InvalidValue, match=r"need \(height, width\)"):
        VideoAP(NAMES).add(clip(), VideoClip("clip", (9, 9), 1, (), NAMES))
