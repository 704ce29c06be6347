"""From what the user names to the items still to do: those whose input, options, model or version is new."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath

from maskweave.batch.items import Item, failure
from maskweave.batch.job import Job
from maskweave.batch.manifest import Known, Manifest
from maskweave.batch.storage import all_there, content_of, find_remote, is_remote, local_copy, stamp_of
from maskweave.errors import InvalidValue, MaskWeaveError
from maskweave.outputs import is_output
from maskweave.sources.files import real_path
from maskweave.sources.find import find_sources
from maskweave.sources.kinds import is_regular
from maskweave.sources.lazy import LazySource
from maskweave.sources.names import distinct_names, stem_within


@dataclass(frozen=True)
class _Found:
    """An input: the stem of its files, where it lies, and what raises the reason where it was not found."""

    stem: str
    path: str
    raises: Callable[[], object] | None = None


def plan(job: Job, manifest: Manifest) -> None:
    """Put every input of the job into the manifest; finished items stay as they are.

    An item is done again when its bytes, its name, the job's options, the model or the version have changed, or
    when one of its files is gone. An input that is not there is a failed item.

    Raises `InvalidValue` for cameras, streams and pipes, which cannot be read twice.
    """
    found = list(_inputs(job))
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


def _inputs(job: Job) -> Iterator[_Found]:
    """The inputs in the job's order, less what earlier runs wrote."""
    for remote, group in groupby(job.inputs, key=is_remote):
        inputs = tuple(group)
        if not remote:
            yield from map(_of_this_machine, _sources(job, inputs))
            continue
        for address in inputs:
            yield from _remote(job, address)


def _of_this_machine(source: LazySource) -> _Found:
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


def _sources(job: Job, inputs: tuple[str, ...]) -> list[LazySource]:
    results = Path(job.output).resolve()
    roots = [real_path(Path(text)) for text in inputs]
    apart = not any(results == root or results in root.parents for root in roots)

    def ignore(path: Path) -> bool:
        return is_output(path) or (apart and results in real_path(path).parents)

    return find_sources(inputs, recursive=job.recursive, max_pixels=job.max_pixels, ignore=ignore)


def _remote(job: Job, address: str) -> Iterator[_Found]:
    if address.split("://", 1)[0].lower() in ("http", "https", "rtsp", "rtsps"):
        raise _not_for_batch(address)
    try:
        found, below = find_remote(address, recursive=job.recursive)
    except MaskWeaveError as error:
        yield _Found(PurePosixPath(address).stem, address, _raising(error))
        return
    inside = f"{job.output.rstrip('/')}/"
    for path in found:
        if not is_output(Path(path)) and not path.startswith(inside):
            yield _Found(stem_within(PurePosixPath(path), PurePosixPath(below) if below else None), path)


def _raising(error: MaskWeaveError) -> Callable[[], object]:
    def again() -> object:
        raise error

    return again


def _add(item: Item, job: Job, manifest: Manifest) -> None:
    known, stamp = manifest.known(item.name), stamp_of(item.path)
    if known is not None and _stands(known, item, stamp, job):
        manifest.keep(item, stamp)
    else:
        manifest.add(item)


def _stands(known: Known, item: Item, stamp: str, job: Job) -> bool:
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


def _add_lost(item: Item, raises: Callable[[], object], job: Job, manifest: Manifest) -> None:
    """An input that was not found, with the reason."""
    manifest.add(item)
    try:
        raises()
    except MaskWeaveError as error:
        manifest.note(failure(item, error, key=job.item_key(item, "")))
