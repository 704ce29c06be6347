"""What children of the isolation tests are made to do; in a module of its own, so that they can import it."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np

from maskweave.errors import UnreadableImage


def make():
    os.environ["MADE_BY"] = str(os.getpid())
    return work


def make_slowly():
    time.sleep(1)
    return work


def make_badly():
    raise UnreadableImage("model: nothing to be made of it")


def crash_at_once():
    os.kill(os.getpid(), signal.SIGSEGV)


def work(argument, beat):
    what, *rest = argument
    return _WORK[what](beat, *rest)


def _double(beat, number):
    return 2 * number


def _pid(beat):
    return os.getpid()


def _crash(beat, name):
    os.kill(os.getpid(), getattr(signal, name))


def _hang(beat):
    threading.Event().wait()


def _slow_with_beats(beat, seconds, steps):
    for _ in range(steps):
        time.sleep(seconds)
        beat()
    return steps


def _take(beat, size):
    return len(np.ones(size, np.uint8))


def _start_threads(beat, count):
    """Each has a stack of megabytes."""
    end = threading.Event()
    for _ in range(count):
        threading.Thread(target=end.wait, daemon=True).start()


def _take_wrapped(beat, size):
    try:
        return _take(beat, size)
    except MemoryError as error:
        raise UnreadableImage("a.jpg: damaged or cut short") from error


def _fail(beat):
    raise UnreadableImage("a.jpg: damaged")


def _print(beat):
    print("in the way of the answers")  # noqa: T201
    return "printed"


class UnreadableArgument:
    """Cannot be unpickled anywhere."""

    def __reduce__(self):
        return int, ("none",)


class Unportable(Exception):
    def __init__(self, one, two):
        super().__init__("of two arguments")


def _fail_unportably(beat):
    raise Unportable(1, 2)


def _begin(beat, path):
    """Hold a file, as a writer does, that is removed when the work is told to end."""
    try:
        Path(path).touch()
        beat()
        threading.Event().wait()
    finally:
        Path(path).unlink()


_WORK = {
    "double": _double,
    "pid": _pid,
    "crash": _crash,
    "hang": _hang,
    "slow": _slow_with_beats,
    "take": _take,
    "start threads": _start_threads,
    "take wrapped": _take_wrapped,
    "fail": _fail,
    "print": _print,
    "fail unportably": _fail_unportably,
    "begin": _begin,
}
