"""Write videos: overlays, alone or beside the original, and the foreground in white on black."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

import cv2
import numpy as np

from maskweave.errors import InvalidValue
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.overlay import draw_overlay
from maskweave.outputs.trails import Trails
from maskweave.outputs.video import VideoWriter
from maskweave.sources.base import warn_once
from maskweave.types.arrays import Image
from maskweave.types.instances import Instances
from maskweave.types.result import FrameResult
from maskweave.types.semantic import SemanticMap

MAX_SIDE = 4096
"""Pixels of a video's longer side that hardware decoders and browsers take for H.264 (level 5.2)."""


class VideoFile(Writer):
    """A writer of one H.264 video with the source's audio and timestamps, at ``path`` or a name of its own."""

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

    def write(self, result: FrameResult) -> None:
        """Draw and encode one frame."""
        image, frame = self.draw(result), result.frame
        self._video.write(image, time=frame.time, duration=frame.duration, stamp=frame.stamp)

    @abstractmethod
    def draw(self, result: FrameResult) -> Image:
        """The (H, W, 3) uint8 RGB image to encode."""


class OverlayVideo(VideoFile):
    """``<name>.overlay.mp4``: the video with the results drawn over it."""

    suffix = ".overlay.mp4"

    def begin(self) -> None:
        """Open the video, with no trails yet."""
        super().begin()
        seconds = self.target.style.trail
        self._trails = Trails(seconds) if seconds else None

    def draw(self, result: FrameResult) -> Image:
        """The frame with its result."""
        if self._trails is not None and isinstance(result.prediction, Instances):
            self._trails.update(result.frame, result.prediction)
        return draw_overlay(
            result.image, result.prediction, self.target.style, counts=result.counts, trails=self._trails
        )


class SideBySideVideo(OverlayVideo):
    """``<name>.side-by-side.mp4``: the original on the left, the overlay on the right.

    Both are made smaller where they would be wider or higher together than `MAX_SIDE`.
    """

    suffix = ".side-by-side.mp4"

    def draw(self, result: FrameResult) -> Image:
        """The frame beside its result."""
        overlay = super().draw(result)
        width, height = half_size(overlay.shape[1], overlay.shape[0])
        if (width, height) == overlay.shape[1::-1]:
            return np.concatenate([result.image, overlay], axis=1)
        warning = f"side by side: each half is scaled to {width} x {height}, players know up to {MAX_SIDE}"
        warn_once(self._warnings, warning)
        halves = [
            cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            for image in (result.image, overlay)
        ]
        return np.concatenate(halves, axis=1)


class ForegroundVideo(VideoFile):
    """``<name>.foreground.mp4``: the foreground white, the rest black."""

    suffix = ".foreground.mp4"

    def draw(self, result: FrameResult) -> Image:
        """The mask as an image."""
        prediction = result.prediction
        if not isinstance(prediction, SemanticMap):
            raise InvalidValue(
                "foreground video: need a foreground map, got instances; use --task foreground"
            )
        mask = prediction.mask("foreground").astype(np.uint8) * np.uint8(255)
        return np.repeat(mask[..., None], 3, axis=2)


def half_size(width: int, height: int) -> tuple[int, int]:
    """The size of each half, so that two of them side by side fit."""
    scale = min(1.0, MAX_SIDE / (2 * width), MAX_SIDE / height)
    return max(1, int(width * scale)), max(1, int(height * scale))
