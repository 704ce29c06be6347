"""Run any model on images of any size: tile by tile, with overlap, and join the results without a seam."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.models.base import Model, Prepared
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.masks import cut_to_valid
from maskweave.ops.resize import resize_prediction
from maskweave.ops.tile_grid import check_tiling, tile_cores, tile_grid
from maskweave.ops.tiles import merge_tiles
from maskweave.runtimes.base import Tensors
from maskweave.types.arrays import Image
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction
from maskweave.types.semantic import IGNORE, SemanticMap
from maskweave.types.windows import ArrayWindows, Tile, Windows

OVERLAP = 0.2
"""Share of a tile's side that neighbors have in common."""

_TILES_IN_VIEW = 8  # on a side, up to which an image as a whole still shows networks something


@dataclass(frozen=True)
class CutPlacement(Letterbox):
    """An image that is laid into the network's input tile by tile."""

    windows: Windows = field(kw_only=True)


class TiledModel(Model):
    """A model that looks at tiles of ``tile`` x ``tile`` pixels, each ``overlap`` of its side over the next.

    Objects that a tile's border cuts are joined, and what is too large for a tile is looked for in the image as a
    whole, where that is at most 8 tiles long (see `ops.tiles.merge_tiles`). In maps of classes each pixel is taken
    from the tile whose middle is nearest. Tiles are read, looked at and decoded one after the other, all in `decode`:
    the outputs of all tiles together would be larger than the image. An image that is not larger than a tile is
    looked at as without tiles.

    Raises `InvalidValue` for a tile under 64 pixels or an overlap outside [0, 0.75].
    """

    def __init__(self, model: Model, *, tile: int, overlap: float = OVERLAP) -> None:
        check_tiling(tile, overlap)
        super().__init__(
            model.runtime, name=model.name, class_names=model.class_names, default_score=model.default_score
        )
        self.task = model.task
        self.model = model
        self.guide = model.guide
        self.tile = tile
        self.overlap = overlap

    def prepare(self, image: Image) -> Prepared:
        """The (H, W, 3) uint8 RGB image, to be cut."""
        return _whole(ArrayWindows(image))

    def prepare_frame(self, frame: Frame) -> Prepared:
        """A frame's image, to be cut; one that is read piece by piece is not read yet."""
        return self.prepare(frame.image) if frame.windows is None else _whole(frame.windows)

    def infer(self, inputs: Tensors) -> Tensors:
        """Nothing: see `decode`."""
        return inputs

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> Prediction:
        """Look at every tile and join the results."""
        if not isinstance(letterbox, CutPlacement):
            raise InvalidValue("letterbox: need the one that `prepare` of this model gave")
        if self.task == "instances":
            pieces = self._instances(letterbox.windows, score)
            large = self._large(letterbox.windows, score)
            return merge_tiles(pieces, letterbox.source_size, self.class_names, overview=large)
        return self._map(letterbox.windows, score)

    def _looked_at(self, windows: Windows, score: float) -> Iterator[tuple[int, Tile, Prediction]]:
        """Number, place and result of each tile that has data in it."""
        for number, tile in enumerate(tile_grid(windows.size, self.tile, self.overlap)):
            valid = windows.valid(tile)
            if valid is not None and not valid.any():
                continue
            found = self.model.predict(windows.read(tile), score=score)
            yield number, tile, found if valid is None else cut_to_valid(found, valid)

    def _instances(self, windows: Windows, score: float) -> Iterator[tuple[Tile, Instances]]:
        for _, tile, found in self._looked_at(windows, score):
            if not isinstance(found, Instances):
                raise InvalidValue(f"{self.name}: need instances of each tile, got a map of classes")
            yield tile, found

    def _large(self, windows: Windows, score: float) -> Instances | None:
        """What is longer than half a tile, found in the whole image; None where that is one tile, or too large."""
        if not self.tile < max(windows.size) <= _TILES_IN_VIEW * self.tile:
            return None
        found = resize_prediction(self.model.predict(windows.overview(), score=score), windows.size)
        valid = windows.valid(Tile(0, 0, *windows.size))
        if valid is not None:
            found = cut_to_valid(found, valid)
        if not isinstance(found, Instances):
            raise InvalidValue(f"{self.name}: need instances of an image, got a map of classes")
        sides = found.boxes[:, 2:] - found.boxes[:, :2]
        return found[sides.max(axis=1, initial=0) > self.tile / 2]

    def _map(self, windows: Windows, score: float) -> SemanticMap:
        class_map = np.full(windows.size, IGNORE, dtype=np.uint8)
        # four bytes a pixel are too many for an image that does not fit into memory itself
        probs = np.zeros(windows.size, dtype=np.float32) if isinstance(windows, ArrayWindows) else None
        names = self.class_names
        cores = tile_cores(windows.size, self.tile, self.overlap)
        for number, tile, found in self._looked_at(windows, score):
            if not isinstance(found, SemanticMap):
                raise InvalidValue(f"{self.name}: need a map of classes of each tile, got instances")
            names, core = found.class_names, cores[number]
            rows = slice(core.top - tile.top, core.bottom - tile.top)
            columns = slice(core.left - tile.left, core.right - tile.left)
            class_map[core.rows, core.columns] = found.class_map[rows, columns]
            if found.mask_probs is None:
                probs = None
            elif probs is not None:
                probs[core.rows, core.columns] = found.mask_probs[rows, columns]
        return SemanticMap(class_map, names, probs)

    def close(self) -> None:
        """Free the engine of the model inside."""
        self.model.close()


def _whole(windows: Windows) -> Prepared:
    return Prepared({}, CutPlacement(windows.size, windows.size, windows.size, windows=windows))
