"""Write files and folders that appear under their final name only when they are complete.

Everything is written under a hidden, unique sibling name in the same folder (so on the same disk), brought
to the disk, and renamed. A failed or interrupted run removes what it began; what stood there before stays.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maskweave.errors import MaskWeaveError, OutputError

_ADVICE = {
    errno.ENOSPC: "free some space or choose another folder with -o",
    errno.EDQUOT: "free some space or choose another folder with -o",
    errno.EROFS: "choose another folder with -o",
    errno.EACCES: "choose a folder you may write to with -o",
    errno.EPERM: "choose a folder you may write to with -o",
    errno.ENOTDIR: "choose a folder, not a file, with -o",
    errno.EEXIST: "choose a folder, not a file, with -o",
    errno.EISDIR: "a folder of that name is in the way; move it or choose another folder with -o",
    errno.ENAMETOOLONG: "rename the input to something shorter",
}

_MARK_BYTES = 1200
"""How much of a file is looked at; a PNG's palette (780 bytes) may stand before its mark."""
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_MARK = b"tEXtSoftware\0MaskWeave"
_ONNX_MARK = re.compile(rb"\x08.\x12\x09maskweave", re.DOTALL)  # protobuf: its version, then who made it
NRRD_MARK = "# Objects found by MaskWeave"
CSV_MARK = "frame,name,time_seconds,track_id,class,score,area,"
TEXT_MARK = "Written by MaskWeave"
_TEXT_MARK_BYTES = 120
_JSON_MARK = re.compile(
    rb'\s*\{\s*"info"\s*:\s*\{\s*"description"\s*:\s*"(Objects found|Converted) by MaskWeave"'
    rb'|\[\s*(\]|\{"written_by": "MaskWeave")'
)
_PNG_SOURCE = b"tEXtSource\0"
_MANIFEST = ".maskweave"
"""In a folder: which of its files MaskWeave wrote that have no room for a mark, with their sizes and times."""


def written_by_maskweave(path: Path) -> bool:
    """Whether MaskWeave wrote the file at ``path``: a file that begins by saying so.

    The marks are a PNG's text chunk ``Software`` = ``MaskWeave``, a JSON file's ``info.description``, which comes
    first, a JSON list whose first element says so, the columns of our tables, a comment "Written by MaskWeave" in
    YAML, XML and HTML, an NRRD file's comment, and an ONNX file's producer. Anything else is not ours, and neither is
    what cannot be read or is not there.
    """
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(_MARK_BYTES)
    except OSError:
        return False
    if head.startswith(_PNG):
        return _PNG_MARK in head.partition(b"IDAT")[0]
    if _ONNX_MARK.match(head) is not None or head.split(b"\n", 2)[1:2] == [NRRD_MARK.encode()]:
        return True
    if TEXT_MARK.encode() in head[:_TEXT_MARK_BYTES]:
        return True
    return head.startswith(CSV_MARK.encode()) or _JSON_MARK.match(head) is not None


class AtomicFile:
    """One file on its way: write to ``part``, then `commit` or `discard`.

    ``part`` ends like ``path``, so that writers which look at the suffix pick the right format. Missing
    parent folders are made. ``only_own`` never replaces a file that is not `written_by_maskweave`.

    Raises `OutputError` when the folder cannot be written to or a foreign file is in the way, at once.
    """

    def __init__(self, path: Path, *, only_own: bool = False) -> None:
        self.path = Path(path)
        self._only_own = only_own
        with output_errors(self.path):
            if self.path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            self._refuse_foreign()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.part = self.path.with_name(_part_name(self.path))
            try:
                self.part.touch(mode=0o666, exist_ok=False)
            except BaseException:  # a signal comes through while the disk makes the file, and it is there
                self.discard()
                raise

    def commit(self) -> None:
        """Bring the file to the disk and give it its final name, in place of an older one."""
        try:
            with output_errors(self.path):
                _sync(self.part)
                self._refuse_foreign()  # it may have come while this one was written
                self.part.replace(self.path)
                _sync_folder(self.path.parent)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove what was written; the final name is not touched. Never raises for a missing file."""
        with contextlib.suppress(OSError):
            self.part.unlink(missing_ok=True)

    def _refuse_foreign(self) -> None:
        if self._only_own and self.path.exists() and not written_by_maskweave(self.path):
            raise OutputError(
                f"{self.path}: a file that MaskWeave did not write is there; "
                "move it, or choose another place with -o (convert replaces it with --overwrite)"
            )


@contextmanager
def atomic_file(path: Path | str, *, only_own: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write; it becomes ``path`` when the block ends without an exception.

    ``only_own`` refuses to replace a file that MaskWeave did not write; without it, any file is replaced.

    Raises `OutputError` for any `OSError` on the way (disk full, no permission, a file where a folder must
    be). Whatever the block raises, Ctrl-C included, removes the temporary file and leaves an older ``path``.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_file(folder / "note.txt") as part:
    ...     _ = part.write_text("whole")
    >>> [file.name for file in folder.iterdir()]
    ['note.txt']
    """
    file = AtomicFile(Path(path), only_own=only_own)
    try:
        with output_errors(file.path):
            yield file.part
        file.commit()
    except BaseException:
        file.discard()
        raise


