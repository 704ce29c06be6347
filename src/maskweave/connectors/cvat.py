"""CVAT: automatic annotation with its own command, ``cvat-cli``.

    pip install maskweave cvat-cli
    cvat-cli task auto-annotate 137 --function-module maskweave.connectors.cvat --allow-unmatched-labels
    cvat-cli function create-native "MaskWeave" --function-module maskweave.connectors.cvat -p task=str:tracking

`create` takes what ``-p`` gives. Detection gives masks, or polygons where every object is one outline; interaction
finds what points and a box mean; tracking follows a mask or polygon from frame to frame.
Source: the interface in ``cvat_sdk.auto_annotation`` (cvat-sdk 2.80).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from maskweave.api import Segmenter, load
from maskweave.catalog.entry import BUILT_IN, GUIDE
from maskweave.errors import InvalidValue
from maskweave.models.loading import LazyGuide, RuntimeOptions
from maskweave.ops.polygons import Polygon, mask_to_polygons, masks_to_polygons, ring_area, rings_to_mask
from maskweave.ops.seams import joined_ring
from maskweave.optional import optional
from maskweave.types.arrays import Mask, Size
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.video.features import feature_network
from maskweave.video.mask_propagator import MaskPropagator
from maskweave.video.stream import FrameFacts, VideoStream

with optional("CVAT", install="pip install cvat-cli"):
    import cvat_sdk.auto_annotation as cvataa
    from cvat_sdk import models
    from cvat_sdk.masks import decode_mask, encode_mask

Shapes = Literal["masks", "polygons"]
"""``polygons``: objects of one outline become polygons; those with holes or several parts stay masks."""
_SHAPES = ("masks", "polygons")
_FUNCTIONS = ("detection", "interaction", "tracking")
_MIN_POINTS = 3
_FPS = 25
"""Taken for the images of a task, which have no times."""


def create(
    task: str = "detection",
    model: str = BUILT_IN,
    shapes: str = "masks",
    classes: str = "",
    device: str = "cpu",
    size: int = 0,
) -> Detector | Interactor | Tracker:
    """Make the function that ``cvat-cli`` calls.

    Args:
        task: "detection", "interaction" or "tracking".
        model: As for `maskweave.load`.
        shapes: "masks", or "polygons" where an object is one outline; for detection.
        classes: Comma-separated names to find; "" for all of the model.
        device: As for `maskweave.load`.
        size: Long side of the network's input; 0 for the model's own.

    Raises:
        InvalidValue: An argument is none of these.
        MaskWeaveError: The model cannot be loaded.
    """
    if task not in _FUNCTIONS:
        raise InvalidValue(f"task: need one of {', '.join(_FUNCTIONS)}, got {task!r}")
    if shapes not in _SHAPES:
        raise InvalidValue(f"shapes: need one of {', '.join(_SHAPES)}, got {shapes!r}")
    if task == "tracking":
        return Tracker()
    segmenter = load(model, device=device, size=size or None)
    if task == "interaction":
        return Interactor(segmenter)
    wanted = tuple(name.strip() for name in classes.split(",") if name.strip())
    unknown = sorted(set(wanted) - set(segmenter.class_names))
    if unknown:
        raise InvalidValue(f"classes: need names that {model} knows, got {', '.join(unknown)}")
    return Detector(segmenter, shapes=shapes, classes=wanted)  # type: ignore[arg-type]


class Detector:
    """Finds the objects of one image after the other; the labels are the model's classes."""

    def __init__(
        self, segmenter: Segmenter, *, shapes: Shapes = "masks", classes: tuple[str, ...] = ()
    ) -> None:
        self._segmenter, self._shapes, self._classes = segmenter, shapes, classes
        names = segmenter.class_names
        self.spec = cvataa.DetectionFunctionSpec(
            labels=[
                cvataa.label_spec(name, number, type="any")
                for number, name in enumerate(names)
                if not classes or name in classes
            ]
        )

    def detect(
        self, context: cvataa.DetectionFunctionContext, image: PILImage.Image
    ) -> list[models.LabeledShapeRequest]:
        """The objects of an image as CVAT's shapes, the surest first."""
        found = self._segmenter(image, score=context.conf_threshold, classes=self._classes).instances
        polygons = self._shapes == "polygons" or context.conv_mask_to_poly
        return [
            each
            for instance in found
            for each in _shapes_of(instance, polygons=polygons, masks=not context.conv_mask_to_poly)
        ]


def _shapes_of(instance: Instances, *, polygons: bool, masks: bool) -> Iterator[models.LabeledShapeRequest]:
    """One object as one shape; as several where it has several parts and ``masks`` are not allowed."""
    label, masks_of = int(instance.class_ids[0]), instance.masks
    (parts,) = masks_to_polygons(masks_of) if polygons else ([],)
    single = len(parts) == 1 and not parts[0].holes
    if parts and (single or not masks):
        yield from (cvataa.polygon(label, _points(part)) for part in parts)
    elif masks_of.areas[0]:
        yield cvataa.mask(label, encode_mask(masks_of.union()))


