"""Share one long video among workers: whoever is free runs the network on the next stretch.

The network looks at images one by one, and takes most of a video's time; ids, drawing and encoding need the frames
in order. So stretches are looked at in parallel and what was found is kept by the image's own hash; the worker that
does the whole video then takes the network's answer from there. An image that is not there (a stretch failed, or a
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
from maskweave.batch.job import BatchJob
from maskweave.batch.storage import files_in, is_remote, local_copy, read_bytes, remove, stamp_of, write_bytes
from maskweave.errors import InvalidValue, MaskWeaveError
from maskweave.isolation import Child, Heartbeat, Work
from maskweave.models.base import Model, Prepared
from maskweave.ops.blas import single_threaded_blas
from maskweave.ops.letterbox import Letterbox
from maskweave.ops.rle import Rle, decode_masks, encode_masks
from maskweave.runtimes.base import Tensors
from maskweave.sources.kinds import kind_by_suffix
from maskweave.stages import decode_settings, task_of
from maskweave.types.arrays import Image
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction
from maskweave.video.tracking import make_tracker

_SUFFIX = ".prefetched"
_WORTH = 1.5
"""Stretches that a video must be longer than to be divided."""


def check_split(job: BatchJob, model: Model, split: float | None) -> None:
    """Raise `InvalidValue` where a video cannot be divided."""
    request = job.request
    task = task_of(request.segment, model)
    if split is not None and (task != "instances" or request.video.every != 1 or request.prompt.prompt):
        raise InvalidValue(
            f"--split: needs --task instances, --every 1 and no prompt, got {task} and {request.video.every}: other "
            "results depend on the frames before"
        )


def stretches(job: BatchJob, items: Iterable[Item], split: float) -> Iterator[Item]:
    """The stretches of ``split`` seconds of the long videos among ``items`` that are not looked at yet."""
    with Child(make_measure, deadline=60.0) as measure:
        for item in items:
            if kind_by_suffix(Path(item.path)) != "video":
                continue
            try:
                begin, end = measure.call(item)
            except MaskWeaveError:
                continue  # doing it shows why
            done = set(files_in(prefetch_folder(job, item), _SUFFIX))
            count = int(-((begin - end) // split)) if end - begin > _WORTH * split else 0
            for number in range(count):
                until = begin + (number + 1) * split if number + 1 < count else None
                stretch = replace(item, name=f"{item.name}#{number}", span=(begin + number * split, until))
                if prefetch_address(job, stretch) not in done:
                    yield stretch


def make_measure() -> Work:
    """A child's work: the seconds at which a video begins and ends, as its header says."""
    return _measure


def _measure(item: Item, heartbeat: Heartbeat) -> tuple[float, float]:
    from maskweave.sources.video import VideoSource

    with local_copy(item.path) as path, VideoSource(path) as video:
        return video.span


def prefetch_folder(job: BatchJob, item: Item) -> str:
    """The folder of what was found in an item's parts: another one once the job, model or file has changed."""
    identity = json.dumps([job.key, item.path, stamp_of(item.path)])
    return f"{job.output.rstrip('/')}/{STATE}/prefetched/{hashlib.sha256(identity.encode()).hexdigest()[:24]}"


def prefetch_address(job: BatchJob, stretch: Item) -> str:
    """The file of one stretch."""
    return f"{prefetch_folder(job, stretch)}/{int(stretch.name.rpartition('#')[2]):06}{_SUFFIX}"


def prefetched_files(job: BatchJob, item: Item) -> list[str]:
    """The files of an item's stretches, in order."""
    return files_in(prefetch_folder(job, item), _SUFFIX)


def remove_prefetched(job: BatchJob, item: Item) -> None:
    """Remove what was found ahead of an item that is done."""
    for address in prefetched_files(job, item):
        remove(address)
    if not is_remote(job.output):
        with suppress(OSError):
            Path(prefetch_folder(job, item)).rmdir()


def prefetch_stretch(job: BatchJob, stretch: Item, path: Path, model: Model, heartbeat: Heartbeat) -> int:
    """Write what the network finds in a stretch and return its number of frames."""
    from maskweave.sources.video import VideoSource

    request = job.request
    tracker = make_tracker(request.video.tracker) if request.video.track else None
    min_score, multi_label = decode_settings(request.segment, model, tracker)
    begin, end = stretch.span or (0.0, None)
    records: dict[str, str] = {}
    with VideoSource(path, max_pixels=request.source.max_pixels) as video:
        for frame in video.between(Fraction(begin), None if end is None else Fraction(end)):
            prepared = model.prepare(frame.image)
            outputs = model.infer(prepared.inputs)
            with single_threaded_blas():
                prediction = model.result(
                    outputs, prepared.letterbox, score=min_score, multi_label=multi_label
                )
            if isinstance(prediction, Instances):
                records[_hash(frame.image)] = record_of(prediction)
            heartbeat()
    write_bytes(prefetch_address(job, stretch), zlib.compress(json.dumps(records).encode(), 1))
    return len(records)


class PrefetchedModel(Model):
    """A model that knows the answers for some images, and asks ``model`` for the others.

    ``addresses``: files of `prefetch_stretch`, in the order of their frames; two of them are in memory at a time.
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
        """Look the image up; prepare it where it is not known."""
        record = self._known(_hash(image))
        if record is None:
            return self._model.prepare(image)
        size = image.shape[:2]
        return Prepared({_ANSWER: np.array(record)}, Letterbox.squash(size, size))

    def infer(self, inputs: Tensors) -> Tensors:
        """The answer, or the network's."""
        return inputs if _ANSWER in inputs else self._model.infer(inputs)

    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> Prediction:
        """The answer, or what the model makes of the network's."""
        return self.result(outputs, letterbox, score=score)

    def result(
        self, outputs: Tensors, letterbox: Letterbox, *, score: float, multi_label: bool = False
    ) -> Prediction:
        """The answer, or what the model makes of the network's."""
        if _ANSWER not in outputs:
            return self._model.result(outputs, letterbox, score=score, multi_label=multi_label)
        return instances_of(str(outputs[_ANSWER]), self.class_names)

    def _known(self, digest: str) -> str | None:
        """The record of an image of this stretch or of the next one, which is this one from then on."""
        while len(self._tables) < 2 and self._addresses:
            self._tables.append(json.loads(zlib.decompress(read_bytes(self._addresses.pop(0)))))
        for number, table in enumerate(self._tables):
            if digest in table:
                del self._tables[:number]
                return table[digest]
        return None


_ANSWER = "prefetched"


def _hash(image: Image) -> str:
    return hashlib.blake2b(
        np.ascontiguousarray(image).data, digest_size=16, key=str(image.shape).encode()
    ).hexdigest()


def record_of(instances: Instances) -> str:
    """All columns, exactly: JSON keeps every bit of a float."""
    counts = [rle["counts"] for rle in encode_masks(instances.masks)]
    columns = instances.boxes.tolist(), instances.scores.tolist(), instances.class_ids.tolist()
    return json.dumps([instances.size, counts, *columns])


def instances_of(record: str, class_names: tuple[str, ...]) -> Instances:
    """The objects that `record_of` wrote down."""
    (height, width), counts, boxes, scores, class_ids = json.loads(record)
    masks = decode_masks([Rle(size=[height, width], counts=text) for text in counts], (height, width))
    return Instances(
        masks,
        np.array(boxes, np.float64).reshape(-1, 4),
        np.array(scores, np.float64),
        np.array(class_ids, np.int64),
        class_names,
    )
