"""Where an ONNX file says that its weights lie, read without any ONNX library.

A model may keep weights in files beside it ("external data"). A path that leaves the model's folder would
have the engine read any file of the machine; recent versions of ONNX Runtime refuse that, older ones do not.
Source: onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
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
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def check_external_data(path: Path) -> None:
    """Raise `NotAModel` when the ONNX file refers to weights outside its own folder."""
    folder = path.resolve().parent
    for location in external_locations(path):
        target = (folder / location).resolve()
        if Path(location).is_absolute() or not target.is_relative_to(folder):
            raise NotAModel(
                f"{path.name}: needs its weights in its own folder, but names {location!r}; refused"
            )


def external_locations(path: Path) -> list[str]:
    """File names of external weights, as the ONNX file at ``path`` gives them; what is no ONNX has none."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            return []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return sorted(set(_locations(data, 0, len(data), "model")))
            except (IndexError, ValueError, RecursionError):
                return []  # not a protobuf message: the engine will say so


def _locations(data: mmap.mmap, start: int, end: int, message: str) -> Iterator[str]:
    for number, first, last in _fields(data, start, end):
        inner = _MESSAGES[message].get(number)
        if inner == "entry":
            pair = {key: data[a:b] for key, a, b in _fields(data, first, last)}
            if pair.get(1) == b"location":
                yield pair.get(2, b"").decode("utf-8", "replace")
        elif inner is not None:
            yield from _locations(data, first, last, inner)


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(field number, first byte, end) of every length-delimited field of a message."""
    at = start
    while at < end:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            _, at = _varint(data, at)
        elif kind == _BYTES:
            length, at = _varint(data, at)
            if at + length > end:
                raise ValueError("a field reaches beyond its message")
            yield key >> 3, at, at + length
            at += length
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
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
