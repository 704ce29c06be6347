"""Average precision of masks and boxes as COCO defines it, on faster-coco-eval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue, MissingDependency
from maskweave.evaluation.coco_truth import CocoTruth
from maskweave.ops.rle import encode_masks
from maskweave.types.arrays import FloatArray, Image
from maskweave.types.instances import Instances

_AP50, _AP75 = 0, 5  # rows of COCO's ten IoU thresholds 0.50, 0.55 ... 0.95


@dataclass(frozen=True)
class AveragePrecision:
    """AP of one class, or the mean over classes, in 0..100; NaN where no object is labelled.

    Attributes:
        ap: Mean over IoU thresholds 0.50 to 0.95.
        ap50: At IoU 0.50.
        ap75: At IoU 0.75.
    """

    ap: float
    ap50: float
    ap75: float


@dataclass(frozen=True)
class CocoScores:
    """Mask and box AP.

    Attributes:
        masks: Mean over the classes that have objects.
        boxes: Likewise.
        masks_per_class: By class name.
        boxes_per_class: By class name.
        objects: Number of labelled objects (crowds not counted) by class name.
        images: Number of images.
    """

    masks: AveragePrecision
    boxes: AveragePrecision
    masks_per_class: dict[str, AveragePrecision]
    boxes_per_class: dict[str, AveragePrecision]
    objects: dict[str, int]
    images: int


class CocoAP:
    """COCO's AP over images given one by one; satisfies `Metric`.

    Classes that an image does not list as labelled are left out there: neither its objects nor what a model finds of
    them count. Source: https://cocodataset.org/#detection-eval.

    Args:
        class_names: The classes to score, as in truth and predictions.
        max_objects: Most predictions that count for an image and class.
    """

    def __init__(self, class_names: Sequence[str], *, max_objects: int = 100) -> None:
        self._load = _engine()
        self.class_names = tuple(class_names)
        self.max_objects = max_objects
        self._images: list[dict[str, Any]] = []
        self._truth: list[dict[str, Any]] = []
        self._predicted: list[dict[str, Any]] = []
        self._objects = dict.fromkeys(self.class_names, 0)

    def add(self, truth: CocoTruth, predicted: Instances) -> None:
        """Take in one image.

        Raises:
            InvalidValue: Class names or image sizes differ.
        """
        for what, instances in (("truth", truth.instances), ("predicted", predicted)):
            if instances.class_names != self.class_names:
                raise InvalidValue(f"{what}: need classes {self.class_names}, got {instances.class_names}")
        if truth.instances.size != predicted.size:
            raise InvalidValue(
                f"{truth.file_name}: need results of (height, width) {truth.instances.size}, got {predicted.size}"
            )
        image_id = len(self._images) + 1
        height, width = truth.instances.size
        self._images.append({"id": image_id, "height": height, "width": width})
        counted = np.array([truth.labelled is None or name in truth.labelled for name in self.class_names])
        self._add_truth(truth, image_id, counted)
        self._add_predicted(predicted, image_id, counted)

    def _add_truth(self, truth: CocoTruth, image_id: int, counted: NDArray[np.bool_]) -> None:
        rows = _rows(truth.instances, image_id)
        for row, crowd in zip(rows, truth.crowd.tolist(), strict=True):
            if not counted[row["category_id"] - 1]:
                continue
            self._truth.append({**row, "id": len(self._truth) + 1, "iscrowd": int(crowd)})
            self._objects[self.class_names[row["category_id"] - 1]] += not crowd

    def _add_predicted(self, predicted: Instances, image_id: int, counted: NDArray[np.bool_]) -> None:
        rows = _rows(predicted, image_id)
        for row, score in zip(rows, predicted.scores.tolist(), strict=True):
            if counted[row["category_id"] - 1]:
                self._predicted.append({**row, "id": len(self._predicted) + 1, "score": score})

    def result(self) -> CocoScores:
        """The scores over all images taken in.

        Raises:
            InvalidValue: No image was added.
        """
        if not self._images:
            raise InvalidValue("AP: need at least one image, got none")
        masks, boxes = self._score("segm"), self._score("bbox")
        return CocoScores(
            masks=mean_precision(masks.values()),
            boxes=mean_precision(boxes.values()),
            masks_per_class=masks,
            boxes_per_class=boxes,
            objects=dict(self._objects),
            images=len(self._images),
        )

    def _score(self, kind: str) -> dict[str, AveragePrecision]:
        """AP by class name; `kind` is "segm" or "bbox"."""
        nothing = AveragePrecision(float("nan"), float("nan"), float("nan"))
        if not self._truth:
            return dict.fromkeys(self.class_names, nothing)
        if not self._predicted:
            zero = AveragePrecision(0.0, 0.0, 0.0)
            return {name: zero if self._objects[name] else nothing for name in self.class_names}
        coco, evaluation = self._load
        quiet: Callable[..., None] = lambda *_, **__: None  # noqa: E731
        categories = [{"id": i + 1, "name": name} for i, name in enumerate(self.class_names)]
        truth = coco(print_function=quiet)
        truth.dataset = {
            "images": self._images,
            "annotations": _copies(self._truth),
            "categories": categories,
        }
        truth.createIndex()
        found = coco(print_function=quiet)
        found.dataset = {
            "images": self._images,
            "annotations": _copies(self._predicted),
            "categories": categories,
        }
        found.createIndex()
        scorer = evaluation(truth, found, iouType=kind, print_function=quiet)
        scorer.params.maxDets = [1, 10, self.max_objects]
        scorer.evaluate()
        scorer.accumulate()
        precision: FloatArray = scorer.eval["precision"][:, :, :, 0, 2]  # thresholds, recalls, classes
        return {name: _precision(precision[:, :, index]) for index, name in enumerate(self.class_names)}


def evaluate_coco(
    predict: Callable[[Image], Instances],
    truths: Sequence[CocoTruth],
    read_image: Callable[[str], Image],
    *,
    class_names: Sequence[str],
    progress: Callable[[int], None] | None = None,
) -> CocoScores:
    """Score a model on images with known truth.

    Args:
        predict: From an (H, W, 3) uint8 RGB image to its instances, low scores included.
        truths: As `read_coco_truth` gives them.
        read_image: From a truth's file name to its image.
        class_names: Classes of the model.
        progress: Called with the number of images done.
    """
    metric = CocoAP(class_names)
    for done, truth in enumerate(truths, start=1):
        metric.add(truth, predict(read_image(truth.file_name)))
        if progress is not None:
            progress(done)
    return metric.result()


def mean_precision(classes: Any) -> AveragePrecision:
    """The mean of those of several `AveragePrecision` that are known; NaN when none is."""
    known = [each for each in classes if not np.isnan(each.ap)]
    if not known:
        return AveragePrecision(float("nan"), float("nan"), float("nan"))
    table = np.array([[each.ap, each.ap50, each.ap75] for each in known]).mean(axis=0)
    return AveragePrecision(*table.tolist())


def _engine() -> tuple[Any, Any]:
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError as error:
        raise MissingDependency(
            "AP needs faster-coco-eval, which is not installed. Use `pip install maskweave[evaluate]`."
        ) from error
    return COCO, COCOeval_faster


def _rows(instances: Instances, image_id: int) -> list[dict[str, Any]]:
    rles, areas = encode_masks(instances.masks), instances.masks.areas
    return [
        {
            "image_id": image_id,
            "category_id": int(class_id) + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": float(area),
            "segmentation": rle,
            "iscrowd": 0,
        }
        for rle, area, class_id, (x1, y1, x2, y2) in zip(
            rles, areas, instances.class_ids, instances.boxes.tolist(), strict=True
        )
    ]


def _copies(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The library writes into the rows it is given."""
    return [dict(row) for row in rows]


def _precision(table: FloatArray) -> AveragePrecision:
    """From a class's precision (thresholds, recalls), -1 where it has no object."""
    if table.size == 0 or table.max() < 0:
        return AveragePrecision(float("nan"), float("nan"), float("nan"))
    by_threshold = table.mean(axis=1) * 100
    return AveragePrecision(
        float(by_threshold.mean()), float(by_threshold[_AP50]), float(by_threshold[_AP75])
    )
