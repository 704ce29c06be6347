"""Choose the frames of a video that the network looks at."""

from __future__ import annotations

from maskweave.errors import InvalidValue
from maskweave.types.arrays import Size
from maskweave.video.stream import FrameFacts


class KeyFrames:
    """Every N-th frame, the first of each scene, and the first of another size.

    Raises `InvalidValue` for N under 1.
    """

    def __init__(self, every: int) -> None:
        if every < 1:
            raise InvalidValue(f"every: need 1 or more, got {every}")
        self._every = every
        self._since = 0
        self._size: Size | None = None

    def update(self, facts: FrameFacts) -> bool:
        """Return whether the next frame is one of them."""
        if self._every == 1:
            return True
        size = facts.frame.size
        chosen = facts.scene_start or size != self._size or self._since + 1 >= self._every
        self._since, self._size = 0 if chosen else self._since + 1, size
        return chosen
