"""What flows through MaskWeave: frames in, instances or semantic maps out."""

from maskweave.types.frame import Frame, SourceInfo
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.semantic import IGNORE, SemanticMap

__all__ = ["IGNORE", "Frame", "Instances", "Masks", "SemanticMap", "SourceInfo"]
