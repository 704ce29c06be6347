"""The items of a job, and their outcomes: what travels between a job, its workers and its manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from maskweave.errors import MaskWeaveError


@dataclass(frozen=True)
class Item:
    """One input.

    ``name``: the stem of its files, distinct in the job. ``path``: where it lies. ``position``: its place in the
    job's order, from 0. ``span``: of a video only the stretch between these seconds (None: to its end), which is
    looked at ahead, see `prefetch`.
    """

    position: int
    name: str
    path: str
    span: tuple[float, float | None] | None = None

    @property
    def file_name(self) -> str:
        """Its file's name as annotations have it: below the folder that was named, "/"-separated."""
        own = self.path.replace("\\", "/").rstrip("/").rpartition("/")[2]
        return PurePosixPath(self.name).with_name(own).as_posix()


@dataclass(frozen=True)
class Outcome:
    """What came of one item.

    ``state``: "done" or "failed". ``content``: hash of its bytes, "" where it could not be read. ``stamp``: by which
    a later run sees that it is unchanged without reading it. ``key``: `BatchJob.item_key`. ``error`` and ``kind``:
    the message and the class of what made it fail. ``outputs``: its files, relative to the output folder. ``coco``:
    its part of the job's COCO file, see `annotations`. ``is_complete``: False where the input had less than it
    promised, as its ``warnings`` say.
    """

    name: str
    state: Literal["done", "failed"]
    content: str = ""
    stamp: str = ""
    key: str = ""
    error: str = ""
    kind: str = ""
    frames: int = 0
    objects: int = 0
    seconds: float = 0.0
    outputs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    coco: bytes | None = None
    is_complete: bool = True


def failure(item: Item, error: Exception, *, key: str, content: str = "", stamp: str = "") -> Outcome:
    """The outcome of an item that ended in ``error``."""
    if isinstance(error, MaskWeaveError):
        kind, text = type(error).__name__, str(error)
    else:
        kind = "InternalError"
        text = f"internal error ({type(error).__name__}: {error}); please report it"
    text = " ".join(text.split())
    text = text if item.path in text or item.name in text else f"{item.path}: {text}"
    return Outcome(item.name, "failed", content, stamp, key, text, kind)