@contextmanager
def atomic_folder(path: Path | str, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder to fill; it becomes ``path`` when the block ends without an exception.

    An existing ``path`` is replaced as a whole, so that frames of an older, longer run do not stay among the
    new ones; but only if MaskWeave wrote each file in it and nobody changed it since: a folder with anything else in
    it raises `OutputError`, at once, unless ``overwrite``. Files without room for a mark are listed in a hidden file
    of the folder. The old folder is moved aside first and removed last, so at every moment one whole version is on
    the disk; if the second of the two renames fails, the old folder is moved back. The files themselves are
    left to the system to bring to the disk: hundreds of small ones would wait for it one by one.

    Raises `OutputError` as `atomic_file` does.
    """
    final = Path(path)
    part = final.with_name(_part_name(final))
    try:
        with output_errors(final):
            _refuse_foreign_folder(final, overwrite=overwrite)
            final.parent.mkdir(parents=True, exist_ok=True)
            part.mkdir()
            yield part
            _write_manifest(part)
            _replace_folder(part, final, overwrite=overwrite)
            _sync_folder(final.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def atomic_files(folder: Path | str, *, source: str) -> Iterator[Path]:
    """Yield a temporary folder to fill; its files move into ``folder`` when the block ends without an exception.

    What else lies in ``folder`` stays. A file of the same name is replaced if MaskWeave wrote it; else this raises
    `OutputError`, and nothing is moved. The moves are renames, each of a whole file. PNGs say by a text chunk of what
    ``source`` they are: those of another one have the same names, and raise `OutputError` at once.

    Raises `OutputError` as `atomic_file` does.
    """
    final = Path(folder)
    part = final / _part_name(Path("frames"))
    try:
        with output_errors(final):
            _refuse_other_source(final, source)
            final.mkdir(parents=True, exist_ok=True)
            part.mkdir()
            yield part
            files = sorted(_files(part))
            for file in files:
                place = final / file.name
                if place.exists() and not written_by_maskweave(place):
                    raise OutputError(
                        f"{place}: is there already, and MaskWeave did not write it; move it away or choose another "
                        "folder with -o"
                    )
            for file in files:
                if file.suffix == ".png":
                    file.write_bytes(_with_source(file.read_bytes(), source))
                file.replace(final / file.name)
            _sync_folder(final)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _refuse_other_source(folder: Path, source: str) -> None:
    """Raise `OutputError` where ``folder`` holds a PNG of another source."""
    for file in folder.glob("[!.]*.png"):
        with file.open("rb") as opened:
            head = opened.read(_MARK_BYTES)
        if _PNG_MARK in head and _PNG_SOURCE in head and _source_key(source) not in head:
            raise OutputError(
                f"{folder}: holds images of another input, like {file.name}; choose another folder with -o, or "
                "remove them"
            )


def _source_key(source: str) -> bytes:
    return _PNG_SOURCE + hashlib.sha256(os.fsencode(source)).hexdigest()[:16].encode()


def _with_source(png: bytes, source: str) -> bytes:
    """A PNG with a text chunk that says what it was made from, behind its header (33 bytes)."""
    chunk = _source_key(source)
    sized = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:33] + sized + png[33:]


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into an `OutputError` that names ``path``, the reason and a remedy."""
    try:
        yield
    except MaskWeaveError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        advice = _ADVICE.get(error.errno or 0, "check the folder or choose another one with -o")
        raise OutputError(f"{path}: cannot be written ({reason}); {advice}") from error


def _part_name(path: Path) -> str:
    """A hidden, unique sibling name with the same suffix, short enough where ``path`` itself is."""
    return f".{path.stem[:40]}.{secrets.token_hex(4)}.part{path.suffix}"


def _replace_folder(part: Path, final: Path, *, overwrite: bool) -> None:
    _refuse_foreign_folder(final, overwrite=overwrite)
    if not final.exists():
        part.rename(final)
        return
    aside = final.with_name(f".{final.name[:40]}.{secrets.token_hex(4)}.old")
    final.rename(aside)
    try:
        part.rename(final)
    except BaseException:
        aside.rename(final)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _refuse_foreign_folder(final: Path, *, overwrite: bool) -> None:
    if not final.exists():
        return
    if not final.is_dir() or final.is_symlink():
        raise OutputError(f"{final}: need a folder to replace, got a file or a link; move it away")
    if overwrite:
        current = Path.cwd()
        if final.resolve() in (current, *current.parents, Path.home(), *Path.home().parents):
            raise OutputError(
                f"{final}: is the folder you are in, or holds it; choose another folder with -o"
            )
        return
    listed = _manifest(final)
    for file in _files(final):
        name = file.relative_to(final).as_posix()
        if name == _MANIFEST or listed.get(name) == _stamp(file) or written_by_maskweave(file):
            continue
        why = "was changed since MaskWeave wrote it" if name in listed else "MaskWeave did not write"
        raise OutputError(
            f"{final}: holds {name}, which {why}, so the folder is not replaced; "
            "move it away, or choose another folder with -o (convert replaces it with --overwrite)"
        )


def _write_manifest(folder: Path) -> None:
    """List the files that a later run could not know by a mark."""
    unmarked = {
        file.relative_to(folder).as_posix(): _stamp(file)
        for file in _files(folder)
        if not written_by_maskweave(file)
    }
    if unmarked:
        lines = (json.dumps([name, *stamp]) for name, stamp in unmarked.items())
        (folder / _MANIFEST).write_text("\n".join([TEXT_MARK, *lines]) + "\n", encoding="utf-8")


def _manifest(folder: Path) -> dict[str, tuple[int, int]]:
    """The size and time of each file that the folder's own list names; empty where there is none."""
    try:
        first, *lines = (folder / _MANIFEST).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines] if first == TEXT_MARK else []
        return {str(name): (int(size), int(time)) for name, size, time in rows}
    except (OSError, ValueError, TypeError):
        return {}


def _stamp(file: Path) -> tuple[int, int]:
    """Size and time of change, which show whether a file was edited."""
    status = file.lstat()
    return status.st_size, status.st_mtime_ns


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if not file.is_dir() or file.is_symlink())


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Bring a rename to the disk, where the system can (Windows cannot open folders)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
