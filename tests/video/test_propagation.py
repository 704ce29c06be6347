import cv2
import numpy as np
import pytest
from PIL import Image

import maskweave as mw
from maskweave.catalog.entry import GUIDE
from maskweave.errors import InvalidValue
from maskweave.models.loading import LazyGuide, RuntimeOptions, load_model
from maskweave.sources.find import find_sources
from maskweave.types.prompt import Box, Point, Prompt
from maskweave.video.propagation import propagate_frames
from tests.models.tiny import save_tiny_model
from tests.video.drawn import HEIGHT, WIDTH, Disc, draw, iou
from tests.video.scenes import ground, window

DISCS = [Disc(50, 60, dx=4)]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The tiny model at a size that gives features of some fineness."""
    model = load_model(save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx"), size=192)
    model.guide = LazyGuide(GUIDE, RuntimeOptions(threads=1))
    yield model
    model.close()


@pytest.fixture
def folder(tmp_path):
    """Ten frames as a folder, named as DAVIS does."""
    return write_frames(tmp_path / "clip", [draw(DISCS, time)[0] for time in range(10)])


def write_frames(folder, images):
    folder.mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index:05d}.png")
    return folder


def source_of(folder):
    (source,) = find_sources([str(folder)], as_video=True)
    return source


def truth(time):
    return draw(DISCS, time)[1][0]


def run(folder, prompt, network):
    with source_of(folder) as source:
        return list(propagate_frames(source, prompt, network))


@pytest.mark.parametrize("marked", [0, 4, 9])
def test_a_marked_object_is_followed_forwards_and_backwards(folder, network, marked):
    results = run(folder, Prompt(marked, truth(marked).astype(int) * 7), network)
    assert [result.frame.index for result in results] == list(range(10))
    for result in results:
        frame, instances = result.frame, result.instances
        assert instances.track_ids.tolist() == [7]
        assert iou(truth(frame.index), instances.masks.union()) > 0.8
        assert np.array_equal(frame.image, draw(DISCS, frame.index)[0])
    assert np.array_equal(results[marked].instances.masks.union(), truth(marked))


def test_a_later_mask_corrects_its_object_and_may_begin_another(folder, network):
    corner = np.zeros((HEIGHT, WIDTH), bool)
    corner[:20, :20] = True
    first = truth(0).astype(int) * 7
    later = np.roll(truth(5), 3, axis=0) * 7 + corner * 9
    alone = run(folder, Prompt(0, first), network)
    results = run(folder, Prompt(0, first, later={5: later}), network)
    assert [result.instances.track_ids.tolist() for result in results[:6]] == [[7]] * 5 + [[7, 9]]
    for before, again in zip(alone[:5], results[:5], strict=True):
        assert before.instances.masks == again.instances.masks
    seven, nine = results[5].instances.masks.dense()
    assert np.array_equal(seven, later == 7)
    assert np.array_equal(nine, later == 9)
    assert 7 in results[9].instances.track_ids


def test_an_object_that_a_later_mask_does_not_name_goes_on(folder, network):
    corner = np.zeros((HEIGHT, WIDTH), int)
    corner[:20, :20] = 9
    results = run(folder, Prompt(0, truth(0).astype(int) * 7, later={5: corner}), network)
    for result in results:
        seven = result.instances.masks.dense()[result.instances.track_ids == 7].any(axis=0)
        assert iou(truth(result.frame.index), seven) > 0.8


@pytest.mark.parametrize(
    ("later", "message"),
    [
        ({12: np.ones((HEIGHT, WIDTH), int)}, "need masks of its 10 frames, got one of frame 12"),
        ({3: np.ones((4, 5), int)}, "frame 3: need a mask of the video's size"),
    ],
)
def test_later_masks_that_fit_no_frame_are_refused(folder, network, later, message):
    with pytest.raises(InvalidValue, match=message):
        run(folder, Prompt(0, truth(0).astype(int), later=later), network)


def test_chunks_of_frames_give_what_one_chunk_gives(folder, network, monkeypatch):
    prompt = Prompt(9, truth(9).astype(int))
    whole = run(folder, prompt, network)
    monkeypatch.setattr("maskweave.video.propagation._CHUNK_BYTES", 1)
    for one, other in zip(whole, run(folder, prompt, network), strict=True):
        assert one.instances.masks == other.instances.masks


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(0, boxes=(Box(30, 40, 70, 80),)),
        Prompt(0, points=(Point(50, 60), Point(150, 20, inside=False))),
    ],
    ids=["box", "points"],
)
def test_a_box_or_points_are_enough(folder, network, prompt):
    results = run(folder, prompt, network)
    assert iou(truth(0), results[0].instances.masks.union()) > 0.7
    assert iou(truth(9), results[9].instances.masks.union()) > 0.6


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (
            Prompt(0, np.ones((10, 10), int)),
            r"clip, frame 0: need a mask of the video's size 200x120, got 10x10",
        ),
        (
            Prompt(2, boxes=(Box(300, 0, 310, 5),)),
            r"clip, frame 2: need a box within 200x120, got 300,0,310,5",
        ),
        (Prompt(0, points=(Point(5, 500),)), r"clip, frame 0: need points within 200x120, got 5,500"),
        (
            Prompt(30, np.ones((HEIGHT, WIDTH), int)),
            r"clip: need a prompt for one of its 10 frames, got frame 30",
        ),
    ],
)
def test_prompts_that_do_not_fit(folder, network, prompt, message):
    with pytest.raises(InvalidValue, match=message):
        run(folder, prompt, network)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ids": np.zeros((4, 4), int)}, "at least one object, got an empty one"),
        ({}, "need a mask, boxes or points .* got none"),
        (
            {"ids": np.ones((4, 4), int), "points": (Point(1, 1),)},
            "need either a mask, or boxes, or points.* got several",
        ),
        ({"points": (Point(1, 1, inside=False),)}, "at least one point inside"),
        ({"frame": -1, "points": (Point(1, 1),)}, "need a frame from 0"),
    ],
)
def test_prompts_that_mean_nothing(options, message):
    with pytest.raises(InvalidValue, match=message):
        Prompt(**options)


def test_an_empty_box_is_refused():
    with pytest.raises(InvalidValue, match=r"need x1 < x2 and y1 < y2, got 5,5,5,9"):
        Box(5, 5, 5, 9)


def test_a_video_of_one_frame(tmp_path, network):
    folder = write_frames(tmp_path / "one", [draw(DISCS, 0)[0]])
    (result,) = run(folder, Prompt(0, truth(0).astype(int)), network)
    assert np.array_equal(result.instances.masks.union(), truth(0))


def test_a_video_of_16_pixels(tmp_path, network):
    rng = np.random.default_rng(0)
    folder = write_frames(tmp_path / "tiny", rng.integers(0, 255, (3, 16, 16, 3), dtype=np.uint8))
    ids = np.zeros((16, 16), int)
    ids[4:12, 4:12] = 1
    assert len(run(folder, Prompt(0, ids), network)) == 3


def test_a_network_without_features_is_refused(folder, tmp_path):
    class Blind:
        name, concurrency = "blind", 1

        def prepare(self, image):
            return type("Prepared", (), {"inputs": {}, "letterbox": None})

        def infer(self, inputs):
            return {}

        def features(self, outputs, letterbox):
            return None

    with pytest.raises(InvalidValue, match="blind: need a network that gives features"):
        run(folder, Prompt(0, truth(0).astype(int)), Blind())


def test_the_public_function(folder, tmp_path):
    mask = tmp_path / "first.png"
    Image.fromarray(truth(0).astype(np.uint8) * 255).save(mask)
    results = list(mw.propagate(folder, mask=mask, as_video=True))
    assert len(results) == 10
    assert iou(truth(9), results[9].instances.masks.union()) > 0.6


def test_an_object_of_a_feature_cell_or_two_is_not_lost(tmp_path):
    """A car far away: 20 of 854 pixels, where a cell of the features has 13, little darker than its ground."""
    floor, size, count = ground(3), (480, 854), 16

    def drawn(time):
        image, owner = window(floor, (0, 0), size), np.zeros(size, np.uint8)
        place, color = (
            (300 + 3 * time, 240 + time),
            np.clip(image[240, 300].astype(int) - 40, 0, 255).tolist(),
        )
        for plane, value in ((image, color), (owner, 1)):
            cv2.ellipse(plane, place, (10, 8), 0, 0, 360, value, -1)
        return image, owner > 0

    folder = write_frames(tmp_path / "far", [drawn(time)[0] for time in range(count)])
    results = list(mw.propagate(folder, mask=drawn(0)[1].astype(np.uint8), as_video=True))
    overlaps = [iou(drawn(time)[1], result.instances.masks.union()) for time, result in enumerate(results)]
    assert min(overlaps) > 0.6
