"""A batch job: its inputs, request and output, which alone decide its files."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from maskweave.batch.items import Item
from maskweave.catalog.cache import checksum_of
from maskweave.catalog.download import pull
from maskweave.catalog.entries import find
from maskweave.catalog.fastest import resolve
from maskweave.errors import InvalidValue
from maskweave.options import DEFAULT_OUTPUT, Request
from maskweave.version import __version__

_NOT_IN_KEY = ("output", "recursive", "offline", "model")
"""Options that say which items there are and where things lie, not what is made of an item; the model has a hash."""


@dataclass(frozen=True)
class BatchJob:
    """A request for many ``inputs``, which are paths or addresses; so is the request's output.

    The model runs on one thread: a worker a core is faster than many threads an image, and rounds alike.
    """

    inputs: tuple[str, ...]
    request: Request

    def __post_init__(self) -> None:
        """Raise `InvalidValue` without inputs."""
        if not self.inputs:
            raise InvalidValue("inputs: need at least one file, folder or pattern, got none")
        if self.request.model.threads != 1:
            model = replace(self.request.model, threads=1)
            object.__setattr__(self, "request", replace(self.request, model=model))

    @property
    def output(self) -> str:
        """The folder for the results and the job's record."""
        return self.request.output.output or DEFAULT_OUTPUT

    def anchored(self) -> BatchJob:
        """The same job with absolute paths, so that it can be given again from another folder."""
        changes: dict[str, Any] = {"output": _absolute(self.output)}
        if self.request.prompt.mask is not None:
            changes["mask"] = _absolute(str(self.request.prompt.mask))
        return replace(self.changed(**changes), inputs=tuple(map(_absolute, self.inputs)))

    def changed(self, **words: Any) -> BatchJob:
        """The same job with other options, as of `Request.changed`."""
        return replace(self, request=self.request.changed(**words))

    @cached_property
    def key(self) -> str:
        """A hash of all that decides what is made of an item: options, the model's files, this version."""
        words = {name: word for name, word in self.request.to_words().items() if name not in _NOT_IN_KEY}
        return _hash([words, self._file_hashes(), __version__])

    def item_key(self, item: Item, content: str) -> str:
        """What an item's files are made from: ``content`` is the hash of its bytes."""
        return _hash([self.key, item.name, item.file_name, content])

    def _file_hashes(self) -> list[str]:
        """Of the model's files, and of the mask that marks objects."""
        name, _ = resolve(self.request.model.model)
        own = Path(name)
        if own.is_file():
            files = [own, *sorted(own.parent.glob(f"{own.stem}*.pbtxt"))]
        else:
            files = list(pull(find(name), offline=self.request.model.offline))
        files += [Path(mask) for mask in self.request.prompt.masks.values() if isinstance(mask, str | Path)]
        return [checksum_of(file, "sha256") for file in files]

    def to_json(self) -> str:
        """As text, for `from_json`."""
        return json.dumps({"inputs": self.inputs, "options": self.request.to_words()})

    @classmethod
    def from_json(cls, text: str) -> BatchJob:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        return cls(tuple(values["inputs"]), Request.of(**values["options"]))


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _absolute(text: str) -> str:
    """A path or pattern as an absolute one; addresses, cameras and standard input as they are."""
    text = text.removeprefix("file://")
    is_path = text != "-" and "://" not in text and not text.startswith("camera:")
    return os.path.abspath(text) if is_path else text  # noqa: PTH100 - pathlib would follow links
