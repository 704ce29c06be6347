"""The result of one image in Python: draw it, cut it out, save it, convert it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from maskweave.errors import SourceNotFound
from maskweave.sources.images import ImageSource
from maskweave.types.arrays import Array, Image
from maskweave.types.prediction import Task
from maskweave.types.result import FrameResult

if TYPE_CHECKING:
    import matplotlib.axes
    from PIL.Image import Image as PillowImage

    from maskweave.outputs.overlay import OverlayStyle

_MASK_TASKS: dict[str, Task] = {".masks": "instances", ".semantic": "semantic", ".foreground": "foreground"}

ImageInput: TypeAlias = "str | Path | bytes | bytearray | memoryview | BinaryIO | Array | PillowImage"


@dataclass(frozen=True, eq=False, repr=False)
class Result(FrameResult):
    """One segmented image: draw it, cut it out, save it.

    Args:
        frame: The frame that was segmented.
        prediction: `Instances` or a `SemanticMap`.
        counts: What the stream's lines and zones have counted up to this frame; None where nothing is counted.
        model: The model's name.
    """

    model: str = ""

    def overlay(self, style: OverlayStyle | None = None) -> Image:
        """Draw the result over the image.

        Args:
            style: How; None takes the defaults.

        Returns:
            (H, W, 3) uint8 RGB; of an image that is read in tiles, a smaller view.
        """
        from maskweave.ops.resize import resize_prediction
        from maskweave.outputs.overlay import draw_overlay

        prediction = resize_prediction(self.prediction, self.image.shape[:2])
        return draw_overlay(self.image, prediction, style, counts=self.counts)

    def cutout(self, background: str = "transparent", *, refine_edges: bool = False) -> Image:
        """Cut out the objects, or the foreground.

        Args:
            background: "transparent", "blur", "#rrggbb" or a color name.
            refine_edges: Soft edges, and colors without a halo of the old background (extra ``[matting]``).

        Returns:
            (H, W, 4) uint8 RGBA, or (H, W, 3) RGB where there is a background.

        Raises:
            InvalidValue: The background is none of these, or the result is a map of classes.
            MissingDependency: pymatting is not installed.
        """
        from maskweave.outputs.background import parse_background
        from maskweave.outputs.cutouts import cut_out

        return cut_out(self.image, self.prediction, parse_background(background), refine=refine_edges)

    def plot(self, axes: matplotlib.axes.Axes | None = None, *, style: OverlayStyle | None = None) -> Any:
        """Show the overlay with matplotlib.

        Args:
            axes: Where; None makes a figure.
            style: As for `overlay`.

        Returns:
            The axes.
        """
        import matplotlib.pyplot as plt

        if axes is None:
            height, width = self.frame.size
            scale = 10 / max(height, width)
            _, axes = plt.subplots(
                figsize=(max(2, scale * width), max(2, scale * height)), layout="constrained"
            )
        axes.imshow(self.overlay(style))
        axes.set_axis_off()
        return axes

    def to_coco(self, *, image_id: int | None = None) -> list[dict[str, Any]]:
        """Return the objects as COCO results: COCO's category ids, boxes x y width height, masks as RLE.

        Args:
            image_id: None takes 1 for the first frame, 2 for the second, and so on.
        """
        from maskweave.annotations.coco import coco_results

        number = self.frame.index + 1 if image_id is None else image_id
        return coco_results(self.instances, image_id=number)

    def to_supervision(self) -> Any:
        """Return the objects as ``supervision.Detections``, masks dense (extra ``[supervision]``)."""
        from maskweave.annotations.detections import to_detections

        return to_detections(self.instances)

    @classmethod
    def from_supervision(
        cls, detections: Any, image: ImageInput, *, class_names: Sequence[str] | None = None
    ) -> Result:
        """Make a result of ``supervision.Detections``.

        Args:
            detections: The objects, with masks.
            image: The image that they were found in.
            class_names: What their class ids are indices into; None takes the names that they carry.

        Raises:
            InvalidValue: The detections have no masks, or another size.
        """
        from maskweave.annotations.detections import from_detections

        (frame,) = ImageSource(require_file(image))
        return cls(frame, from_detections(detections, frame.size, class_names=class_names))

    def save(self, path: str | Path, *, style: OverlayStyle | None = None) -> Path:
        """Write the result to a file, whose name says how; it appears only when it is whole.

        Args:
            path: ``.jpg``, ``.png`` …: the overlay. ``.json``: COCO. ``.geojson``: GeoJSON in longitude and latitude,
                in pixels where the image lies on no map. ``.masks.png``, ``.semantic.png`` and ``.foreground.png``:
                the masks themselves as object ids, class ids or 1 bit.
            style: How overlays look.

        Returns:
            The path.

        Raises:
            OutputError: The file cannot be written.
            InvalidValue: The name has another ending.
        """
        from maskweave.files import atomic_file

        path = Path(path)
        file_format = {".json": "coco", ".geojson": "geojson"}.get(path.suffix.lower())
        if file_format is not None:
            from maskweave.outputs.annotations import save_record  # formats are imported on use

            save_record(path, file_format, self.frame, self.instances, model=self.model)
            return path
        data = self._encode(path, style)
        with atomic_file(path) as temporary:
            temporary.write_bytes(data)
        return path

    def _encode(self, path: Path, style: OverlayStyle | None) -> bytes:
        from maskweave.outputs.images import encode_image, encode_mask_image

        task = _MASK_TASKS.get(Path(path.stem).suffix) if path.suffix.lower() == ".png" else None
        if task is not None:
            from maskweave.stages import as_task

            return encode_mask_image(as_task(self.prediction, task), task)
        dpi = self.frame.dpi if self.frame.windows is None else None
        return encode_image(self.overlay(style), path.suffix, dpi=dpi)


def require_file(image: ImageInput) -> ImageInput:
    """Return the input; raises `SourceNotFound` when it is the path of no file."""
    if not isinstance(image, str | Path):
        return image
    try:
        exists = Path(image).exists()
    except OSError:  # a name that no file can have
        exists = False
    if not exists:
        raise SourceNotFound(f"{str(image)[:200]}: need an image file, but it does not exist")
    return Path(image)
