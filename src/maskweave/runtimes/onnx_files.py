"""Find where an ONNX file keeps its weights, and whether it is complete, without any ONNX library.

A model may keep weights in files beside it ("external data"). A path that leaves the model's folder would
have the engine read any file of the machine; recent versions of ONNX Runtime refuse that, older ones do not.
Source: onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from maskweave.errors import NotAModel

# message: {field number: message it holds}, as far as a path to TensorProto.external_data leads through it.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_VARINT, _FIXED64, _BYTES, _GROUP, _END_GROUP, _FIXED32 = range(6)
_MODEL_FIELDS = {
    **dict.fromkeys((1, 5), _VARINT),
    **dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), _BYTES),
}
"""Wire type of each field of ModelProto: version, producer, graph, operator sets, metadata, functions."""


def check_external_data(path: Path) -> list[str]:
    """File names of weights beside the ONNX file; raises `NotAModel` for those that are no file of its own folder.

    Refused are also a second name (a hard link) of a file that may lie anywhere, and what engines take for something
    else than a file, like ONNX Runtime's address of memory.
    """
    try:
        locations = external_locations(path)
    except OSError as error:
        raise NotAModel(f"{path.name}: cannot be read ({error.strerror})") from error
    folders = {
        path.absolute().parent,
        Path(os.path.realpath(path)).parent,
    }  # a link's: engines differ in which
    for location in locations:
        why = _objection(folders, location)
        if why:
            raise NotAModel(
                f"{path.name}: needs its weights in its own folder, but names {location[:80]!r}, {why}; refused"
            )
    return locations


def _objection(folders: Collection[Path], location: str) -> str:
    """Why weights are not read from ``location``, or "" where they may be."""
    if "\0" in location or not location:
        return "which is no name of a file"
    real = [Path(os.path.realpath(folder)) for folder in folders]
    targets = [Path(os.path.realpath(folder / location)) for folder in folders]
    if Path(location).is_absolute() or not all(any(map(target.is_relative_to, real)) for target in targets):
        return "which lies outside"
    there = [target for target in targets if os.path.exists(target)]  # noqa: PTH110 - pathlib raises for odd names
    if not there:
        return "which is not there"
    if not all(os.path.isfile(target) for target in there):  # noqa: PTH113
        return "which is no file"
    linked = any(target.stat().st_nlink > 1 for target in there)
    return "which has another name elsewhere (a hard link): copy it" if linked else ""


def external_locations(path: Path) -> list[str]:
    """File names of external weights, as the ONNX file at ``path`` gives them; what is no ONNX has none."""
    found: set[str] = set()
    with path.open("rb") as file:
        if not path.stat().st_size:
            return []
        with (
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
            suppress(
                IndexError, ValueError, RecursionError
            ),  # not a protobuf message: the engine will say so
        ):
            found.update(_locations(data, 0, len(data), "model"))
    return sorted(found)


def begins_like_onnx(head: bytes) -> bool:
    """Whether a file that begins with ``head`` may be an ONNX model: its first field is one that models have."""
    key = head[0] if head else 0
    return _MODEL_FIELDS.get(key >> 3) == key & 7 or key > 127


def missing_from_message(path: Path) -> int:
    """How many bytes an ONNX file lacks to the end that its last field promises; 0 where it is whole, or none."""
    size = path.stat().st_size
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 0
        try:
            while at < size:
                key, start = _varint(data, at)
                number, kind = (key & 0xFFFF_FFFF) >> 3, key & 7
                if number not in _MODEL_FIELDS or kind != _MODEL_FIELDS[number]:
                    return 0
                length, start = _varint(data, start)
                at = start + length if kind == _BYTES else start
        except (IndexError, ValueError):
            return 0
    return max(0, at - size) if size else 0


def _locations(data: mmap.mmap, start: int, end: int, message: str) -> Iterator[str]:
    for number, first, last in _fields(data, start, end):
        inner = _MESSAGES[message].get(number)
        if inner == "entry":
            pair = {key: data[a:b] for key, a, b in _fields(data, first, last)}
            if pair.get(1) == b"location":
                yield os.fsdecode(pair.get(2, b""))
        elif inner is not None:
            yield from _locations(data, first, last, inner)


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(field number, first byte, end) of every length-delimited field of a message."""
    at, depth = start, 0  # of groups, which only unknown fields are: what is in them is none of the message's
    while at < end:
        key, at = _varint(data, at)
        key &= 0xFFFF_FFFF  # of a longer one engines read the lower bits
        kind = key & 7
        if kind == _VARINT:
            _, at = _varint(data, at)
        elif kind == _BYTES:
            length, at = _varint(data, at)
            if at + length > end:
                raise ValueError("a field reaches beyond its message")
            if not depth:
                yield key >> 3, at, at + length
            at += length
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        elif kind in (_GROUP, _END_GROUP):
            depth += 1 if kind == _GROUP else -1
        else:
            raise ValueError("no such wire type")


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number is too long")
