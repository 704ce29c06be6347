"""Facts about the frames of a video, each computed once, when a stage first asks for it.

A stage is an object with ``update(facts, result) -> result``: the tracker, the interpolation between key frames,
propagation, the foreground. One object serves one video, frame after frame.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.types.arrays import Image
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances

if TYPE_CHECKING:
    from maskweave.models.base import Model
    from maskweave.video.camera_motion import CameraMotion, Homography
    from maskweave.video.features import FrameFeatures
    from maskweave.video.scene_starts import SceneDetector

REDUCED_SIDE = 320
"""Pixels: the long side at which scenes, the camera, colors and the motion of whole objects are seen."""


class VideoStream:
    """One video on its way through the stages: what facts about a frame need of the frames before it.

    ``network`` gives features of frames; None where no stage asks for them.

    >>> stream = VideoStream()
    >>> [stream.facts(Frame(np.zeros((48, 64, 3), np.uint8))).scene_start for _ in range(2)]
    [False, False]
    """

    def __init__(self, network: Model | None = None) -> None:
        self.network = network

    def facts(self, frame: Frame) -> FrameFacts:
        """The facts about the next frame; the order may be backwards, but each frame comes once."""
        return FrameFacts(frame, self)

    @cached_property
    def scenes(self) -> SceneDetector:
        """The one detector of scene starts."""
        from maskweave.video.scene_starts import SceneDetector

        return SceneDetector()

    @cached_property
    def camera(self) -> CameraMotion:
        """The one measure of the camera's motion."""
        from maskweave.video.camera_motion import CameraMotion

        return CameraMotion()


class FrameFacts:
    """A ``frame`` and what can be asked about it.

    `scene_start` and `camera_motion` compare it with the last frame that was asked for the same fact, so ask for
    them in the order of the frames; whether in one thread or another does not matter. The other facts need no other
    frame and may be asked for in several threads at once, each frame in one.
    """

    def __init__(self, frame: Frame, stream: VideoStream) -> None:
        self.frame = frame
        self._stream = stream

    @cached_property
    def reduced(self) -> tuple[Image, int]:
        """The image with no side over `REDUCED_SIDE`, and how many of its pixels one of these is wide and high."""
        from maskweave.ops.resize import halved_until

        return halved_until(self.frame.image, REDUCED_SIDE)

    @cached_property
    def reduced_gray(self) -> NDArray[np.uint8]:
        """(h, w) brightness of the reduced image."""
        return np.asarray(cv2.cvtColor(self.reduced[0], cv2.COLOR_RGB2GRAY), dtype=np.uint8)

    @cached_property
    def scene_start(self) -> bool:
        """Whether another scene begins with this frame; a video's first frame begins none."""
        return self._stream.scenes.update(self.reduced[0], float(self.frame.time))

    @cached_property
    def camera_motion(self) -> Homography:
        """(3, 3) map from pixels of the frame before to those of this one, as the camera moved; else the identity."""
        from maskweave.video.camera_motion import scale_homography

        motion = self._stream.camera.update(self.reduced_gray)
        (height, width), factor = self.reduced_gray.shape, self.reduced[1]
        return scale_homography(motion, measured=(height, width), wanted=(height * factor, width * factor))

    @property
    def features(self) -> FrameFeatures:
        """What the network's features say of each cell of the frame."""
        return self._seen[0]

    @property
    def network_instances(self) -> Instances:
        """What the network of the features finds in the same pass, scores down to `instance_cue.MIN_SCORE`."""
        return self._seen[1]

    @cached_property
    def _seen(self) -> tuple[FrameFeatures, Instances]:
        from maskweave.video.features import features_and_instances

        if self._stream.network is None:
            raise InvalidValue("features: need a stream with a network, got one without")
        return features_and_instances(self.frame.image, self._stream.network)
