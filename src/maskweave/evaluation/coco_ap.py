"""Average precision of masks and boxes as COCO defines it, on faster-coco-eval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.evaluation.base import Metric
from maskweave.evaluation.coco_truth import CocoTruth
from maskweave.ops.boxes import box_areas
from maskweave.ops.rle import encode_masks
from maskweave.optional import optional
from maskweave.types.arrays import FloatArray
from maskweave.types.instances import Instances

_AP50, _AP75 = 0, 5  # rows of COCO's ten IoU thresholds 0.50, 0.55 ... 0.95
_THRESHOLDS, _RECALLS, _SIZES = 10, 101, 4  # sizes: all, small, medium, large


@dataclass(frozen=True)
class AveragePrecision:
    """COCO's twelve numbers of one class, or their means over classes, in 0..100; NaN where no object is labeled.

    Attributes:
        ap: Average precision, the mean over IoU thresholds 0.50, 0.55 … 0.95.
        ap50: At IoU 0.50.
        ap75: At IoU 0.75.
        ap_small: `ap` of objects below 32 x 32 square pixels.
        ap_medium: Of those from there to 96 x 96.
        ap_large: Of those above.
        ar_1: Average recall over the same thresholds when one prediction of an image and class counts.
        ar_10: When ten count.
        ar: When as many count as for `ap`.
        ar_small: `ar` of small objects.
        ar_medium: Of medium ones.
        ar_large: Of large ones.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar_1: float
    ar_10: float
    ar: float
    ar_small: float
    ar_medium: float
    ar_large: float


_NUMBERS = len(fields(AveragePrecision))
UNKNOWN = AveragePrecision(*[float("nan")] * _NUMBERS)


@dataclass(frozen=True)
class CocoScores:
    """Mask and box AP.

    Attributes:
        masks: Mean over the classes that have objects.
        boxes: Likewise.
        masks_per_class: By class name.
        boxes_per_class: By class name.
        objects: Number of labeled objects (crowds not counted) by class name.
        images: Number of images.
        mask_curves: (10, 101) precision in 0..1 by IoU threshold and recall, mean over classes; NaN without objects.
        box_curves: Likewise.
    """

    masks: AveragePrecision
    boxes: AveragePrecision
    masks_per_class: dict[str, AveragePrecision]
    boxes_per_class: dict[str, AveragePrecision]
    objects: dict[str, int]
    images: int
    mask_curves: FloatArray
    box_curves: FloatArray


class _Object(NamedTuple):
    """What is kept of an object: box as x, y, width, height; compressed run lengths; (area, crowd) in either role."""

    image_id: int
    class_id: int
    box: tuple[float, ...]
    counts: str
    as_box: tuple[float, bool]
    as_mask: tuple[float, bool]
    score: float


