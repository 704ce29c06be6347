"""Plan a job: list the items still to do, because their input, options, model or version is new."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from maskweave.batch.items import Item, failure
from maskweave.batch.job import BatchJob
from maskweave.batch.manifest import Known, Manifest
from maskweave.batch.storage import all_there, content_of, find_remote, is_remote, local_copy, stamp_of
from maskweave.errors import InvalidValue, MaskWeaveError, UnreadableImage
from maskweave.outputs import is_output
from maskweave.run import find_inputs
from maskweave.sources.find import files_in_words
from maskweave.sources.kinds import is_regular
from maskweave.sources.lazy import LazySource
from maskweave.sources.names import distinct_names, stem_within

Ready: TypeAlias = Callable[[str], bool]
"""Whether the file at a path is whole."""


@dataclass(frozen=True)
class _Found:
    """An input: the stem of its files, its path, and what raises the reason where it was not found."""

    stem: str
    path: str
    raises: Callable[[], object] | None = None


def plan(job: BatchJob, manifest: Manifest, ready: Ready | None = None) -> list[str]:
    """Put every input of the job into the manifest; finished items stay as they are.

    Returns what was passed over where the inputs were looked for, a sentence each.

    An item is done again when its bytes, its name, the job's options, the model or the version have changed, or
    when one of its files is gone. An input that is not there is a failed item. With ``ready`` only files of which it
    says so are items yet, and what is not there may still come.

    Raises `InvalidValue` for cameras, streams and pipes, which cannot be read twice.
    """
    notes: list[str] = []
    found = list(_inputs(job, notes))
    if ready is not None:
        found = [one for one in found if one.raises is None and ready(one.path)]
    names = distinct_names(
        [one.stem for one in found], [PurePosixPath(one.path).suffix.lower() for one in found]
    )
    with manifest.planning(job.to_json()):
        for position, (one, name) in enumerate(zip(found, names, strict=True)):
            item = Item(position, name, one.path)
            if one.raises is None:
                _add(item, job, manifest)
            else:
                _add_lost(item, one.raises, job, manifest)
    return notes


def _inputs(job: BatchJob, notes: list[str]) -> Iterator[_Found]:
    """The inputs in the job's order, less what earlier runs wrote; ``notes`` gets what was passed over."""
    for remote, group in groupby(job.inputs, key=is_remote):
        inputs = tuple(group)
        if not remote:
            for source in find_inputs(inputs, job.request):
                notes += source.notes
                yield _of_this_machine(source)
            continue
        for address in inputs:
            yield from _remote(job, address, notes)


def _of_this_machine(source: LazySource) -> _Found:
    if source.path is not None and source.path.is_dir():
        series = UnreadableImage(f"{source.label}: a series of several files, which is for maskweave segment")
        return _Found(source.name, source.label, _raising(series))
    if source.path is not None and is_regular(source.path):
        return _Found(source.name, str(source.path))
    if source.path is not None or source.kind is not None:
        raise _not_for_batch(source.label)
    return _Found(source.name, source.label, source.open)


def _not_for_batch(label: str) -> InvalidValue:
    return InvalidValue(
        f"{label}: need files, folders or patterns; cameras, streams, addresses and standard input are for "
        "maskweave segment"
    )


def _remote(job: BatchJob, address: str, notes: list[str]) -> Iterator[_Found]:
    if address.split("://", 1)[0].lower() in ("http", "https", "rtsp", "rtsps"):
        raise _not_for_batch(address)
    try:
        found, below, others = find_remote(address, recursive=job.request.source.recursive)
    except MaskWeaveError as error:
        yield _Found(PurePosixPath(address).stem, address, _raising(error))
        return
    inside = f"{job.output.rstrip('/')}/"

    def is_result(path: str) -> bool:
        return is_output(Path(path)) or path.startswith(inside)

    if passed_over := [Path(path) for path in others if not is_result(path)]:
        notes.append(f"{address}: passed over {files_in_words(passed_over)}")
    for path in found:
        if not is_result(path):
            yield _Found(stem_within(PurePosixPath(path), PurePosixPath(below) if below else None), path)


def _raising(error: MaskWeaveError) -> Callable[[], object]:
    def again() -> object:
        raise error

    return again


def _add(item: Item, job: BatchJob, manifest: Manifest) -> None:
    known, stamp = manifest.known(item.name), stamp_of(item.path)
    if known is not None and _stands(known, item, stamp, job):
        manifest.keep(item, stamp)
    else:
        manifest.add(item)


def _stands(known: Known, item: Item, stamp: str, job: BatchJob) -> bool:
    """Whether what was made of an item is what would be made of it now."""
    if known.state == "todo" or known.key != job.item_key(item, known.content):
        return False
    if (known.path, known.stamp) != (item.path, stamp) and known.content != _content(item.path):
        return False
    return all_there(job.output, known.outputs)


def _content(path: str) -> str:
    """The hash of a file that was touched or moved, or "" where it cannot be read."""
    try:
        with local_copy(path) as copy:
            return content_of(copy)
    except MaskWeaveError:
        return ""


def _add_lost(item: Item, raises: Callable[[], object], job: BatchJob, manifest: Manifest) -> None:
    """An input that was not found, with the reason."""
    manifest.add(item)
    try:
        raises()
    except MaskWeaveError as error:
        manifest.note(failure(item, error, key=job.item_key(item, "")))
