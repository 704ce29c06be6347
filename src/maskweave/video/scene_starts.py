"""Detect where a new scene starts, at once or by a cross-fade.

Both are judged by one measure, how far two frames differ as scenes (`scene_descriptor.difference`): up to 0.02
within a scene, over 0.10 for 99 of 100 pairs of different ones. A hard cut also stands out from the frames just
before, so 0.08 is enough for it; of a fade only the two ends are compared, with nothing that they could stand out
from, so it takes 0.12.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from maskweave.types.arrays import Image
from maskweave.video.scene_descriptor import SceneDescriptor, describe_scene, difference

_CUT = 0.08  # minimum difference of a hard cut
_SPIKE = 3.0  # a hard cut differs this many times more than the frames before it do among themselves
_MEMORY = 12  # frames before it
_FADED = 0.12  # minimum difference of the two ends of a fade

_SPAN = 1.2  # seconds that are looked back: a fade of one, and what it takes to see that it is over
_STEP = 1 / 32  # seconds between two samples, at least
_MOVED = 6.0  # gray levels (RMS) from the first to the last under which nothing has faded
_BESIDE = 0.2  # see `FadeDetector`
_MIXED = (0.15, 0.85)  # shares of the last that are mixtures
_MIN_MIXED = 3  # frames
_OVER, _LAST = 0.95, 3  # a fade is over when so many at the end have this share of the last


class SceneDetector:
    """Tells of each frame whether a new scene begins with it. One object serves one video.

    A hard cut is a difference that only different scenes have and that stands out from the frames before, so that
    fast motion, which differs all the time, is none. Frames that show nothing are passed over: after a fade through
    black the new scene is compared with the last that could be seen. A cross-fade of up to a second counts where it
    has ended, see `FadeDetector`; a slower one and a wipe begin no scene.
    """

    def __init__(self) -> None:
        self._former: SceneDescriptor | None = None
        self._usual: deque[float] = deque(maxlen=_MEMORY)
        self._fades = FadeDetector()

    def update(self, image: Image, time: float) -> bool:
        """Return whether ``image`` begins a new scene; the first frame does not.

        ``image`` is (H, W, 3) uint8 RGB of any size, ``time`` in seconds; a video may run backwards.
        """
        scene = describe_scene(image)
        if scene.is_flat:
            return False
        former, self._former = self._former, scene
        begins = self._is_cut(former, scene) or self._fades.update(scene, time)
        if begins:
            self._usual.clear()
            self._fades = FadeDetector()
            self._fades.update(scene, time)
        return begins

    def _is_cut(self, former: SceneDescriptor | None, scene: SceneDescriptor) -> bool:
        if former is None:
            return False
        step = difference(former, scene)
        before = list(self._usual)
        self._usual.append(step)
        return step > _CUT and (not before or step > _SPIKE * float(np.median(before)))


class FadeDetector:
    """Tells of each frame whether the scene of a second ago has faded into it.

    In a cross-fade from A to B every frame is A + share (B - A) and nothing else. So the frames between two are
    projected on the way from the one to the other, and what they have beside it is compared with its length, both
    squared. Four of five fades of moving scenes stay under 0.2 (of fixed ones, all); motion, pans and zooms lie over
    0.34; a wipe, or something large that passes in front, has 0.25 where half of the frame is A and half B.
    """

    def __init__(self) -> None:
        self._times: list[float] = []
        self._scenes: list[SceneDescriptor] = []
        self._pixels = np.zeros((0, 0), np.float32)  # of the scenes, a row each
        self._products = np.zeros((0, 0))  # of every two of these rows

    def update(self, scene: SceneDescriptor, time: float) -> bool:
        """Take in the frame at ``time`` seconds; it may run backwards."""
        if self._times and abs(time - self._times[-1]) < _STEP:
            return False
        old = int(np.count_nonzero(np.abs(np.subtract(self._times, time)) > _SPAN))
        self._times = [*self._times[old:], time]
        self._scenes = [*self._scenes[old:], scene]
        former = (
            self._pixels[old:] if len(self._scenes) > 1 else scene.pixels[:0].reshape(0, scene.pixels.size)
        )
        self._pixels = np.concatenate([former, scene.pixels[None]])
        row = (self._pixels @ scene.pixels).astype(np.float64)
        products = np.empty((len(row), len(row)))
        products[:-1, :-1] = self._products[old:, old:]
        products[-1] = products[:, -1] = row
        self._products = products
        return any(difference(self._scenes[first], scene) > _FADED for first in self._faded(scene))

    def _faded(self, scene: SceneDescriptor) -> list[int]:
        """The numbers of the samples from which all later ones are on the way to the last, ``scene``."""
        products = self._products
        own = np.diag(products)
        # What costs little is asked first: is the way long, and did the last few frames stand at its end?
        length = own + own[-1] - 2 * products[-1]
        end = slice(-_LAST, None)
        late = products[-1, end] - products[-1][:, None] - products[:, end] + own[:, None]
        likely = (length > _MOVED**2 * scene.pixels.size) & (late.min(axis=1) > _OVER * length)
        if not likely.any():
            return []
        # rows: the sample that is taken for A; columns: those that are projected on its way to the last
        way = np.maximum(own + own[-1] - 2 * products[-1], 1e-6)[:, None]
        share = (products[-1] - products[-1][:, None] - products + own[:, None]) / way
        beside = (own - 2 * products + own[:, None]) / way - share**2
        later = np.triu(np.ones(products.shape, dtype=bool), 1)
        mixed = later & (share > _MIXED[0]) & (share < _MIXED[1])
        fits = (
            (way[:, 0] > _MOVED**2 * scene.pixels.size)
            & (np.where(later, beside, 0).max(axis=1) < _BESIDE)
            & (mixed.sum(axis=1) >= _MIN_MIXED)
            & (share[:, -_LAST:].min(axis=1) > _OVER)
        )
        return [int(first) for first in np.flatnonzero(fits)]
