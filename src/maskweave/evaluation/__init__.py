"""Measures of how good results are; one file a measure. Every one is one line in one visible table."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from maskweave.evaluation.base import Metric
from maskweave.evaluation.coco_ap import CocoAP
from maskweave.evaluation.coco_errors import CocoErrors
from maskweave.evaluation.davis import DavisMetric
from maskweave.evaluation.panoptic import PanopticMetric
from maskweave.evaluation.semantic import SemanticMetric
from maskweave.evaluation.tracking import TrackingMetric
from maskweave.evaluation.video_ap import VideoAP

__all__ = ["METRICS", "Metric"]

METRICS: MappingProxyType[str, type[Metric[Any, Any, object]]] = MappingProxyType(
    {
        "coco": CocoAP,
        "coco-errors": CocoErrors,
        "semantic": SemanticMetric,
        "panoptic": PanopticMetric,
        "davis": DavisMetric,
        "tracking": TrackingMetric,
        "video-ap": VideoAP,
    }
)
"""What collects the numbers of each measure; a new object for every run."""
