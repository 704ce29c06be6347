"""Writers of pictures: overlays and masks of still images, and folders of masks of videos."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from maskweave.errors import InvalidValue, OutputError
from maskweave.ops.resize import resize_prediction
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.files import atomic_file, output_errors
from maskweave.outputs.masks_png import (
    encode_binary,
    encode_class_map,
    encode_id_map,
    instance_id_map,
    needs_16_bits,
)
from maskweave.outputs.overlay import draw_overlay
from maskweave.outputs.png_strips import write_label_png
from maskweave.types.arrays import Image
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction

MASK_SUFFIX = {"instances": ".masks", "semantic": ".semantic", "foreground": ".foreground"}
"""What a task's mask pictures are called."""

_FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
_JPEG_LONGEST = 65500


def encode_picture(image: Image, suffix: str) -> bytes:
    """Encode an (H, W, 3) uint8 RGB picture in the format of a file suffix (".jpg", ".png", ".webp", …).

    Raises `InvalidValue` for a suffix that is no picture format and `OutputError` when the format cannot hold it.
    """
    form = _FORMATS.get(suffix.lower())
    if form is None:
        raise InvalidValue(f"picture: need a suffix out of {', '.join(_FORMATS)}, got {suffix!r}")
    buffer = BytesIO()
    options = {"quality": 92, "subsampling": 0} if form == "JPEG" else {}
    try:
        Pictures.fromarray(image).save(buffer, format=form, **options)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"picture: {form} cannot hold {image.shape[1]}x{image.shape[0]} ({error})"
        ) from error
    return buffer.getvalue()


def encode_masks_picture(prediction: Prediction, task: str) -> bytes:
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

    def put(self, data: bytes, *, only_ours: bool = False) -> None:
        """Write the whole file; with ``only_ours`` never in place of one that another program wrote."""
        with atomic_file(self._path, only_ours=only_ours) as temporary:
            temporary.write_bytes(data)


class OverlayPicture(OneFile):
    """``<name>.overlay.jpg``: the image with the result drawn over it (PNG when it is too large for JPEG).

    Of a picture that is read piece by piece it is a view of at most 4096 pixels.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target, ".overlay.jpg")

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Draw and write."""
        if max(frame.image.shape) > _JPEG_LONGEST:
            self._path = self._path.with_suffix(".png")
        shown = resize_prediction(prediction, frame.image.shape[:2])
        self.put(encode_picture(draw_overlay(frame.image, shown, self.target.style), self._path.suffix))


class MaskPicture(OneFile):
    """``<name>.masks.png``, ``.semantic.png`` or ``.foreground.png``: the result as a label picture."""

    def __init__(self, target: Target) -> None:
        super().__init__(target, f"{MASK_SUFFIX[target.task]}.png")

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Encode and write; a picture that is read piece by piece in strips."""
        if frame.windows is not None:
            with atomic_file(self._path, only_ours=True) as temporary:
                write_label_png(temporary, prediction, self.target.task)
            return
        self.put(encode_masks_picture(prediction, self.target.task), only_ours=True)


class MaskFolder(Writer):
    """``<name>.masks/`` (or ``.semantic/``, ``.foreground/``): one label picture for each frame of a video.

    All pictures of a folder have one depth: when the first id comes that needs 16 bits, those before it are written
    again.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._path = target.pictures_path(MASK_SUFFIX[target.task])
        self._wide = False

    @property
    def path(self) -> Path:
        """The folder."""
        return self._path

    def begin(self) -> None:
        """Make the folder under a hidden name."""
        self._folder = self.files.enter_context(self.target.open_pictures(MASK_SUFFIX[self.target.task]))

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Add ``<frame>.png``."""
        file = self._folder / f"{self.target.frame_name(frame)}.png"
        with output_errors(self._path):
            file.write_bytes(self._encode(prediction))

    def _encode(self, prediction: Prediction) -> bytes:
        if not isinstance(prediction, Instances):
            return encode_masks_picture(prediction, self.target.task)
        id_map = instance_id_map(prediction)
        if not self._wide and needs_16_bits(id_map):
            self._wide = True
            for earlier in self._folder.iterdir():
                with Pictures.open(earlier) as picture:
                    narrow = np.asarray(picture)
                earlier.write_bytes(encode_id_map(narrow, wide=True))
        return encode_id_map(id_map, wide=self._wide)
