"""Draw results over images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from maskweave.errors import InvalidValue
from maskweave.ops.palette import Color, class_color, object_color
from maskweave.ops.semantic import is_background
from maskweave.outputs.labels import draw_label, draw_text, text_coverage
from maskweave.types.arrays import Image, Mask, check_image
from maskweave.types.instances import Instances
from maskweave.types.semantic import IGNORE, SemanticMap

if TYPE_CHECKING:
    from maskweave.outputs.trails import Trails
    from maskweave.types.counts import Counts

_MAX_TRAIL = 60.0  # seconds; what is remembered grows with it
_MIN_LABELED_SIDE = 48  # pixels of the image's short side under which text would hide the image


@dataclass(frozen=True)
class OverlayStyle:
    """How results are drawn over an image; sizes of lines and text follow the image.

    Args:
        opacity: Of the masks' colors, 0 to 1.
        color_by: One color per object ("instance") or per class ("class").
        contours: Draw the outlines of masks.
        labels: Draw class, score and track id beside each object.
        boxes: Draw boxes.
        legend: Draw the names of the classes of a semantic map.
        trail: Seconds of each object's path that are drawn into videos, 0 to 60.

    Raises:
        InvalidValue: A number is outside its range.
    """

    opacity: float = 0.45
    color_by: Literal["instance", "class"] = "instance"
    contours: bool = True
    labels: bool = True
    boxes: bool = False
    legend: bool = True
    trail: float = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0 <= self.opacity <= 1:
            raise InvalidValue(f"opacity: need a number in [0, 1], got {self.opacity}")
        if not 0 <= self.trail <= _MAX_TRAIL:
            raise InvalidValue(f"trail: need 0 to {_MAX_TRAIL:g} seconds, got {self.trail:g}")


def draw_overlay(
    image: Image,
    prediction: Instances | SemanticMap,
    style: OverlayStyle | None = None,
    *,
    counts: Counts | None = None,
    trails: Trails | None = None,
) -> Image:
    """Draw a result over (H, W, 3) uint8 RGB ``image`` and return the new image of the same size.

    ``counts``: lines and zones with what they have counted. ``trails``: the ways that the objects came, drawn under
    the labels; a single image has none.

    Raises `InvalidValue` when image and result are of different sizes.
    """
    check_image(image)
    style = style or OverlayStyle()
    if image.shape[:2] != prediction.size:
        raise InvalidValue(
            f"overlay: need an image of the result's size {prediction.size}, got {image.shape[:2]}"
        )
    canvas = np.ascontiguousarray(image).copy()
    if isinstance(prediction, SemanticMap):
        _draw_semantic(canvas, prediction, style)
    else:
        _draw_instances(canvas, prediction, style, counts, trails)
    return canvas


def _draw_instances(
    canvas: Image, instances: Instances, style: OverlayStyle, counts: Counts | None, trails: Trails | None
) -> None:
    colors = instance_colors(instances, style)
    largest_first = np.argsort(-instances.masks.areas, kind="stable").tolist()
    for row in largest_first:
        crop = instances.masks.crops[row]
        x, y = instances.masks.corners[row].tolist()
        _tint(canvas[y : y + crop.shape[0], x : x + crop.shape[1]], crop, colors[row], style.opacity)
    for row in largest_first:
        if style.contours:
            corner = instances.masks.corners[row].tolist()
            _outline(canvas, instances.masks.crops[row], (corner[0], corner[1]), colors[row])
        if style.boxes:
            x1, y1, x2, y2 = instances.boxes[row].round().astype(int).tolist()
            cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), colors[row], _line_width(canvas))
    if counts is not None:
        from maskweave.outputs.count_marks import draw_numbers, draw_places

        draw_places(canvas, counts, width=_line_width(canvas))
    if trails is not None and instances.track_ids is not None:
        by_id = dict(zip(instances.track_ids.tolist(), colors, strict=True))
        trails.draw(canvas, by_id, width=_line_width(canvas) + 1)
    if style.labels and min(canvas.shape[:2]) >= _MIN_LABELED_SIDE:
        _draw_labels(canvas, instances, colors, largest_first)
    if counts is not None:
        draw_numbers(canvas, counts, pixels=_text_size(canvas))


def _draw_labels(canvas: Image, instances: Instances, colors: list[Color], rows: list[int]) -> None:
    for row in rows:
        x1, y1 = instances.boxes[row, :2].round().astype(int).tolist()
        draw_label(canvas, _caption(instances, row), (x1, y1), pixels=_text_size(canvas), color=colors[row])


def instance_colors(instances: Instances, style: OverlayStyle) -> list[Color]:
    """One color a row: by track id where there is one, else by row, or by class if the style says so."""
    if style.color_by == "class":
        keys = instances.class_ids
    elif instances.track_ids is not None:
        keys = instances.track_ids
    else:
        keys = np.arange(len(instances))
    return [object_color(int(key)) for key in keys]


def _caption(instances: Instances, row: int) -> str:
    caption = f"{instances.names[row]} {instances.scores[row]:.2f}"
    return caption if instances.track_ids is None else f"{instances.track_ids[row]} {caption}"


def _draw_semantic(canvas: Image, semantic: SemanticMap, style: OverlayStyle) -> None:
    found = [
        class_id
        for class_id in np.unique(semantic.class_map).tolist()
        if class_id != IGNORE and not is_background(semantic.class_names[class_id])
    ]
    for class_id in found:
        mask = semantic.class_map == class_id
        _tint(canvas, mask, class_color(class_id), style.opacity)
        if style.contours:
            _outline(canvas, mask, (0, 0), class_color(class_id))
    if style.legend and found and min(canvas.shape[:2]) >= _MIN_LABELED_SIDE:
        _draw_legend(canvas, [(semantic.class_names[each], class_color(each)) for each in found])


def _draw_legend(canvas: Image, entries: list[tuple[str, Color]]) -> None:
    """A panel at the top left with a swatch and a name per class."""
    pixels = _text_size(canvas)
    row_height = text_coverage("Ag", pixels).shape[0] + pixels // 3
    pad = pixels // 2
    width = max(text_coverage(name, pixels).shape[1] for name, _ in entries) + pixels + 3 * pad
    panel = canvas[: row_height * len(entries) + pad, :width]
    panel[:] = (panel * 0.25 + 12).astype(np.uint8)
    for row, (name, color) in enumerate(entries):
        y = row * row_height + pad // 2
        canvas[y + pixels // 5 : y + pixels // 5 + pixels, pad : pad + pixels] = color
        draw_text(canvas, name, (2 * pad + pixels, y), pixels=pixels, color=(255, 255, 255))


def _tint(region: Image, mask: Mask, color: Color, opacity: float) -> None:
    """Mix ``color`` into the pixels of ``region`` where ``mask`` is set, in place."""
    if not mask.size:
        return
    # one table look-up a channel: what each brightness becomes under the color
    brightness = np.arange(256, dtype=np.float32)[:, None]
    table = brightness * (1 - opacity) + np.array(color, dtype=np.float32) * opacity
    mixed = cv2.LUT(region, np.rint(table).astype(np.uint8)[None])
    cv2.copyTo(mixed, mask.view(np.uint8), region)


def _outline(canvas: Image, crop: Mask, corner: tuple[int, int], color: Color) -> None:
    if not crop.size:
        return
    contours, _ = cv2.findContours(crop.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(canvas, contours, -1, color, _line_width(canvas), cv2.LINE_AA, offset=corner)


def _line_width(canvas: Image) -> int:
    long_side: int = max(canvas.shape[:2])
    return max(1, round(long_side / 640))


def _text_size(canvas: Image) -> int:
    long_side: int = max(canvas.shape[:2])
    return min(max(round(long_side / 62), 10), 96)
