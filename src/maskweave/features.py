"""What the algorithms on pixels look at: a frame, reduced, with features of the network in the package."""

from __future__ import annotations

from dataclasses import replace

from maskweave.errors import InvalidValue
from maskweave.models.base import Model
from maskweave.models.loading import EngineOptions, load_model
from maskweave.tracking.views import View
from maskweave.types.arrays import Image

FEATURE_SIZE = 512
"""Long side at which the network looks at frames for features: a cell of its map is then 1/64 of the width."""


def feature_network(*, options: EngineOptions | None = None) -> Model:
    """The network in the package at the size that gives fine features."""
    chosen = replace(options or EngineOptions(), shares_cores=True)
    return load_model("built-in", options=chosen, size=FEATURE_SIZE)


def look_at(image: Image, network: Model) -> View:
    """Reduce an (H, W, 3) image and ask the network for features; raises `InvalidValue` when it gives none."""
    prepared = network.prepare(image)
    features = network.features(network.infer(prepared.inputs), prepared.placement)
    if features is None:
        raise InvalidValue(f"{network.name}: need a network that gives features; use the built-in one")
    return View.of(image, features)
