"""Where one scene has faded into another."""

from __future__ import annotations

import numpy as np

from maskweave.tracking.looks import Look, difference

_SPAN = 1.2  # seconds that are looked back: a fade of one, and what it takes to see that it is over
_STEP = 1 / 32  # seconds between two samples, at least
_MOVED = 6.0  # grey levels (RMS) from the first to the last under which nothing has faded
_BESIDE = 0.2  # see `FadeDetector`
_ANOTHER_SCENE = 0.12  # difference of looks; a cut, which also stands out from the frames before, needs less
_MIXED = (0.15, 0.85)  # shares of the last that are mixtures
_LEAST_MIXED = 3  # frames
_OVER, _LAST = 0.95, 3  # a fade is over when so many at the end have this share of the last


class FadeDetector:
    """Says of each frame whether the scene of a second ago has faded into it.

    In a cross-fade from A to B every frame is A + share (B - A) and nothing else. So the frames between two are
    projected on the way from the one to the other, and what they have beside it is compared with its length, both
    squared. Four of five fades of moving scenes stay under 0.2 (of fixed ones, all); motion, pans and zooms lie over
    0.34; a wipe, or something large that passes in front, has 0.25 where half of the frame is A and half B.
    """

    def __init__(self) -> None:
        self._times: list[float] = []
        self._looks: list[Look] = []
        self._pixels = np.zeros((0, 0), np.float32)  # of the looks, a row each
        self._products = np.zeros((0, 0))  # of every two of these rows

    def update(self, look: Look, time: float) -> bool:
        """Take in the frame at ``time`` seconds; it may run backwards."""
        if self._times and abs(time - self._times[-1]) < _STEP:
            return False
        old = int(np.count_nonzero(np.abs(np.subtract(self._times, time)) > _SPAN))
        self._times = [*self._times[old:], time]
        self._looks = [*self._looks[old:], look]
        former = self._pixels[old:] if len(self._looks) > 1 else look.pixels[:0].reshape(0, look.pixels.size)
        self._pixels = np.concatenate([former, look.pixels[None]])
        row = (self._pixels @ look.pixels).astype(np.float64)
        products = np.empty((len(row), len(row)))
        products[:-1, :-1] = self._products[old:, old:]
        products[-1] = products[:, -1] = row
        self._products = products
        return any(difference(self._looks[first], look) > _ANOTHER_SCENE for first in self._faded(look))

    def _faded(self, look: Look) -> list[int]:
        """The numbers of the looks from which all later ones are on the way to the last, ``look``."""
        products = self._products
        own = np.diag(products)
        # What costs little is asked first: is the way long, and did the last few frames stand at its end?
        length = own + own[-1] - 2 * products[-1]
        end = slice(-_LAST, None)
        late = products[-1, end] - products[-1][:, None] - products[:, end] + own[:, None]
        likely = (length > _MOVED**2 * look.pixels.size) & (late.min(axis=1) > _OVER * length)
        if not likely.any():
            return []
        # rows: the look that is taken for A; columns: those that are projected on its way to the last
        way = np.maximum(own + own[-1] - 2 * products[-1], 1e-6)[:, None]
        share = (products[-1] - products[-1][:, None] - products + own[:, None]) / way
        beside = (own - 2 * products + own[:, None]) / way - share**2
        later = np.triu(np.ones(products.shape, dtype=bool), 1)
        mixed = later & (share > _MIXED[0]) & (share < _MIXED[1])
        fits = (
            (way[:, 0] > _MOVED**2 * look.pixels.size)
            & (np.where(later, beside, 0).max(axis=1) < _BESIDE)
            & (mixed.sum(axis=1) >= _LEAST_MIXED)
            & (share[:, -_LAST:].min(axis=1) > _OVER)
        )
        return [int(first) for first in np.flatnonzero(fits)]
