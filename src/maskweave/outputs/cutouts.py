"""Writers of cut-outs: the objects alone, as a picture or a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from maskweave.errors import InvalidValue, OutputError
from maskweave.outputs.background import VIDEO_MARGIN, before_background, with_alpha
from maskweave.outputs.base import Target
from maskweave.outputs.masks_png import marked_png
from maskweave.outputs.pictures import OneFile
from maskweave.outputs.video import AlphaVideoWriter
from maskweave.outputs.videos import VideoFile
from maskweave.types.arrays import Image, Mask
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction


def objects_mask(prediction: Prediction) -> Mask:
    """(H, W) bool: where any object, or the foreground, is. Raises `InvalidValue` for a map of other classes."""
    if isinstance(prediction, Instances):
        return prediction.masks.union()
    if "foreground" not in prediction.class_names:
        raise InvalidValue("cutout: need instances or a foreground map, got a map of classes")
    return prediction.mask("foreground")


class CutoutPicture(OneFile):
    """``<name>.cutout.png``: the objects with alpha, or before the chosen background."""

    def __init__(self, target: Target) -> None:
        super().__init__(target, ".cutout.png")

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Cut out and write; raises `OutputError` for a picture that is read piece by piece."""
        if frame.windows is not None:
            raise OutputError(
                f"{self.path}: a cut-out needs the whole picture, got one that is read in tiles; leave --tile out"
            )
        mask = objects_mask(prediction)
        if self.target.background.is_transparent:
            picture = with_alpha(frame.image, mask)
        else:
            picture = before_background(frame.image, mask, self.target.background)
        self.put(marked_png(Pictures.fromarray(np.ascontiguousarray(picture))), only_ours=True)


class CutoutVideo(VideoFile):
    """``<name>.cutout.webm`` (VP9 with alpha, no sound), or ``.cutout.mp4`` (H.264) before a chosen background."""

    def __init__(self, target: Target, path: Path | None = None) -> None:
        self.suffix = ".cutout.webm" if target.background.is_transparent else ".cutout.mp4"
        super().__init__(target, path)

    def begin(self) -> None:
        """Open the video."""
        if not self.target.background.is_transparent:
            super().begin()
            return
        self._video = self.files.enter_context(AlphaVideoWriter(self._path, self.target.info))
        self._warnings = self._video.warnings

    def draw(self, frame: Frame, prediction: Prediction) -> Image:
        """(H, W, 4) RGBA, or (H, W, 3) RGB before a background."""
        mask = objects_mask(prediction)
        if self.target.background.is_transparent:
            return with_alpha(frame.image, mask, margin=VIDEO_MARGIN)
        return before_background(frame.image, mask, self.target.background)
