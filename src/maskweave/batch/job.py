"""What a batch is asked for: by these options, and by nothing else, its files are decided."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from maskweave.batch.items import Item
from maskweave.catalogue.cache import checksum_of
from maskweave.catalogue.download import pull
from maskweave.catalogue.entries import BUILT_IN, find
from maskweave.errors import InvalidValue
from maskweave.models.base import Model
from maskweave.models.loading import EngineOptions, load_model
from maskweave.outputs import check_formats
from maskweave.outputs.background import TRANSPARENT, Background, parse_background
from maskweave.outputs.overlay import OverlayStyle
from maskweave.pipeline import Wish
from maskweave.sources.base import MAX_PIXELS
from maskweave.types.prediction import Task
from maskweave.version import __version__
from maskweave.video import check_tracker

_NOT_IN_KEY = ("inputs", "output", "recursive", "offline", "model")
"""Options that say which items there are and where things lie, not what is made of an item; the model has a hash."""


@dataclass(frozen=True)
class Job:
    """The options of one call of the command; see its help. ``output`` and ``inputs`` are paths or addresses."""

    inputs: tuple[str, ...]
    output: str
    model: str = BUILT_IN
    task: Task = "instances"
    save: tuple[str, ...] | None = None
    score: float | None = None
    classes: tuple[str, ...] = ()
    size: int | None = None
    recursive: bool = False
    track: bool = True
    every: int = 1
    tracker: str = "maskweave"
    max_pixels: int = MAX_PIXELS
    opacity: float = 0.45
    colour_by: Literal["instance", "class"] = "instance"
    background: str | None = None
    device: str = "cpu"
    runtime: str | None = None
    offline: bool | None = None

    @property
    def wish(self) -> Wish:
        """What is asked of the model."""
        return Wish(self.task, self.score, self.classes)

    @property
    def style(self) -> OverlayStyle:
        """How overlays look."""
        return OverlayStyle(opacity=self.opacity, colour_by=self.colour_by)

    @property
    def behind(self) -> Background:
        """What lies behind cut-outs."""
        return TRANSPARENT if self.background is None else parse_background(self.background)

    def anchored(self) -> Job:
        """The same job with absolute paths, so that it can be given again from another folder."""
        return replace(self, inputs=tuple(map(_absolute, self.inputs)), output=_absolute(self.output))

    def check(self) -> None:
        """Raise `InvalidValue` for a wrong call, before anything is loaded."""
        if not self.inputs:
            raise InvalidValue("inputs: need at least one file, folder or pattern, got none")
        check_formats(self.save, task=self.task)
        _ = self.wish, self.style, self.behind
        check_tracker(self.tracker, self.task, track=self.track)
        if self.background is not None and "cutout" not in (self.save or ()):
            raise InvalidValue("--background: is for cut-outs; add --save cutout")

    def load(self) -> Model:
        """The model, on one thread: a worker a core is faster than many threads a picture, and rounds alike."""
        options = EngineOptions(device=self.device, threads=1, engine=self.runtime)
        return load_model(self.model, options=options, size=self.size, offline=self.offline)

    @cached_property
    def key(self) -> str:
        """A hash of all that decides what is made of an item: options, the model's files, this version."""
        told = {name: value for name, value in asdict(self).items() if name not in _NOT_IN_KEY}
        return _hash([told, self._model_hashes(), __version__])

    def item_key(self, item: Item, content: str) -> str:
        """What an item's files are made from: ``content`` is the hash of its bytes."""
        return _hash([self.key, item.name, item.file_name, content])

    def _model_hashes(self) -> list[str]:
        own = Path(self.model)
        if own.is_file():
            files = [own, *sorted(own.parent.glob(f"{own.stem}*.pbtxt"))]
        else:
            files = list(pull(find(self.model), offline=self.offline))
        return [checksum_of(file, "sha256") for file in files]

    def to_json(self) -> str:
        """As text, for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        for name in ("inputs", "save", "classes"):
            values[name] = None if values[name] is None else tuple(values[name])
        return cls(**values)


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _absolute(text: str) -> str:
    """A path or pattern as an absolute one; addresses, cameras and standard input as they are."""
    text = text.removeprefix("file://")
    is_path = text != "-" and "://" not in text and not text.startswith("camera:")
    return os.path.abspath(text) if is_path else text  # noqa: PTH100 - pathlib would follow links
