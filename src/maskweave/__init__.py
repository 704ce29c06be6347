"""MaskWeave: masks, names and tracks of objects in images and videos.

>>> import maskweave as mw
>>> model = mw.load()                        # the model in the package
>>> "person" in model.class_names
True
"""

import importlib
from typing import TYPE_CHECKING, Any

from maskweave import errors
from maskweave.version import __version__

if TYPE_CHECKING:
    from maskweave.api import Segmenter, load, propagate, segment_video
    from maskweave.errors import MaskWeaveError
    from maskweave.outputs.overlay import OverlayStyle
    from maskweave.result import Result
    from maskweave.sources.raster_options import RasterOptions
    from maskweave.types import IGNORE, Frame, Instances, Masks, SemanticMap

__all__ = [
    "IGNORE",
    "Frame",
    "Instances",
    "MaskWeaveError",
    "Masks",
    "OverlayStyle",
    "RasterOptions",
    "Result",
    "Segmenter",
    "SemanticMap",
    "__version__",
    "errors",
    "load",
    "propagate",
    "segment_video",
]

# Where each public name lives. They are imported on first use, so that `maskweave --help` loads no engine.
_HOMES = {
    "IGNORE": "maskweave.types",
    "Frame": "maskweave.types",
    "Instances": "maskweave.types",
    "MaskWeaveError": "maskweave.errors",
    "Masks": "maskweave.types",
    "OverlayStyle": "maskweave.outputs.overlay",
    "RasterOptions": "maskweave.sources.raster_options",
    "Result": "maskweave.result",
    "Segmenter": "maskweave.api",
    "SemanticMap": "maskweave.types",
    "load": "maskweave.api",
    "propagate": "maskweave.api",
    "segment_video": "maskweave.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'maskweave' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
