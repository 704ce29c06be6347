"""Read inputs and write outputs in folders of this machine, or wherever fsspec reaches (s3://, gs://, az://, …).

A worker copies a remote input to a temporary file, and sends what it wrote when the item is whole. A store of objects
shows an object when it is whole; elsewhere (sftp://, …) that depends on the server.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from maskweave.errors import MaskWeaveError, MissingDependency, OutputError, SourceNotFound, UnreadableImage
from maskweave.files import atomic_file, output_errors
from maskweave.sources.files import head_length, kind_in_folder
from maskweave.sources.kinds import kind_by_suffix
from maskweave.sources.names import natural_key

_VERSION = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "created",
)
"""What stores call that by which a changed object is known, the surest first."""


_LOOKED_AT = 1000
"""Remote files whose names do not tell what they are that are looked into."""


def is_remote(address: str) -> bool:
    """Whether it is for fsspec."""
    return "://" in address


def stamp_of(path: str) -> str:
    """A text that changes when the file does: its size, and its hash or time of change. "" when it is not there."""
    if is_remote(path):
        files, place = _store(path)
        try:
            info = files.info(place)
        except Exception:
            return ""  # reading it shows why
        version = next((info[name] for name in _VERSION if info.get(name)), "")
        return f"{info.get('size')}-{version}"
    try:
        status = Path(path).stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


@contextmanager
def local_copy(path: str) -> Iterator[Path]:
    """Yield a file of this machine with the bytes of ``path``; raises `SourceError` when it cannot be had."""
    if not is_remote(path):
        yield Path(path)
        return
    files, place = _store(path)
    with tempfile.TemporaryDirectory(prefix="maskweave-") as folder:
        copy = Path(folder) / PurePosixPath(place).name
        with _raster_options(path):
            files.get_file(place, str(copy))
        yield copy


@contextmanager
def output_folder(output: str) -> Iterator[Path]:
    """Yield a folder of this machine; what is in it is at ``output`` when the block ends without an exception."""
    if not is_remote(output):
        yield Path(output)
        return
    with tempfile.TemporaryDirectory(prefix="maskweave-") as folder:
        yield Path(folder)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                send(path, f"{output.rstrip('/')}/{path.relative_to(folder).as_posix()}")


def all_there(output: str, names: Iterable[str]) -> bool:
    """Whether all outputs of an item still exist; remote ones are assumed to."""
    return is_remote(output) or all((Path(output) / name).exists() for name in names)


def content_of(path: Path) -> str:
    """The hash of a file's bytes; raises `SourceError` when it cannot be read."""
    with _raster_options(str(path)), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def send(path: Path, address: str) -> None:
    """Copy a file of this machine to a remote address; raises `OutputError`."""
    files, place = _store(address)
    with _writing(address):
        _with_folders(files, place, lambda: files.put_file(str(path), place))


def fetch_if_there(address: str, path: Path) -> None:
    """Copy a remote file to this machine, if it exists; raises `SourceError`."""
    if exists(address):
        files, place = _store(address)
        with _raster_options(address):
            files.get_file(place, str(path))


def exists(address: str) -> bool:
    """Whether a file is there now."""
    if not is_remote(address):
        return Path(address).exists()
    files, place = _store(address)
    with _raster_options(address):
        files.invalidate_cache()
        return bool(files.exists(place))


def read_bytes(address: str) -> bytes:
    """All bytes of a file; raises `SourceError`."""
    with _raster_options(address):
        if not is_remote(address):
            return Path(address).read_bytes()
        files, place = _store(address)
        return bytes(files.cat_file(place))


def write_bytes(address: str, data: bytes) -> None:
    """Write a file whole; raises `OutputError`."""
    if not is_remote(address):
        with atomic_file(address) as temporary:
            temporary.write_bytes(data)
        return
    files, place = _store(address)
    with _writing(address):
        _with_folders(files, place, lambda: files.pipe_file(place, data))


def _with_folders(files: Any, place: str, put: Callable[[], object]) -> None:
    """Put a file, and make the folders that it is in only where it needs them: stores of objects have none."""
    try:
        put()
    except FileNotFoundError:
        files.makedirs(place.rpartition("/")[0], exist_ok=True)
        put()


