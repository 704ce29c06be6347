"""The networks of a run: the model that is asked for, the guide beside it, and the one that gives features."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING

from maskweave.catalog.entry import BUILT_IN, GUIDE
from maskweave.models.base import Model
from maskweave.options import ModelOptions

if TYPE_CHECKING:
    from maskweave.catalog.download import Progress
    from maskweave.models.loading import RuntimeOptions


def open_model(options: ModelOptions, *, progress: Progress | None = None) -> Model:
    """Load the model that is asked for, with the guide beside it; raises what `models.loading.load_model` raises."""
    from maskweave.models.loading import LazyGuide, load_model

    runtime_options = _runtime_options(options)
    model = load_model(
        options.model,
        options=runtime_options,
        size=options.size,
        offline=options.offline,
        progress=progress,
    )
    model.guide = LazyGuide(options.guide or GUIDE, runtime_options)
    return in_tiles(model, options)


def propagation_model(name: str = BUILT_IN, *, device: str = "cpu") -> ModelOptions:
    """The options of a propagation's model: the one in the package finds objects and gives features in one pass."""
    from maskweave.video.features import FEATURE_SIZE

    return ModelOptions(name, size=FEATURE_SIZE if name == BUILT_IN else None, device=device)


def in_tiles(model: Model, options: ModelOptions) -> Model:
    """``model``, or one that processes images in tiles where these are asked for."""
    if options.tile is None:
        return model
    from maskweave.models.tiling import TiledModel

    return TiledModel(model, tile=options.tile, overlap=options.overlap)


def features_for(model: Model, options: ModelOptions) -> AbstractContextManager[Model]:
    """The network for features of frames: ``model`` where it gives them, else another, closed when the block ends."""
    from maskweave.video.features import FEATURE_SIZE, feature_network

    if (options.model, options.size, options.tile) == (BUILT_IN, FEATURE_SIZE, None):
        return nullcontext(model)
    return closing(feature_network(options=_runtime_options(options)))


def _runtime_options(options: ModelOptions) -> RuntimeOptions:
    from maskweave.models.loading import RuntimeOptions

    return RuntimeOptions(device=options.device, threads=options.threads, runtime=options.runtime)
