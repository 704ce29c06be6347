"""The classic's frozen TensorFlow graph, imported into an ONNX model of the same outputs.

`import_frozen_graph` is all that others need; onnx and protobuf are imported only inside it.
"""

from __future__ import annotations

from pathlib import Path

from maskweave.optional import optional

VERSION = 1
"""Goes up whenever the same graph would give another model, so that models kept in the cache are made again."""


def import_frozen_graph(path: Path) -> bytes:
    """Make an ONNX file of a frozen Mask R-CNN inception v2 (.pb); see `mask_rcnn` for what it contains.

    Raises `MissingDependency` without onnx, `NotAModel` when the file is no frozen graph or is damaged,
    `UnknownLayout` when it is one of another network.
    """
    with optional("import of a TensorFlow graph", extra="import"):
        from maskweave.models.importing.mask_rcnn import build_model
    return build_model(path, version=VERSION)