class CocoAP:
    """COCO's AP over images given one by one; satisfies `Metric`.

    Classes that an image does not list as labeled are left out there: neither its objects nor what a model finds of
    them count. Source: https://cocodataset.org/#detection-eval.

    Args:
        class_names: The classes to score, as in truth and predictions.
        max_objects: Most predictions that count for an image and class, at least 11.
        masks: Whether masks are scored beside boxes.
    """

    def __init__(self, class_names: Sequence[str], *, max_objects: int = 100, masks: bool = True) -> None:
        self._load = _engine()
        self.class_names = tuple(class_names)
        self.max_objects = max_objects
        self._kinds = ("segm", "bbox") if masks else ("bbox",)
        self._images: list[dict[str, Any]] = []
        self._truth: list[_Object] = []
        self._predicted: list[_Object] = []
        self._objects = dict.fromkeys(self.class_names, 0)

    def add(self, truth: CocoTruth, predicted: Instances) -> None:
        """Take in one image.

        Raises:
            InvalidValue: Class names or image sizes differ.
        """
        counted = counted_classes(truth, predicted, self.class_names)
        image_id = len(self._images) + 1
        height, width = truth.instances.size
        self._images.append({"id": image_id, "height": height, "width": width})
        self._add_truth(truth, image_id, counted)
        self._add_predicted(predicted, image_id, counted)

    def _add_truth(self, truth: CocoTruth, image_id: int, counted: NDArray[np.bool_]) -> None:
        instances = truth.instances
        areas = (instances.masks.areas if truth.areas is None else truth.areas).tolist()
        box_only = np.zeros(len(instances), dtype=bool) if truth.box_only is None else truth.box_only
        silent = (truth.crowd | box_only).tolist()
        for row, class_id, (box, counts) in self._shapes(instances, counted):
            crowd = bool(truth.crowd[row])
            roles = (areas[row], crowd), (areas[row], silent[row])
            self._truth.append(_Object(image_id, class_id, box, counts, *roles, 1.0))
            self._objects[self.class_names[class_id]] += not crowd

    def _add_predicted(self, predicted: Instances, image_id: int, counted: NDArray[np.bool_]) -> None:
        mask_areas, areas = predicted.masks.areas.tolist(), box_areas(predicted.boxes).tolist()
        scores = predicted.scores.tolist()
        for row, class_id, (box, counts) in self._shapes(predicted, counted):
            roles = (areas[row], False), (mask_areas[row], False)
            self._predicted.append(_Object(image_id, class_id, box, counts, *roles, scores[row]))

    def _shapes(
        self, instances: Instances, counted: NDArray[np.bool_]
    ) -> Iterator[tuple[int, int, tuple[tuple[float, ...], str]]]:
        """Row, class, and box (x, y, width, height) with run lengths of each object that counts."""
        kept = np.flatnonzero(counted[instances.class_ids])
        boxes = instances.boxes[kept]
        boxes[:, 2:] -= boxes[:, :2]
        texts = [""] * len(kept)
        if "segm" in self._kinds:
            texts = [str(rle["counts"]) for rle in encode_masks(instances.masks[kept])]
        for row, box, counts in zip(kept.tolist(), boxes.tolist(), texts, strict=True):
            yield row, int(instances.class_ids[row]), (tuple(box), counts)

    def result(self) -> CocoScores:
        """The scores over all images taken in.

        Raises:
            InvalidValue: No image was added.
        """
        if not self._images:
            raise InvalidValue("AP: need at least one image, got none")
        nothing = (dict.fromkeys(self.class_names, UNKNOWN), np.full((_THRESHOLDS, _RECALLS), np.nan))
        masks, mask_curves = self._score("segm") if "segm" in self._kinds else nothing
        boxes, box_curves = self._score("bbox")
        return CocoScores(
            masks=mean_precision(masks.values()),
            boxes=mean_precision(boxes.values()),
            masks_per_class=masks,
            boxes_per_class=boxes,
            objects=dict(self._objects),
            images=len(self._images),
            mask_curves=mask_curves,
            box_curves=box_curves,
        )

    def _score(self, kind: str) -> tuple[dict[str, AveragePrecision], FloatArray]:
        """AP by class name, and the mean curves; `kind` is "segm" or "bbox"."""
        coco, evaluation = self._load
        truth, found = (self._indexed(coco, rows, kind) for rows in (self._truth, self._predicted))
        scorer = evaluation(truth, found, iouType=kind, print_function=_quiet)
        scorer.params.maxDets = [1, 10, self.max_objects]
        scorer.evaluate()
        scorer.accumulate()
        # thresholds, recalls, classes, sizes, limits; -1 where a class has no object
        shape = (_THRESHOLDS, _RECALLS, len(self.class_names), _SIZES, 3)
        precision = _known(scorer.eval["precision"]).reshape(shape)
        recall = _known(scorer.eval["recall"]).reshape(_THRESHOLDS, *shape[2:])
        classes = {
            name: _numbers(precision[:, :, index], recall[:, index])
            for index, name in enumerate(self.class_names)
        }
        return classes, _mean(precision[:, :, :, 0, 2], axis=2) / 100

    def _indexed(self, coco: Any, objects: list[_Object], kind: str) -> Any:
        """The library's object of truth or predictions."""
        index = coco(print_function=_quiet)
        index.dataset = {
            "images": self._images,
            "annotations": [self._record(number, each, kind) for number, each in enumerate(objects, start=1)],
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(self.class_names)],
        }
        index.createIndex()
        return index

    def _record(self, number: int, known: _Object, kind: str) -> dict[str, Any]:
        area, crowd = known.as_mask if kind == "segm" else known.as_box
        record: dict[str, Any] = {
            "id": number,
            "image_id": known.image_id,
            "category_id": known.class_id + 1,
            "bbox": list(known.box),
            "area": float(area),
            "iscrowd": int(crowd),
            "score": known.score,
        }
        if kind == "segm":
            image = self._images[known.image_id - 1]
            record["segmentation"] = {"size": [image["height"], image["width"]], "counts": known.counts}
        return record


