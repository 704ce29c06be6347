import numpy as np
import pytest

from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.video.foreground import ForegroundFinder
from tests.video.drawn import HEIGHT, WIDTH, Disc, draw, facts_of, iou

NOTHING = Instances.empty((HEIGHT, WIDTH), ("thing",))


def find(frames, instances=None, *, starts=()):
    """The foreground of every frame; ``instances``: what the network saw; ``starts``: where scenes start."""
    finder = ForegroundFinder()
    return [
        finder.update(
            facts_of(image, scene_start=index in starts), NOTHING if instances is None else instances[index]
        ).mask("foreground")
        for index, image in enumerate(frames)
    ]


def seen(masks, scores):
    masks = Masks.from_dense(masks)
    return Instances(
        masks=masks, boxes=masks.boxes, scores=scores, class_ids=[0] * len(masks), class_names=("thing",)
    )


@pytest.mark.parametrize("pan", [0, 3])
def test_what_moves_is_found_though_the_network_never_saw_it(pan):
    frames, truths = zip(
        *(draw([Disc(40, 60, dx=4 + pan)], time, pan=pan) for time in range(16)), strict=True
    )
    found = find(frames)
    assert np.mean([iou(truth[0], mask) for truth, mask in zip(truths, found, strict=True)][4:]) > 0.65


@pytest.mark.parametrize("pan", [0, 3])
def test_an_empty_scene_is_empty(pan):
    rng = np.random.default_rng(0)
    for time, mask in enumerate(find([_noisy(draw([], time, pan=pan)[0], rng) for time in range(10)])):
        assert not mask.any(), time


def test_an_object_that_stops_is_still_known():
    frames, truths = zip(*(draw([Disc(40, 60, dx=4)], time, stop=12) for time in range(24)), strict=True)
    assert iou(truths[-1][0], find(frames)[-1]) > 0.75


def test_with_another_scene_what_was_known_is_forgotten():
    frames = [draw([Disc(40, 60, dx=4)], time)[0] for time in range(12)]
    still = [draw([Disc(88, 60)], 0)[0]] * 3  # the object stands where it would be expected
    assert find(frames + still)[-1].any()
    assert not find(frames + still, starts={12})[-1].any()


def test_a_known_object_counts_when_nothing_moves():
    image, masks = draw([Disc(60, 60)], 0)
    found = find([image] * 4, [seen(masks, [0.9])] * 4)
    assert iou(masks[0], found[-1]) > 0.85


def test_of_two_known_objects_the_moving_one_is_meant():
    discs = [Disc(40, 30, dx=5), Disc(150, 90, color=(60, 80, 220))]
    frames, truths = zip(*(draw(discs, time) for time in range(12)), strict=True)
    found = find(frames, [seen(masks, [0.6, 0.6]) for masks in truths])[-1]
    assert iou(truths[-1][0], found) > 0.7
    assert (found & truths[-1][1]).sum() < 0.2 * truths[-1][1].sum()


def test_a_bystander_that_looks_like_the_moving_object_is_not_meant():
    discs = [Disc(40, 30, dx=5), Disc(150, 90)]
    frames, truths = zip(*(draw(discs, time) for time in range(12)), strict=True)
    found = find(frames, [seen(masks, [0.6, 0.6]) for masks in truths])[-1]
    assert iou(truths[-1][0], found) > 0.75
    assert not (found & truths[-1][1]).any()


def test_with_frames_of_another_size_it_begins_anew():
    finder = ForegroundFinder()
    for image in (draw([], 0)[0], np.zeros((64, 64, 3), np.uint8)):
        size = image.shape[:2]
        assert finder.update(facts_of(image), Instances.empty(size, ("thing",))).size == size


def test_a_tiny_video():
    rng = np.random.default_rng(0)
    finder = ForegroundFinder()
    for _ in range(3):
        image = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        assert finder.update(facts_of(image), Instances.empty((16, 16), ("thing",))).size == (16, 16)


def _noisy(image, rng):
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
