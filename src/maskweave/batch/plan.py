"""From what the user names to the items still to do: those whose input, options, model or version is new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from maskweave.batch.items import Item, failure
from maskweave.batch.job import Job
from maskweave.batch.manifest import Known, Manifest
from maskweave.batch.storage import all_there, content_of, local_copy, stamp_of
from maskweave.errors import InvalidValue, MaskWeaveError
from maskweave.outputs import is_output
from maskweave.sources.find import LazySource, find_sources


def plan(job: Job, manifest: Manifest) -> None:
    """Put every input of the job into the manifest; finished items stay as they are.

    An item is done again when its bytes, its name, the job's options, the model or the version have changed, or
    when one of its files is gone. An input that is not there is a failed item.

    Raises `InvalidValue` for cameras, streams and pipes, which cannot be read twice.
    """
    with manifest.planning(job.to_json()):
        for position, source in enumerate(_sources(job)):
            if source.kind == "live" or (source.path is None and source.kind is not None):
                raise InvalidValue(
                    f"{source.label}: need files, folders or patterns; cameras, streams, addresses and standard "
                    "input are for maskweave segment"
                )
            item = Item(position, source.name, str(source.path or source.label))
            if source.path is None:
                _add_lost(item, source, job, manifest)
            else:
                _add(item, job, manifest)


def _sources(job: Job) -> Iterator[LazySource]:
    """The inputs in the job's order, less what earlier runs wrote."""
    results = Path(job.output).resolve()
    roots = [Path(text).resolve() for text in job.inputs]
    apart = not any(results == root or results in root.parents for root in roots)

    def ignore(path: Path) -> bool:
        return is_output(path) or (apart and results in path.resolve().parents)

    yield from find_sources(job.inputs, recursive=job.recursive, max_pixels=job.max_pixels, ignore=ignore)


def _add(item: Item, job: Job, manifest: Manifest) -> None:
    known, stamp = manifest.known(item.name), stamp_of(item.path)
    if known is not None and _stands(known, item, stamp, job):
        manifest.keep(item, stamp)
    else:
        manifest.add(item)


def _stands(known: Known, item: Item, stamp: str, job: Job) -> bool:
    """Whether what was made of an item is what would be made of it now."""
    if known.state == "todo" or known.key != job.item_key(item.name, item.path, known.content):
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


def _add_lost(item: Item, source: LazySource, job: Job, manifest: Manifest) -> None:
    """An input that was not found, with the reason that opening it gives."""
    manifest.add(item)
    try:
        source.open()
    except MaskWeaveError as error:
        manifest.note(failure(item, error), job.item_key(item.name, item.path, ""))
    finally:
        source.close()
