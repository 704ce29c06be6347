"""Download models: checked before they get their name, complete or not at all.

- ``MASKWEAVE_OFFLINE=1``: nothing is fetched.
- ``MASKWEAVE_MIRROR=https://host/path``: files are fetched from https://host/path/MODEL/FILE instead, where FILE
  is the last part of the published address. It may be an http, https or file address. The published addresses
  are then not tried.
"""

from __future__ import annotations

import contextlib
import os
import tarfile
import urllib.parse
import urllib.request
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from maskweave.catalog import cache
from maskweave.catalog.entry import Checksum, Entry, ModelFile
from maskweave.errors import HashMismatch, InvalidValue, ModelError, ModelNotDownloaded

Progress = Callable[[int, int | None], None]
"""Called with the bytes of the file so far, and in all where that is known."""

_TIMEOUT = 30  # seconds without a byte
_CHUNK = 1 << 16
_MAX_BYTES = 4 << 30  # bytes: no file of the catalog is larger, packed or not


def pull(entry: Entry, *, progress: Progress | None = None, offline: bool | None = None) -> tuple[Path, ...]:
    """Return the paths of an entry's files, fetching those that are not on this machine.

    ``offline`` forbids the network or allows it; None asks MASKWEAVE_OFFLINE. A file that fails leaves nothing
    behind. Raises `ModelNotDownloaded` when a file cannot be fetched or kept, `HashMismatch` when what came is not
    what was published, `InvalidValue` for a mirror that is no address.
    """
    if entry.packaged or (is_offline() if offline is None else offline):
        return cache.locate(entry)
    with contextlib.suppress(ModelNotDownloaded):
        return cache.locate(entry)
    folder = cache.folder_of(entry)
    with cache.disk_errors(folder, "written"):
        folder.mkdir(parents=True, exist_ok=True)
        missing = [file for file in entry.files if not (folder / file.name).is_file()]
    for file in missing:
        _fetch(entry, file, folder / file.name, progress)
    return cache.locate(entry)


def is_offline() -> bool:
    """Whether the variable MASKWEAVE_OFFLINE forbids the network."""
    return os.environ.get("MASKWEAVE_OFFLINE", "").lower() not in ("", "0", "no", "false")


def addresses(entry: Entry, file: ModelFile) -> tuple[str, ...]:
    """Where to fetch a file: the published addresses, or the one on the mirror of MASKWEAVE_MIRROR."""
    mirror = os.environ.get("MASKWEAVE_MIRROR", "").rstrip("/")
    if not mirror:
        return file.urls
    if urllib.parse.urlsplit(mirror).scheme not in ("http", "https", "file"):
        raise InvalidValue(f"MASKWEAVE_MIRROR: need an http, https or file address, got {mirror}")
    return (f"{mirror}/{entry.name}/{file.urls[0].rpartition('/')[2]}",)


def _fetch(entry: Entry, file: ModelFile, path: Path, progress: Progress | None) -> None:
    """Fetch one file from the first address that has the right one, and note its sha256."""
    with cache.replacing(path) as temporary:  # outermost: a disk that is full is so for every address
        sha256 = _fetch_from_any(entry, file, temporary, progress)
    cache.record(file, path, sha256)
    if file.checksum is not None and file.checksum.algorithm != "sha256":
        warnings.warn(
            f"{file.name}: its publisher gives only a {file.checksum.algorithm}, which fits; its sha256 is now "
            f"pinned in {path.parent / cache.LOCK}: {sha256}",
            stacklevel=2,
        )


def _fetch_from_any(entry: Entry, file: ModelFile, out: Path, progress: Progress | None) -> str:
    problems: list[ModelError] = []
    for url in addresses(entry, file):
        try:
            return _fetch_from(url, entry, file, out, progress)
        except ModelError as error:
            problems.append(error)
    # A wrong file says more than an address that does not answer.
    raise next((each for each in problems if isinstance(each, HashMismatch)), problems[-1])


def _fetch_from(url: str, entry: Entry, file: ModelFile, out: Path, progress: Progress | None) -> str:
    """Write the file to ``out`` and return its sha256."""
    if file.member is None:
        _download(url, entry, out, file.size, progress)
    else:
        with cache.temporary_beside(out) as archive:
            _download(url, entry, archive, file.size, progress)
            _check_archive(archive, file.archive, url)
            _extract(archive, file.member, out, url)
    sha256, problem = cache.examine(file, out)
    if problem:
        raise _not_as_published(url, problem)
    return sha256


