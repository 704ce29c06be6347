"""What flows through MaskWeave: frames in, instances or semantic maps out."""

from maskweave.types.counts import Counts, Line, LineCount, Zone, ZoneCount
from maskweave.types.frame import Frame, SourceInfo
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prediction import TASKS, Prediction, Task
from maskweave.types.result import FrameResult
from maskweave.types.semantic import IGNORE, SemanticMap

__all__ = [
    "IGNORE",
    "TASKS",
    "Counts",
    "Frame",
    "FrameResult",
    "Instances",
    "Line",
    "LineCount",
    "Masks",
    "Prediction",
    "SemanticMap",
    "SourceInfo",
    "Task",
    "Zone",
    "ZoneCount",
]
