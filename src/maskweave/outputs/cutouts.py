"""Writers of cut-outs: the objects alone, as a picture or a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from maskweave.errors import InvalidValue, OutputError
from maskweave.ops.matting import refine_edges
from maskweave.outputs.background import (
    TRANSPARENT,
    VIDEO_MARGIN,
    Background,
    before_background,
    with_alpha,
)
from maskweave.outputs.base import Target
from maskweave.outputs.masks_png import marked_png
from maskweave.outputs.pictures import OneFile
from maskweave.outputs.video import AlphaVideoWriter
from maskweave.outputs.videos import VideoFile
from maskweave.types.arrays import FloatArray, Image, Mask
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction


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

    ``refine``: soft edges, and colours without a halo, see `maskweave.ops.matting`. ``margin``: see `with_alpha`.
    """
    alpha, colours = objects_alpha(prediction), image
    if refine:
        matte = refine_edges(image, alpha)
        alpha, colours = matte.alpha, matte.colours
    if background.is_transparent:
        return with_alpha(colours, alpha, margin=margin)
    return before_background(image, alpha, background, colours=colours)


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
        picture = cut_out(frame.image, prediction, self.target.background, refine=self.target.refine_edges)
        self.put(marked_png(Pictures.fromarray(np.ascontiguousarray(picture)), areas=False), only_ours=True)


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
        return cut_out(
            frame.image,
            prediction,
            self.target.background,
            refine=self.target.refine_edges,
            margin=VIDEO_MARGIN,
        )
