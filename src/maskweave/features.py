"""What the algorithms on pixels look at: a frame, reduced, with features of the network in the package."""

from __future__ import annotations

from maskweave.errors import InvalidValue
from maskweave.models.base import Model
from maskweave.models.loading import EngineOptions, load_model
from maskweave.ops.placement import Placement
from maskweave.runtimes.base import Tensors
from maskweave.tracking.recognition import LEAST_SCORE
from maskweave.tracking.views import View
from maskweave.types.arrays import Image
from maskweave.types.instances import Instances

FEATURE_SIZE = 512
"""Long side at which the network looks at frames for features: a cell of its map is then 1/64 of the width."""


def feature_network(*, options: EngineOptions | None = None) -> Model:
    """The network in the package at the size that gives fine features."""
    return load_model("built-in", options=options, size=FEATURE_SIZE)


def look_at(image: Image, network: Model) -> View:
    """Reduce an (H, W, 3) image and ask the network for features; raises `InvalidValue` when it gives none."""
    return _look(image, network)[0]


def look_and_find(image: Image, network: Model) -> tuple[View, Instances]:
    """`look_at`, and what the network finds in the same pass, scores down to `recognition.LEAST_SCORE`."""
    view, outputs, placement = _look(image, network)
    found = network.result(outputs, placement, score=LEAST_SCORE)
    if not isinstance(found, Instances):
        raise InvalidValue(f"{network.name}: need instances, got a map of classes; use the built-in network")
    return view, found


def _look(image: Image, network: Model) -> tuple[View, Tensors, Placement]:
    prepared = network.prepare(image)
    outputs = network.infer(prepared.inputs)
    features = network.features(outputs, prepared.placement)
    if features is None:
        raise InvalidValue(f"{network.name}: need a network that gives features; use the built-in one")
    return View.of(image, features), outputs, prepared.placement
