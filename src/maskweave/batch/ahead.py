"""One long video, many workers: what the network finds in each stretch is found ahead, by whoever is free.

The network looks at pictures one by one, and takes most of a video's time; ids, drawing and encoding need the frames
in order. So stretches are looked at in parallel and what was found is kept by the picture's own hash; the worker that
does the whole video then takes the network's answer from there. A picture that is not there (a stretch failed, or a
decoder gave other pixels after a jump) is looked at on the spot. So the files are those of an undivided run, ids
included, whatever happens.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from maskweave.batch.folder import STATE
from maskweave.batch.items import Item
from maskweave.batch.job import Job
from maskweave.batch.storage import files_in, is_remote, local_copy, read_bytes, remove, stamp_of, write_bytes
from maskweave.errors import InvalidValue, MaskWeaveError
from maskweave.isolation import Beat, Child, Work
from maskweave.models.base import Model, Prepared
from maskweave.ops.blas import single_threaded_blas
from maskweave.ops.placement import Placement
from maskweave.ops.rle import Rle, decode_masks, encode_masks
from maskweave.runtimes.base import Tensors
from maskweave.sources.kinds import kind_by_suffix
from maskweave.tracking import make_tracker
from maskweave.types.arrays import Image
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction

_SUFFIX = ".found"
_WORTH = 1.5
"""Stretches that a video must be longer than to be divided."""


def check_split(job: Job, split: float | None) -> None:
    """Raise `InvalidValue` where a video cannot be divided."""
    if split is not None and (job.task != "instances" or job.every != 1):
        raise InvalidValue(
            f"--split: needs --task instances and --every 1, got {job.task} and {job.every}: other results depend on "
            "the frames before"
        )


def stretches(job: Job, items: Iterable[Item], split: float) -> Iterator[Item]:
    """The stretches of ``split`` seconds of the long videos among ``items`` that are not looked at yet."""
    with Child(make_measure, deadline=60.0) as measure:
        for item in items:
            if kind_by_suffix(Path(item.path)) != "video":
                continue
            try:
                begin, end = measure.call(item)
            except MaskWeaveError:
                continue  # doing it tells why
            there = set(files_in(found_folder(job, item), _SUFFIX))
            count = int(-((begin - end) // split)) if end - begin > _WORTH * split else 0
            for number in range(count):
                until = begin + (number + 1) * split if number + 1 < count else None
                stretch = replace(item, name=f"{item.name}#{number}", span=(begin + number * split, until))
                if found_address(job, stretch) not in there:
                    yield stretch


def make_measure() -> Work:
    """A child's work: the seconds at which a video begins and ends, as its header says."""
    return _measure


def _measure(item: Item, beat: Beat) -> tuple[float, float]:
    from maskweave.sources.video import VideoSource

    with local_copy(item.path) as path, VideoSource(path) as video:
        return video.span


def found_folder(job: Job, item: Item) -> str:
    """Where what was found in an item's stretches lies: another folder once job, model or file have changed."""
    told = json.dumps([job.key, item.path, stamp_of(item.path)])
    return f"{job.output.rstrip('/')}/{STATE}/found/{hashlib.sha256(told.encode()).hexdigest()[:24]}"


def found_address(job: Job, stretch: Item) -> str:
    """The file of one stretch."""
    return f"{found_folder(job, stretch)}/{int(stretch.name.rpartition('#')[2]):06}{_SUFFIX}"


def found_in(job: Job, item: Item) -> list[str]:
    """The files of an item's stretches, in order."""
    return files_in(found_folder(job, item), _SUFFIX)


def forget(job: Job, item: Item) -> None:
    """Remove what was found ahead of an item that is done."""
    for address in found_in(job, item):
        remove(address)
    if not is_remote(job.output):
        with suppress(OSError):
            Path(found_folder(job, item)).rmdir()


def look_at(job: Job, stretch: Item, path: Path, model: Model, beat: Beat) -> int:
    """Write what the network finds in a stretch and return its number of frames."""
    from maskweave.sources.video import VideoSource

    score = model.check_score(job.score)
    least = make_tracker(job.tracker).start(score) if job.track else score
    begin, end = stretch.span or (0.0, None)
    records: dict[str, str] = {}
    with VideoSource(path, max_pixels=job.max_pixels) as video:
        for frame in video.between(Fraction(begin), None if end is None else Fraction(end)):
            prepared = model.prepare(frame.image)
            outputs = model.infer(prepared.inputs)
            with single_threaded_blas():
                prediction = model.result(outputs, prepared.placement, score=least)
            if isinstance(prediction, Instances):
                records[_hash(frame.image)] = _record(prediction)
            beat()
    write_bytes(found_address(job, stretch), zlib.compress(json.dumps(records).encode(), 1))
    return len(records)


class FoundAhead(Model):
    """A model that knows the answers for some pictures, and asks ``model`` for the others.

    ``addresses``: files of `look_at`, in the order of their frames; two of them are in memory at a time.
    """

    def __init__(self, model: Model, addresses: list[str]) -> None:
        super().__init__(
            model.runtime, name=model.name, class_names=model.class_names, default_score=model.default_score
        )
        self.task = model.task
        self._model = model
        self._addresses = list(addresses)
        self._tables: list[dict[str, str]] = []

    def prepare(self, image: Image) -> Prepared:
        """Look the picture up; prepare it where it is not known."""
        record = self._known(_hash(image))
        if record is None:
            return self._model.prepare(image)
        size = image.shape[:2]
        return Prepared({_ANSWER: np.array(record)}, Placement.squash(size, size))

    def infer(self, inputs: Tensors) -> Tensors:
        """The answer, or the network's."""
        return inputs if _ANSWER in inputs else self._model.infer(inputs)

    def decode(self, outputs: Tensors, placement: Placement, *, score: float) -> Prediction:
        """The answer, or what the model makes of the network's."""
        if _ANSWER not in outputs:
            return self._model.result(outputs, placement, score=score)
        return _instances(str(outputs[_ANSWER]), self.class_names)

    def _known(self, digest: str) -> str | None:
        """The record of a picture of this stretch or of the next one, which is this one from then on."""
        while len(self._tables) < 2 and self._addresses:
            self._tables.append(json.loads(zlib.decompress(read_bytes(self._addresses.pop(0)))))
        for number, table in enumerate(self._tables):
            if digest in table:
                del self._tables[:number]
                return table[digest]
        return None


_ANSWER = "found ahead"


def _hash(image: Image) -> str:
    return hashlib.blake2b(
        np.ascontiguousarray(image).data, digest_size=16, key=str(image.shape).encode()
    ).hexdigest()


def _record(instances: Instances) -> str:
    """All columns, exactly: JSON keeps every bit of a float."""
    counts = [rle["counts"] for rle in encode_masks(instances.masks)]
    columns = instances.boxes.tolist(), instances.scores.tolist(), instances.class_ids.tolist()
    return json.dumps([instances.size, counts, *columns])


def _instances(record: str, class_names: tuple[str, ...]) -> Instances:
    (height, width), counts, boxes, scores, class_ids = json.loads(record)
    masks = decode_masks([Rle(size=[height, width], counts=text) for text in counts], (height, width))
    return Instances(
        masks,
        np.array(boxes, np.float64).reshape(-1, 4),
        np.array(scores, np.float64),
        np.array(class_ids, np.int64),
        class_names,
    )
