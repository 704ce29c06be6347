"""Write cut-outs: the objects alone, as an image or a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PILImage

from maskweave.errors import InvalidValue, OutputError
from maskweave.ops.masks_png import marked_png
from maskweave.ops.matting import refine_edges
from maskweave.outputs.background import (
    TRANSPARENT,
    VIDEO_MARGIN,
    Background,
    before_background,
    with_alpha,
)
from maskweave.outputs.base import Target
from maskweave.outputs.images import OneFile
from maskweave.outputs.video import AlphaVideoWriter
from maskweave.outputs.videos import VideoFile
from maskweave.types.arrays import FloatArray, Image, Mask
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction
from maskweave.types.result import FrameResult


def objects_alpha(prediction: Prediction) -> FloatArray | Mask:
    """(H, W): where any object, or the foreground, is; in 0..1 where the model gives alpha, else bool.

    Raises `InvalidValue` for a map of other classes.
    """
    if isinstance(prediction, Instances):
        return prediction.masks.union()
    if "foreground" not in prediction.class_names:
        raise InvalidValue("cutout: need instances or a foreground map, got a map of classes")
    return prediction.mask("foreground") if prediction.alpha is None else prediction.alpha


def cut_out(
    image: Image,
    prediction: Prediction,
    background: Background = TRANSPARENT,
    *,
    refine: bool = False,
    margin: int = 0,
) -> Image:
    """The objects of an (H, W, 3) uint8 RGB image: (H, W, 4) RGBA, or (H, W, 3) RGB before a background.

    ``refine``: soft edges, and colors without a halo, see `maskweave.ops.matting`. ``margin``: see `with_alpha`.
    """
    alpha, colors = objects_alpha(prediction), image
    if refine:
        matte = refine_edges(image, alpha)
        alpha, colors = matte.alpha, matte.colors
    if background.is_transparent:
        return with_alpha(colors, alpha, margin=margin)
    return before_background(image, alpha, background, colors=colors)


class CutoutImage(OneFile):
    """``<name>.cutout.png``: the objects with alpha, or before the chosen background."""

    def __init__(self, target: Target) -> None:
        super().__init__(target, ".cutout.png")

    def write(self, result: FrameResult) -> None:
        """Cut out and write; raises `OutputError` for an image that is read piece by piece."""
        frame = result.frame
        if frame.windows is not None:
            raise OutputError(
                f"{self.path}: a cut-out needs the whole image, got one that is read in tiles; leave --tile out"
            )
        image = cut_out(
            frame.image,
            result.prediction,
            self.target.background or TRANSPARENT,
            refine=self.target.refine_edges,
        )
        encoded = marked_png(PILImage.fromarray(np.ascontiguousarray(image)), areas=False, dpi=frame.dpi)
        self.put(encoded, only_own=True)


class CutoutVideo(VideoFile):
    """``<name>.cutout.webm`` (VP9 with alpha, no audio), or ``.cutout.mp4`` (H.264) before a chosen background."""

    def __init__(self, target: Target, path: Path | None = None) -> None:
        self._background = target.background or TRANSPARENT
        self.suffix = ".cutout.webm" if self._background.is_transparent else ".cutout.mp4"
        super().__init__(target, path)

    def begin(self) -> None:
        """Open the video."""
        if not self._background.is_transparent:
            super().begin()
            return
        self._video = self.files.enter_context(AlphaVideoWriter(self._path, self.target.info))
        self._warnings = self._video.warnings

    def draw(self, result: FrameResult) -> Image:
        """(H, W, 4) RGBA, or (H, W, 3) RGB before a background."""
        return cut_out(
            result.frame.image,
            result.prediction,
            self._background,
            refine=self.target.refine_edges,
            margin=VIDEO_MARGIN,
        )
