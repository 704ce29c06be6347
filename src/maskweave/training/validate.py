"""Validate the exported file as users run it, as a whole and for each source of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from maskweave.evaluation.coco_ap import CocoAP, CocoScores
from maskweave.evaluation.coco_truth import CocoTruth
from maskweave.models.loading import RuntimeOptions, load_model
from maskweave.training.cache import read_rgb
from maskweave.types.instances import Instances

LOWEST_SCORE = 0.02
"""Predictions below this score do not enter AP: they change it by less than 0.1 and cost most of the time."""
WHOLE = "all"


def validate(
    model_file: Path,
    truths: Sequence[CocoTruth],
    images: Path,
    *,
    threads: int | None = None,
    max_objects: int = 100,
) -> dict[str, CocoScores]:
    """Score an exported model.

    Args:
        model_file: ONNX file.
        truths: What is known; read for the model's class names.
        images: Folder of the images.
        threads: Of the engine.
        max_objects: Maximum number of predictions per image and class.

    Returns:
        Scores under "all" and, where images carry a source, under each source's name.
    """
    model = load_model(model_file, options=RuntimeOptions(threads=threads))
    metrics: dict[str, CocoAP] = {}
    try:
        for truth in truths:
            predicted = model.predict(
                read_rgb(images / truth.file_name), score=LOWEST_SCORE, multi_label=True
            )
            if not isinstance(predicted, Instances):
                raise TypeError(
                    f"{model_file}: need a model that predicts instances, got {type(predicted).__name__}."
                )
            for part in {WHOLE, truth.source or WHOLE}:
                empty = CocoAP(model.class_names, max_objects=max_objects)
                metrics.setdefault(part, empty).add(truth, predicted)
    finally:
        model.close()
    return {part: metric.result() for part, metric in metrics.items()}
