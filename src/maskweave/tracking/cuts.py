"""Where a video goes over to another scene, at once or by a cross-fade."""

from __future__ import annotations

from collections import deque

import numpy as np

from maskweave.tracking.fades import FadeDetector
from maskweave.tracking.looks import Look, difference, look_of
from maskweave.types.arrays import Image

_CUT = 0.08  # least difference of looks
_SPIKE = 3.0  # a cut differs this many times more than the frames before it do among themselves
_MEMORY = 12  # frames


class CutDetector:
    """Says of each frame whether a new scene begins with it.

    A cut is a difference of two frames that different scenes have (`looks.difference`) and that also stands out from
    the frames before, so that fast motion, which differs all the time, is none. Frames that show nothing are passed
    over: after a fade through black the new scene is compared with the last that could be seen. A cross-fade of up
    to a second counts where it has ended, see `FadeDetector`; a slower one and a wipe are no cuts.
    """

    def __init__(self) -> None:
        self._former: Look | None = None
        self._usual: deque[float] = deque(maxlen=_MEMORY)
        self._fades = FadeDetector()

    def update(self, image: Image, time: float) -> bool:
        """Return whether ``image`` begins a new scene; the first frame does not.

        ``image`` is (H, W, 3) uint8 RGB of any size, ``time`` in seconds; a video may run backwards.
        """
        look = look_of(image)
        if look.is_flat:
            return False
        former, self._former = self._former, look
        begins = self._is_cut(former, look) or self._fades.update(look, time)
        if begins:
            self._usual.clear()
            self._fades = FadeDetector()
            self._fades.update(look, time)
        return begins

    def _is_cut(self, former: Look | None, look: Look) -> bool:
        if former is None:
            return False
        step = difference(former, look)
        before = list(self._usual)
        self._usual.append(step)
        return step > _CUT and (not before or step > _SPIKE * float(np.median(before)))
