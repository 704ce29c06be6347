from fractions import Fraction

import numpy as np
import pytest

from maskweave.errors import InvalidValue
from maskweave.options import SegmentOptions
from maskweave.stages import segment_frames
from maskweave.types import Frame, Instances
from maskweave.video.key_frames import KeyFrames
from maskweave.video.stream import VideoStream
from maskweave.video.tracking import MaskTracker
from tests.test_stages import BrightSquare
from tests.video.drawn import draw, features_of
from tests.video.scenes import ground, window

SIZE = (240, 400)


class CountingNetwork:
    """Gives plain features and finds nothing; ``asked``: how often."""

    name, asked = "counting", 0

    def prepare(self, image):
        return type("Prepared", (), {"inputs": {"image": image}, "letterbox": image.shape[:2]})

    def infer(self, inputs):
        self.asked += 1
        return inputs

    def features(self, outputs, letterbox):
        cells = features_of(outputs["image"])
        return cells.features.T.reshape(-1, *cells.cells)

    def result(self, outputs, letterbox, *, score):
        return Instances.empty(letterbox, ("thing",))


def frames(images):
    return [Frame(image, index, Fraction(index, 25)) for index, image in enumerate(images)]


def two_scenes():
    """Ten frames of two scenes, the second from frame 6 on; a bright square stands in the same place in both."""
    scenes = [draw([], 0)[0], draw([], 0, seed=9, ground=(100, 160, 160))[0]]
    for image in scenes:
        image[40:60, 40:60] = 255
    return frames(scenes[:1] * 6 + scenes[1:] * 4)


def panned(steps):
    """Frames of a camera that goes so many pixels to the right between each two."""
    floor = ground(0)
    return frames([window(floor, (10 * step, 0), SIZE) for step in range(steps)])


def test_a_network_looks_once_at_a_frame_whoever_asks():
    network = CountingNetwork()
    facts = VideoStream(network).facts(Frame(draw([], 0)[0]))
    assert network.asked == 0
    assert facts.features is facts.features
    assert len(facts.network_instances) == 0
    assert network.asked == 1


def test_all_stages_are_given_the_same_scene_start():
    stream, keys = VideoStream(), KeyFrames(100)
    starts = [(keys.update(facts), facts.scene_start) for facts in map(stream.facts, two_scenes())]
    assert starts == [(True, False), *[(False, False)] * 5, (True, True), *[(False, False)] * 3]


def test_the_cameras_motion_is_in_the_frames_own_pixels():
    stream = VideoStream()
    _, motion = [stream.facts(frame).camera_motion for frame in panned(2)]
    assert motion[:2, 2] == pytest.approx([-10, 0], abs=0.5)


def test_a_fact_compares_with_the_last_frame_that_was_asked_for_it():
    stream = VideoStream()
    facts = [stream.facts(frame) for frame in panned(4)]
    assert np.array_equal(facts[0].camera_motion, np.eye(3))
    assert facts[3].camera_motion[:2, 2] == pytest.approx([-30, 0], abs=1)


def test_features_need_a_network():
    with pytest.raises(InvalidValue, match="features: need a stream with a network"):
        _ = VideoStream().facts(Frame(draw([], 0)[0])).features


@pytest.mark.parametrize("every", [1, 4])
def test_a_scene_that_starts_between_key_frames_ends_tracks(every):
    tracker = MaskTracker()
    results = segment_frames(two_scenes(), BrightSquare(), SegmentOptions(), tracker=tracker, every=every)
    ids = [result.instances.track_ids[result.instances.scores.argmax()] for result in results]
    assert ids == [1] * 6 + [ids[6]] * 4
    assert ids[6] > 1