def _not_as_published(url: str, problem: str) -> HashMismatch:
    return HashMismatch(f"{url}: what came is not what was published: {problem}; nothing was kept")


def _check_archive(path: Path, checksum: Checksum | None, url: str) -> None:
    if checksum is None:
        return
    got = cache.checksum_of(path, checksum.algorithm)
    if got != checksum.value:
        raise _not_as_published(url, f"need {checksum.algorithm} {checksum.value}, got {got}")


class _DiskError(Exception):
    """The file system refused a write; distinct from network errors, which are OSErrors too."""


class _Sink:
    """A file being downloaded: counts, reports, and stops what is larger than it may be."""

    def __init__(self, file: BinaryIO, url: str, size: int | None, progress: Progress | None) -> None:
        self.done = 0
        self._total = size
        self._file = file
        self._url = url
        self._published = size
        self._progress = progress

    def announce(self, size: str) -> None:
        """Take the server's word for the size, where none is published."""
        if self._published is None:
            self._total = int(size) if size.isdecimal() and int(size) else None

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.done += len(chunk)
        limit = _MAX_BYTES if self._published is None else self._published
        if self.done > limit:
            raise _not_as_published(self._url, f"need {limit:,} bytes, got more")
        try:
            self._file.write(chunk)
        except OSError as error:
            raise _DiskError from error
        if self._progress is not None:
            self._progress(self.done, self._total)

    def flush(self) -> None:
        """Do nothing: closing the file flushes it."""


def _download(url: str, entry: Entry, path: Path, size: int | None, progress: Progress | None) -> None:
    """Write what is at ``url`` to ``path``; raises `ModelNotDownloaded` when it does not all come."""
    with path.open("wb") as file:
        sink = _Sink(file, url, size, progress)
        try:
            _transfer(url, sink)
        except _DiskError as error:
            raise error.__cause__ or OSError("cannot write") from None
        except (OSError, EOFError) as error:
            raise cache.not_downloaded(entry, f"{url} cannot be fetched: {_why(error)}") from error
    if size is not None and sink.done < size:
        raise cache.not_downloaded(entry, f"{url} ended early: need {size:,} bytes, got {sink.done:,}")


def _why(error: Exception) -> str:
    """What went wrong with a transfer, in a few words; requests' own messages are nested and long."""
    answer = getattr(error, "response", None)
    if answer is not None:
        return f"the server says {answer.status_code} {answer.reason}"
    words = {
        "ConnectionError": "no connection to the server",
        "SSLError": "the server's certificate is not accepted",
        "ConnectTimeout": f"no answer within {_TIMEOUT} s",
        "ReadTimeout": f"no answer within {_TIMEOUT} s",
        "ChunkedEncodingError": "the connection broke off",
    }
    return words.get(type(error).__name__) or " ".join(str(error).split())[:120]


def _transfer(url: str, sink: _Sink) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file":
        with Path(urllib.request.url2pathname(parts.path)).open("rb") as source:
            while chunk := source.read(_CHUNK):
                sink.write(chunk)
        return
    import pooch  # slow to import, and most runs fetch nothing

    answers: list[Any] = []  # kept in order to close them: pooch leaves that open when it is interrupted

    def answered(answer: Any, **_: object) -> None:
        answers.append(answer)
        sink.announce(answer.headers.get("content-length", ""))

    download = pooch.HTTPDownloader(chunk_size=_CHUNK, timeout=_TIMEOUT, hooks={"response": answered})
    try:
        download(url, sink, None)
    finally:
        for answer in answers:
            answer.close()


def _extract(archive: Path, member: str, out: Path, url: str) -> None:
    """Write one member of a tar archive to ``out``, its name and place in the archive left behind."""
    try:
        with tarfile.open(archive) as tar:
            info = tar.getmember(member)
            source = tar.extractfile(info) if info.isfile() and info.size <= _MAX_BYTES else None
            if source is None:
                raise _not_as_published(url, f"need a file {member}, got something else")
            with out.open("wb") as file:
                while chunk := source.read(_CHUNK):
                    file.write(chunk)
    except (tarfile.TarError, KeyError, EOFError, zlib.error) as error:
        raise _not_as_published(url, f"need an archive with {member}, got: {error}") from error
