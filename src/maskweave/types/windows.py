"""Images that are read piece by piece, because the whole may not fit into memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from maskweave.types.arrays import Image, Mask, Size


class Tile(NamedTuple):
    """A rectangle of whole pixels of an image, end excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> Size:
        """(height, width)."""
        return self.bottom - self.top, self.right - self.left

    @property
    def rows(self) -> slice:
        """Its rows."""
        return slice(self.top, self.bottom)

    @property
    def columns(self) -> slice:
        """Its columns."""
        return slice(self.left, self.right)

    def meets(self, other: Tile) -> bool:
        """Whether the two share a pixel."""
        return max(self.top, other.top) < min(self.bottom, other.bottom) and max(self.left, other.left) < min(
            self.right, other.right
        )

    def shared(self, other: Tile) -> Tile:
        """What the two have in common; only for tiles that meet."""
        return Tile(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        )


class Windows(Protocol):
    """An image that gives its pixels piece by piece."""

    @property
    def size(self) -> Size:
        """(height, width) of the whole."""

    def read(self, tile: Tile) -> Image:
        """(h, w, 3) uint8 RGB of a rectangle inside the image; raises `SourceError` when it cannot be read."""

    def valid(self, tile: Tile) -> Mask | None:
        """(h, w) bool, false where the file has no data; None where all of it is data."""

    def overview(self) -> Image:
        """(h, w, 3) uint8 RGB of the whole, reduced where it is large."""


@dataclass(frozen=True, eq=False)
class ArrayWindows:
    """An image that is in memory already, given out in pieces."""

    image: Image

    @property
    def size(self) -> Size:
        """(height, width)."""
        return self.image.shape[0], self.image.shape[1]

    def read(self, tile: Tile) -> Image:
        """A view of the rectangle."""
        return self.image[tile.rows, tile.columns]

    def valid(self, tile: Tile) -> Mask | None:
        """Everything is data."""
        return None

    def overview(self) -> Image:
        """The image itself."""
        return self.image
