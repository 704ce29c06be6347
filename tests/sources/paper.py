"""A live source made of paper, whose connections do what is planned, and its clock."""

from fractions import Fraction

import numpy as np

from maskweave.errors import SourceNotFound
from maskweave.sources.live import DroppedOut, LiveSource
from maskweave.types import SourceInfo

IMAGE = np.zeros((4, 6, 3), np.uint8)


class JumpingWatch:
    """A steady clock that jumps instead of waiting; ``on_sleep`` is called with the time at each wait."""

    def __init__(self, on_sleep=lambda time: None):
        self.time = 100.0
        self.on_sleep = on_sleep

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds
        self.on_sleep(self.time)


class PaperSource(LiveSource):
    """``plan`` has what each connection does.

    None: it cannot be opened. A list: the times of its images, each of which takes so long to come as lies between
    them; an error at its end is raised, else the stream is over. ``image`` makes the image of a time.
    """

    def __init__(self, *plan, watch=None, kind="live", image=lambda time: IMAGE, **options):
        super().__init__("paper", watch=watch or JumpingWatch(), **options)
        self.watch, self.plan, self.image = self._watch, list(plan), image
        self.opened, self.hung_up = [], []
        self.info = SourceInfo("paper", kind)
        self._connection = self._connect()

    def _connect(self):
        self.opened.append(self.watch.time)
        does = self.plan.pop(0) if self.plan else None
        if does is None:
            raise SourceNotFound("not there")
        return does

    def _hang_up(self, connection):
        self.hung_up.append(connection)

    def _timed_images(self, connection):
        before = None
        for step in connection:
            if isinstance(step, Exception):
                raise step
            self.watch.time += 0 if before is None else float(step - before)
            before = step
            yield Fraction(step), self.image(step)


def dropped(why="cable cut"):
    return DroppedOut(why)