def add_images(
    metrics: Sequence[Metric[CocoTruth, Instances, object]],
    truths: Iterable[CocoTruth],
    predict: Callable[[CocoTruth], Instances],
    *,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Give each image's truth and prediction to every one of ``metrics``, one image at a time.

    Args:
        metrics: `CocoAP` and its like.
        truths: As `CocoTruthFile.truths` gives them.
        predict: What was found in an image, low scores included: by a model, or as a file says.
        progress: Called with the number of images done.
    """
    for done, truth in enumerate(truths, start=1):
        predicted = predict(truth)
        for metric in metrics:
            metric.add(truth, predicted)
        if progress is not None:
            progress(done)


def counted_classes(
    truth: CocoTruth, predicted: Instances, class_names: tuple[str, ...]
) -> NDArray[np.bool_]:
    """(C,) True for the classes that are labeled exhaustively in an image; the others count nowhere.

    Raises:
        InvalidValue: Truth and prediction are not of these classes, or not of one size.
    """
    for what, instances in (("truth", truth.instances), ("predicted", predicted)):
        if instances.class_names != class_names:
            raise InvalidValue(f"{what}: need classes {class_names}, got {instances.class_names}")
    if truth.instances.size != predicted.size:
        raise InvalidValue(
            f"{truth.file_name}: need results of (height, width) {truth.instances.size}, got {predicted.size}"
        )
    return np.array([truth.labeled is None or name in truth.labeled for name in class_names], dtype=bool)


def mean_precision(classes: Iterable[AveragePrecision]) -> AveragePrecision:
    """The mean of each number over those of several `AveragePrecision` where it is known; NaN when it nowhere is."""
    table = np.array([astuple(each) for each in classes]).reshape(-1, _NUMBERS)
    return AveragePrecision(*_mean(table, axis=0).tolist())


def _engine() -> tuple[Any, Any]:
    with optional("average precision", extra="evaluate"):
        from faster_coco_eval import COCO, COCOeval_faster
    return COCO, COCOeval_faster


def _quiet(*_: object, **__: object) -> None:
    """Print nothing."""


def _known(table: FloatArray) -> FloatArray:
    """The library's numbers in 0..100, NaN where it gives -1."""
    return np.where(np.asarray(table) < 0, np.nan, np.asarray(table) * 100.0)


def _mean(table: FloatArray, axis: int | None = None) -> FloatArray:
    """Mean over what is known; NaN where nothing is."""
    known = ~np.isnan(table)
    count = known.sum(axis=axis)
    total = np.where(known, table, 0.0).sum(axis=axis)
    mean: FloatArray = np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
    return mean


def _numbers(precision: FloatArray, recall: FloatArray) -> AveragePrecision:
    """From one class's precision (thresholds, recalls, sizes, limits) and recall (thresholds, sizes, limits)."""
    precisions = (precision[:, :, 0, 2], precision[_AP50, :, 0, 2], precision[_AP75, :, 0, 2])
    by_size = (precision[:, :, size, 2] for size in range(1, _SIZES))
    recalls = (recall[:, 0, limit] for limit in range(3))
    recalls_by_size = (recall[:, size, 2] for size in range(1, _SIZES))
    tables = (*precisions, *by_size, *recalls, *recalls_by_size)
    return AveragePrecision(*(float(_mean(table)) for table in tables))
