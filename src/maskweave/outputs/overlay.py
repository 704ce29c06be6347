"""Pictures with the result drawn over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from maskweave.errors import InvalidValue
from maskweave.outputs.count_marks import draw_numbers, draw_places
from maskweave.outputs.labels import draw_label, draw_text, text_coverage
from maskweave.outputs.palette import Colour, class_colour, object_colour
from maskweave.outputs.trails import Trails
from maskweave.types.arrays import Image, Mask, check_image
from maskweave.types.instances import Instances
from maskweave.types.semantic import IGNORE, SemanticMap

_LONGEST_TRAIL = 60.0  # seconds; what is remembered grows with it
_SMALLEST_LABELLED = 48  # pixels of the image's short side under which text would hide the picture


@dataclass(frozen=True)
class OverlayStyle:
    """How results are drawn.

    ``opacity``: of the mask's colour, 0 to 1. ``colour_by``: one colour per object ("instance") or per class.
    ``contours``, ``labels``, ``boxes``, ``legend``: what is drawn besides. ``trail``: seconds of each tracked
    object's way that videos show, 0 to 60. Line and text sizes follow the image.

    Raises `InvalidValue` for a number outside its range.
    """

    opacity: float = 0.45
    colour_by: Literal["instance", "class"] = "instance"
    contours: bool = True
    labels: bool = True
    boxes: bool = False
    legend: bool = True
    trail: float = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0 <= self.opacity <= 1:
            raise InvalidValue(f"opacity: need a number in [0, 1], got {self.opacity}")
        if not 0 <= self.trail <= _LONGEST_TRAIL:
            raise InvalidValue(f"trail: need 0 to {_LONGEST_TRAIL:g} seconds, got {self.trail:g}")


def draw_overlay(
    image: Image,
    prediction: Instances | SemanticMap,
    style: OverlayStyle | None = None,
    *,
    trails: Trails | None = None,
) -> Image:
    """Draw a result over (H, W, 3) uint8 RGB ``image`` and return the new picture of the same size.

    ``trails``: the ways that the objects came, drawn under the labels; a single picture has none.

    Raises `InvalidValue` when image and result are of different sizes.
    """
    check_image(image)
    style = style or OverlayStyle()
    if image.shape[:2] != prediction.size:
        raise InvalidValue(
            f"overlay: need an image of the result's size {prediction.size}, got {image.shape[:2]}"
        )
    picture = np.ascontiguousarray(image).copy()
    if isinstance(prediction, SemanticMap):
        _draw_semantic(picture, prediction, style)
    else:
        _draw_instances(picture, prediction, style, trails)
    return picture


def _draw_instances(picture: Image, instances: Instances, style: OverlayStyle, trails: Trails | None) -> None:
    colours = instance_colours(instances, style)
    largest_first = np.argsort(-instances.masks.areas, kind="stable").tolist()
    for row in largest_first:
        crop = instances.masks.crops[row]
        x, y = instances.masks.corners[row].tolist()
        _tint(picture[y : y + crop.shape[0], x : x + crop.shape[1]], crop, colours[row], style.opacity)
    for row in largest_first:
        if style.contours:
            corner = instances.masks.corners[row].tolist()
            _outline(picture, instances.masks.crops[row], (corner[0], corner[1]), colours[row])
        if style.boxes:
            x1, y1, x2, y2 = instances.boxes[row].round().astype(int).tolist()
            cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), colours[row], _line_width(picture))
    if instances.counts is not None:
        draw_places(picture, instances.counts, width=_line_width(picture))
    if trails is not None and instances.track_ids is not None:
        by_id = dict(zip(instances.track_ids.tolist(), colours, strict=True))
        trails.draw(picture, by_id, width=_line_width(picture) + 1)
    if style.labels and min(picture.shape[:2]) >= _SMALLEST_LABELLED:
        _draw_labels(picture, instances, colours, largest_first)
    if instances.counts is not None:
        draw_numbers(picture, instances.counts, pixels=_text_size(picture))


def _draw_labels(picture: Image, instances: Instances, colours: list[Colour], rows: list[int]) -> None:
    for row in rows:
        x1, y1 = instances.boxes[row, :2].round().astype(int).tolist()
        draw_label(
            picture, _caption(instances, row), (x1, y1), pixels=_text_size(picture), colour=colours[row]
        )


def instance_colours(instances: Instances, style: OverlayStyle) -> list[Colour]:
    """One colour a row: by track id where there is one, else by row, or by class if the style says so."""
    if style.colour_by == "class":
        keys = instances.class_ids
    elif instances.track_ids is not None:
        keys = instances.track_ids
    else:
        keys = np.arange(len(instances))
    return [object_colour(int(key)) for key in keys]


def _caption(instances: Instances, row: int) -> str:
    caption = f"{instances.names[row]} {instances.scores[row]:.2f}"
    return caption if instances.track_ids is None else f"{instances.track_ids[row]} {caption}"


def _draw_semantic(picture: Image, semantic: SemanticMap, style: OverlayStyle) -> None:
    found = [
        class_id
        for class_id in np.unique(semantic.class_map).tolist()
        if class_id != IGNORE and semantic.class_names[class_id] != "background"
    ]
    for class_id in found:
        mask = semantic.class_map == class_id
        _tint(picture, mask, class_colour(class_id), style.opacity)
        if style.contours:
            _outline(picture, mask, (0, 0), class_colour(class_id))
    if style.legend and found and min(picture.shape[:2]) >= _SMALLEST_LABELLED:
        _draw_legend(picture, [(semantic.class_names[each], class_colour(each)) for each in found])


def _draw_legend(picture: Image, entries: list[tuple[str, Colour]]) -> None:
    """A panel at the top left with a swatch and a name per class."""
    pixels = _text_size(picture)
    row_height = text_coverage("Ag", pixels).shape[0] + pixels // 3
    pad = pixels // 2
    width = max(text_coverage(name, pixels).shape[1] for name, _ in entries) + pixels + 3 * pad
    panel = picture[: row_height * len(entries) + pad, :width]
    panel[:] = (panel * 0.25 + 12).astype(np.uint8)
    for row, (name, colour) in enumerate(entries):
        y = row * row_height + pad // 2
        picture[y + pixels // 5 : y + pixels // 5 + pixels, pad : pad + pixels] = colour
        draw_text(picture, name, (2 * pad + pixels, y), pixels=pixels, colour=(255, 255, 255))


def _tint(region: Image, mask: Mask, colour: Colour, opacity: float) -> None:
    """Mix ``colour`` into the pixels of ``region`` where ``mask`` is set, in place."""
    if not mask.size:
        return
    # one table look-up a channel: what each brightness becomes under the colour
    brightness = np.arange(256, dtype=np.float32)[:, None]
    table = brightness * (1 - opacity) + np.array(colour, dtype=np.float32) * opacity
    mixed = cv2.LUT(region, np.rint(table).astype(np.uint8)[None])
    cv2.copyTo(mixed, mask.view(np.uint8), region)


def _outline(picture: Image, crop: Mask, corner: tuple[int, int], colour: Colour) -> None:
    if not crop.size:
        return
    contours, _ = cv2.findContours(crop.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(picture, contours, -1, colour, _line_width(picture), cv2.LINE_AA, offset=corner)


def _line_width(picture: Image) -> int:
    long_side: int = max(picture.shape[:2])
    return max(1, round(long_side / 640))


def _text_size(picture: Image) -> int:
    long_side: int = max(picture.shape[:2])
    return min(max(round(long_side / 62), 10), 96)