def remove(address: str) -> None:
    """Remove a file, if it is there; raises `OutputError`."""
    if not is_remote(address):
        with output_errors(Path(address)):
            Path(address).unlink(missing_ok=True)
        return
    files, place = _store(address)
    with _writing(address):
        if files.exists(place):
            files.rm_file(place)


def files_in(folder: str, suffix: str) -> list[str]:
    """The files of a folder with a suffix, in order; none when there is no folder."""
    if not is_remote(folder):
        return [
            str(path) for path in sorted(Path(folder).glob(f"*{suffix}")) if not path.name.startswith(".")
        ]
    files, place = _store(folder)
    with _raster_options(folder):
        files.invalidate_cache()
        found = files.find(place) if files.exists(place) else []
    typed = _as_typed(folder, place)
    return [typed + name.lstrip("/") for name in sorted(found) if name.endswith(suffix)]


class RemoteFiles(NamedTuple):
    """Addresses of images and videos in natural order, the folder that they are below, and of the other files."""

    paths: list[str]
    below: str
    others: list[str]


def find_remote(address: str, *, recursive: bool) -> RemoteFiles:
    """Images and videos at a remote file, folder or pattern.

    As in folders of this machine, content tells where a suffix does not; of at most 1,000 files, since each costs
    a question to the store.

    Raises `SourceNotFound` when there are none, `UnreadableImage` when the store does not answer.
    """
    files, place = _store(address)
    with _raster_options(address):
        files.invalidate_cache()
        if any(sign in place for sign in "*?["):
            found, below = files.glob(place), ""
        elif files.isfile(place):
            return RemoteFiles([address], "", [])
        else:
            found, below = files.find(place, maxdepth=None if recursive else 1), place.rstrip("/") + "/"
        shown = [name for name in found if not _is_hidden(name.removeprefix(below))]
        wanted = [name for name in shown if kind_by_suffix(Path(name)) is not None]
        unknown = sorted(set(shown).difference(wanted))
        wanted += [name for name in unknown[:_LOOKED_AT] if _is_media(files, name)]
    if not wanted:
        raise SourceNotFound(
            f"{address}: need images or videos, found {len(found)} other files; check the address"
        )
    wanted.sort(key=lambda name: (natural_key(str(PurePosixPath(name).with_suffix(""))), name))
    typed = _as_typed(address, place)
    paths, others = (
        [typed + name.lstrip("/") for name in names] for names in (wanted, set(shown).difference(wanted))
    )
    return RemoteFiles(paths, typed + below.lstrip("/") if below else "", sorted(others))


def _as_typed(address: str, place: str) -> str:
    """What stands before a store's own names in addresses like this one: scheme, and host where there is one."""
    inside = place.strip("/")
    if not address.rstrip("/").endswith(inside):
        raise SourceNotFound(f"{address}: need an address that ends in the place itself, this is {place}")
    return address.rstrip("/")[: len(address.rstrip("/")) - len(inside)]


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def _is_media(files: Any, name: str) -> bool:
    """Whether a remote file is an image or a video by its content; what cannot be read is none."""
    try:
        head = bytes(files.cat_file(name, start=0, end=head_length(name)))
    except Exception:  # stores raise whatever their clients raise; a folder's mark is no file
        return False
    return kind_in_folder(name, head) is not None


def _store(address: str) -> tuple[Any, str]:
    """The file system of an address, and the place in it."""
    try:
        from fsspec.core import url_to_fs

        files, place = url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise MissingDependency(
            f"{address.split('://', maxsplit=1)[0]}: cannot be reached ({error}); pip install 'maskweave[remote]' "
            "brings s3, gcsfs and adlfs bring gs and az"
        ) from error
    return files, str(place)


@contextmanager
def _raster_options(address: str) -> Iterator[None]:
    """Turn what goes wrong into a `SourceError`: stores raise whatever their clients raise."""
    try:
        yield
    except MaskWeaveError:
        raise
    except FileNotFoundError:
        raise SourceNotFound(f"{address}: no such file; check the path") from None
    except Exception as error:
        raise UnreadableImage(
            f"{address}: cannot be read ({_reason(error)}); check its permissions"
        ) from error


@contextmanager
def _writing(address: str) -> Iterator[None]:
    try:
        yield
    except MaskWeaveError:
        raise
    except Exception as error:
        raise OutputError(
            f"{address}: cannot be written ({_reason(error)}); check address and permissions, then give the same "
            "command again"
        ) from error


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]
