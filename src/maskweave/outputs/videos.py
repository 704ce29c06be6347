"""Writers of videos: overlays, and the foreground in white on black."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.overlay import draw_overlay
from maskweave.outputs.video import VideoWriter
from maskweave.types.arrays import Image
from maskweave.types.frame import Frame
from maskweave.types.prediction import Prediction
from maskweave.types.semantic import SemanticMap


class _Video(Writer):
    """A writer of one H.264 video with the source's sound and timestamps, at ``path`` or a name of its own."""

    suffix: str

    def __init__(self, target: Target, path: Path | None = None) -> None:
        super().__init__(target)
        self._path = path or target.path(self.suffix)
        self._warnings: list[str] = []

    def begin(self) -> None:
        """Open the video."""
        self._video = self.files.enter_context(VideoWriter(self._path, self.target.info))
        self._warnings = self._video.warnings

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def warnings(self) -> list[str]:
        """What the encoder had to change."""
        return self._warnings

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Draw and encode one frame."""
        picture = self.draw(frame, prediction)
        self._video.write(picture, time=frame.time, duration=frame.duration)

    @abstractmethod
    def draw(self, frame: Frame, prediction: Prediction) -> Image:
        """The (H, W, 3) uint8 RGB picture to encode."""


class OverlayVideo(_Video):
    """``<name>.overlay.mp4``: the video with the results drawn over it."""

    suffix = ".overlay.mp4"

    def draw(self, frame: Frame, prediction: Prediction) -> Image:
        """The frame with its result."""
        return draw_overlay(frame.image, prediction, self.target.style)


class ForegroundVideo(_Video):
    """``<name>.foreground.mp4``: the foreground white, the rest black."""

    suffix = ".foreground.mp4"

    def draw(self, frame: Frame, prediction: Prediction) -> Image:
        """The mask as a picture."""
        if not isinstance(prediction, SemanticMap):
            raise InvalidValue(
                "foreground video: need a foreground map, got instances; use --task foreground"
            )
        mask = prediction.mask("foreground").astype(np.uint8) * np.uint8(255)
        return np.repeat(mask[..., None], 3, axis=2)
