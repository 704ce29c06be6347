"""Write images: overlays and masks of still images, and folders of masks of videos."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PILImage

from maskweave.errors import InvalidValue, OutputError
from maskweave.files import atomic_file, output_errors
from maskweave.ops.masks_png import (
    encode_binary,
    encode_class_map,
    encode_id_map,
    instance_id_map,
    needs_16_bits,
)
from maskweave.ops.resize import resize_prediction
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.overlay import draw_overlay
from maskweave.types.arrays import Image
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction
from maskweave.types.result import FrameResult

MASK_SUFFIX = {"instances": ".masks", "semantic": ".semantic", "foreground": ".foreground"}
"""What a task's mask images are called."""

_FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
_JPEG_MAX_SIDE = 65500


def encode_image(image: Image, suffix: str, *, dpi: tuple[float, float] | None = None) -> bytes:
    """Encode an (H, W, 3) uint8 RGB image in the format of a file suffix (".jpg", ".png", ".webp", …).

    ``dpi``: pixels per inch across and down, kept where the format can hold them. Colors are sRGB, and without a
    profile are read as such.

    Raises `InvalidValue` for a suffix that is no image format and `OutputError` when the format cannot hold it.
    """
    form = _FORMATS.get(suffix.lower())
    if form is None:
        raise InvalidValue(f"image: need a suffix out of {', '.join(_FORMATS)}, got {suffix!r}")
    buffer = BytesIO()
    options: dict[str, Any] = {"quality": 92, "subsampling": 0} if form == "JPEG" else {}
    if dpi is not None:
        options["dpi"] = tuple(round(each) for each in dpi) if form == "JPEG" else dpi
    try:
        PILImage.fromarray(image).save(buffer, format=form, **options)
    except (OSError, ValueError) as error:
        raise OutputError(f"image: {form} cannot hold {image.shape[1]}x{image.shape[0]} ({error})") from error
    return buffer.getvalue()


def encode_mask_image(prediction: Prediction, task: str) -> bytes:
    """PNG of a result: instance ids, class ids with a palette, or 1-bit foreground."""
    if isinstance(prediction, Instances):
        return encode_id_map(instance_id_map(prediction))
    if task == "foreground":
        return encode_binary(prediction.mask("foreground"))
    return encode_class_map(prediction)


class OneFile(Writer):
    """A writer of one file for one still image."""

    def __init__(self, target: Target, suffix: str) -> None:
        super().__init__(target)
        self._path = target.path(suffix)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def put(self, data: bytes, *, only_own: bool = False) -> None:
        """Write the whole file; with ``only_own`` never in place of one that another program wrote."""
        with atomic_file(self._path, only_own=only_own) as temporary:
            temporary.write_bytes(data)


class OverlayImage(OneFile):
    """``<name>.overlay.jpg``: the image with the result drawn over it (PNG when it is too large for JPEG).

    Of an image that is read piece by piece it is a view of at most 4096 pixels.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target, ".overlay.jpg")

    def write(self, result: FrameResult) -> None:
        """Draw and write."""
        frame = result.frame
        if max(frame.image.shape) > _JPEG_MAX_SIDE:
            self._path = self._path.with_suffix(".png")
        shown = resize_prediction(result.prediction, frame.image.shape[:2])
        drawn = draw_overlay(frame.image, shown, self.target.style, counts=result.counts)
        self.put(encode_image(drawn, self._path.suffix, dpi=None if frame.windows is not None else frame.dpi))


class MaskImage(OneFile):
    """``<name>.masks.png``, ``.semantic.png`` or ``.foreground.png``: the result as a label image."""

    def __init__(self, target: Target) -> None:
        super().__init__(target, f"{MASK_SUFFIX[target.task]}.png")

    def write(self, result: FrameResult) -> None:
        """Encode and write; an image that is read piece by piece in strips."""
        if result.frame.windows is not None:
            from maskweave.outputs.png_strips import write_label_png

            with atomic_file(self._path, only_own=True) as temporary:
                write_label_png(temporary, result.prediction, self.target.task)
            return
        self.put(encode_mask_image(result.prediction, self.target.task), only_own=True)


class MaskFolder(Writer):
    """``<name>.masks/`` (or ``.semantic/``, ``.foreground/``): one label image for each frame of a video.

    All images of a folder have one depth: when the first id comes that needs 16 bits, those before it are written
    again.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._path = target.images_path(MASK_SUFFIX[target.task])
        self._wide = False

    @property
    def path(self) -> Path:
        """The folder."""
        return self._path

    def begin(self) -> None:
        """Make the folder under a hidden name."""
        self._folder = self.files.enter_context(self.target.open_images(MASK_SUFFIX[self.target.task]))

    def write(self, result: FrameResult) -> None:
        """Add ``<frame>.png``."""
        file = self._folder / f"{self.target.frame_name(result.frame)}.png"
        with output_errors(self._path):
            file.write_bytes(self._encode(result.prediction))

    def _encode(self, prediction: Prediction) -> bytes:
        if not isinstance(prediction, Instances):
            return encode_mask_image(prediction, self.target.task)
        id_map = instance_id_map(prediction)
        if not self._wide and needs_16_bits(id_map):
            self._wide = True
            for earlier in self._folder.iterdir():
                with PILImage.open(earlier) as image:
                    narrow = np.asarray(image)
                earlier.write_bytes(encode_id_map(narrow, wide=True))
        return encode_id_map(id_map, wide=self._wide)
