"""How well a tracker does on a drawn clip, over several draws of the noise."""

import numpy as np

from maskweave.evaluation.tracking import TrackingClip, score_tracking
from tests.tracking import scenes

ASKED = 0.5


def scored(make, name, *, seeds=3):
    """The figures of the trackers that ``make`` gives, one a draw, on the clip ``name``, all draws together."""
    pictures, clips = list(scenes.frames(scenes.SCENES[name]())), []
    for seed in range(seeds):
        rng, clip, tracker = np.random.default_rng(seed), TrackingClip(), make()
        least = tracker.start(ASKED)
        for frame, truth in pictures:
            found = scenes.noisy(truth, rng)
            clip.add(truth, tracker.update(found[found.scores >= least], frame))
        clips.append(clip)
    return score_tracking(clips)
