"""The result of one frame: what flows from models and video stages to renderers and writers."""

from __future__ import annotations

from dataclasses import dataclass

from maskweave.errors import InvalidValue
from maskweave.types.arrays import Image
from maskweave.types.counts import Counts
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction
from maskweave.types.semantic import SemanticMap


@dataclass(frozen=True, eq=False, repr=False)
class FrameResult:
    """A frame and what was found in it: all that a writer needs.

    Attributes:
        frame: The frame.
        prediction: Its objects, or the class of each pixel.
        counts: What the lines and zones of a stream have counted from its first frame up to this one; None where
            nothing is counted.
    """

    frame: Frame
    prediction: Prediction
    counts: Counts | None = None

    @property
    def image(self) -> Image:
        """(H, W, 3) uint8 RGB, without drawings; a smaller view of an image that is read piece by piece."""
        return self.frame.image

    @property
    def instances(self) -> Instances:
        """The objects; raises `InvalidValue` when the result is a map of classes."""
        if not isinstance(self.prediction, Instances):
            raise InvalidValue("result: this is a semantic map; use result.semantic, or task='instances'")
        return self.prediction

    @property
    def semantic(self) -> SemanticMap:
        """The class map; raises `InvalidValue` when the result is a set of objects."""
        if not isinstance(self.prediction, SemanticMap):
            raise InvalidValue("result: these are instances; use result.instances, or task='semantic'")
        return self.prediction

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.prediction!r})"