def _points(polygon: Polygon) -> list[float]:
    """x, y in a row; holes are joined to the outline by seams."""
    ring = joined_ring(polygon.rings)
    numbers: list[float] = ring.ravel().tolist()
    return numbers


class Interactor:
    """Finds the one object that points and a box mean."""

    spec = cvataa.InteractionFunctionSpec(min_pos_points=0, min_neg_points=0, min_bounding_boxes=0)

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter

    def detect(
        self,
        context: cvataa.InteractionFunctionContext,
        pp_image: PILImage.Image,
        prompts: cvataa.InteractionPrompts,
    ) -> list[cvataa.InteractionResultShape]:
        """The object as a mask; none where nothing is pointed at, or nothing stands out there."""
        points = [(x, y) for x, y in prompts.pos_points] + [(x, y, 0) for x, y in prompts.neg_points]
        boxes = [] if prompts.bounding_box is None else [np.ravel(prompts.bounding_box).tolist()]
        if not prompts.pos_points and not boxes:
            return []
        try:
            found = self._segmenter.prompt(pp_image, boxes=boxes, points=points).instances
        except InvalidValue:
            return []
        return [_interactive(instance) for instance in found if instance.masks.areas[0]]


def _interactive(instance: Instances) -> cvataa.InteractionResultShape:
    (mask,), score = instance.masks.dense(), float(instance.scores[0])
    sure = models.AttributeValRequest(
        spec_id=int(cvataa.InteractionResultAttributes.CONFIDENCE), value=f"{score:.4f}"
    )
    return cvataa.InteractionResultShape(type="mask", points=encode_mask(mask), attributes=[sure])


class Tracker:
    """Follows shapes from frame to frame: by their looks, by motion, and by what the network finds there."""

    spec = cvataa.TrackingFunctionSpec(supported_shape_types={"mask", "polygon", "rectangle"})

    def __init__(self) -> None:
        self._stream, self._frames = VideoStream(feature_network()), 0
        self._guide = LazyGuide(GUIDE, RuntimeOptions())

    def preprocess_image(self, context: cvataa.TrackingFunctionContext, image: PILImage.Image) -> FrameFacts:
        """Run the network over an image; once for all shapes."""
        time = Fraction(self._frames, _FPS)
        self._frames += 1
        facts = self._stream.facts(Frame(np.asarray(image.convert("RGB")), index=self._frames, time=time))
        _ = facts.features, facts.scene_start  # now, in the order of the frames
        return facts

    def init_tracking_state(
        self, context: cvataa.TrackingFunctionShapeContext, pp_image: FrameFacts, shape: cvataa.TrackableShape
    ) -> MaskPropagator:
        """Begin to follow a shape."""
        mask = _mask_of(shape, pp_image.frame.size)
        return MaskPropagator(pp_image, pp_image.features.from_source(mask)[None], guide=self._guide)

    def track(
        self, context: cvataa.TrackingFunctionShapeContext, pp_image: FrameFacts, state: MaskPropagator
    ) -> cvataa.TrackableShape | None:
        """The shape in the next image, of the type in which it was given; None where it is not seen."""
        (soft,) = state.update(pp_image, pp_image.network_instances)
        return _shape_of(soft > 0.5, context.original_shape_type)


def _mask_of(shape: cvataa.TrackableShape, size: Size) -> Mask:
    """(H, W) bool of a shape of CVAT; raises `InvalidValue` for one without area."""
    if shape.type == "mask":
        mask: Mask = decode_mask(shape.points, image_width=size[1], image_height=size[0])
    else:
        points: NDArray[np.float64] = np.asarray(shape.points, dtype=np.float64).reshape(-1, 2)
        if shape.type == "rectangle":
            (x1, y1), (x2, y2) = points
            points = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
        if len(points) < _MIN_POINTS:
            raise InvalidValue(f"shape: need at least {_MIN_POINTS} points, got {len(points)}")
        mask = rings_to_mask([points], size)
    if not mask.any():
        raise InvalidValue(f"shape: need a {shape.type} with pixels inside the image, got none")
    return mask


def _shape_of(mask: Mask, kind: str) -> cvataa.TrackableShape | None:
    """The largest part of a mask as a shape of CVAT; None where it is empty."""
    parts = mask_to_polygons(mask)
    if not parts:
        return None
    if kind == "mask":
        return cvataa.TrackableShape(type=kind, points=encode_mask(mask))
    if kind == "rectangle":
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        corners = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        return cvataa.TrackableShape(type=kind, points=[float(each) for each in corners])
    main_part = max(parts, key=lambda part: sum(map(ring_area, part.rings)))
    return cvataa.TrackableShape(type=kind, points=_points(main_part))
