"""How well a tracker does on a drawn clip, over several draws of the noise."""

import numpy as np

from maskweave.evaluation.tracking import TrackingClip, score_tracking
from maskweave.video.stream import VideoStream
from tests.video import scenes

ASKED = 0.5


class Following:
    """A tracker and the video that it follows."""

    def __init__(self, tracker, score=ASKED):
        self.tracker, self.stream = tracker, VideoStream()
        self.min_score = tracker.start(score)

    def update(self, found, frame):
        return self.tracker.update(self.stream.facts(frame), found)


def scored(make, name, *, seeds=3):
    """The figures of the trackers that ``make`` gives, one a draw, on the clip ``name``, all draws together."""
    images, clips = list(scenes.frames(scenes.SCENES[name]())), []
    for seed in range(seeds):
        rng, clip, tracker = np.random.default_rng(seed), TrackingClip(), Following(make())
        for frame, truth in images:
            found = scenes.noisy(truth, rng)
            clip.add(truth, tracker.update(found[found.scores >= tracker.min_score], frame))
        clips.append(clip)
    return score_tracking(clips)
