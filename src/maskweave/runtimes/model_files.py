"""Recognize files that are not models by their first bytes and structure, and name what they are.

An engine tells a file of another kind by its own internals; these rules name it, and what to do.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from maskweave.errors import NotAModel
from maskweave.runtimes.onnx_files import begins_like_onnx, missing_from_message

_PYTORCH = (
    "a PyTorch checkpoint; export it to ONNX, for YOLO with `yolo export model={name} format=onnx`, "
    "for others with torch.onnx.export"
)
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs", "a Git LFS pointer, not the model itself; fetch it with `git lfs pull`"),
    (0, b"\x89HDF\r\n\x1a\n", "a Keras or HDF5 file; convert it with tf2onnx"),
    (4, b"TFL3", "a TensorFlow Lite model; convert it with `python -m tf2onnx.convert --tflite {name}`"),
    (
        0,
        b"ftrt",
        "a TensorRT engine, which runs on one kind of device only; give the ONNX file it was built from",
    ),
    (
        0,
        b"ptrt",
        "a TensorRT engine, which runs on one kind of device only; give the ONNX file it was built from",
    ),
    (0, b"GGUF", "a GGUF file of a language model; give an ONNX file"),
    (0, b"7767517", "an ncnn model; give the ONNX file it was converted from"),
    (0, b"<?xml", "an XML file, such as OpenVINO's; give the ONNX file it was converted from"),
    (0, b"\x1f\x8b", "a compressed file; unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a compressed file; unpack it first"),
    (0, b"Rar!", "a compressed file; unpack it first"),
    *(
        (0, b"\x80" + bytes([protocol]), _PYTORCH) for protocol in (2, 3, 4, 5)
    ),  # pickled, as torch did before 1.6
)
_HEAD = 512
_MAX_HEADER = 100_000_000  # bytes of the description in a safetensors file


def refuse_other_files(path: Path, *, is_graph: bool = False) -> None:
    """Raise `NotAModel` that names what a file is, when it cannot be an ONNX model, or a TensorFlow graph.

    Raises it also for an ONNX model that is cut short. What passes may still be none: the engine decides.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise NotAModel(f"{path.name}: cannot be read ({error.strerror}); check the path") from error
    what = _known_kind(path, head, size)
    if not what and not is_graph and not begins_like_onnx(head):
        what = _unknown_kind(head)
    if what:
        need = "a frozen TensorFlow graph" if is_graph else "an ONNX model"
        raise NotAModel(f"{path.name}: need {need}, got {what.format(name=path.name)}")
    missing = 0 if is_graph else missing_from_message(path)
    if missing:
        raise NotAModel(
            f"{path.name}: cut short, {missing:,} bytes of {size + missing:,} are missing; "
            "copy or download it again"
        )


def _known_kind(path: Path, head: bytes, size: int) -> str:
    """What the file is, and what to do; "" for what may be a model. ``{name}`` stands for its name."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    marked = (what for at, mark, what in _SIGNATURES if head[at : at + len(mark)] == mark)
    what = next(marked, "")
    if not size:
        what = "an empty file (0 bytes); copy or download it again"
    elif text.startswith((b"<!doctype html", b"<html")):
        what = "a web page, probably an error message instead of the download; fetch the file itself"
    elif head[:4] == b"PK\x03\x04":
        what = _what_archive(path)
    elif head[8:9] == b"{" and int.from_bytes(head[:8], "little") < min(size, _MAX_HEADER):
        what = "safetensors, weights without their network; export the model to ONNX"
    return what


def _unknown_kind(head: bytes) -> str:
    """What does not begin as an ONNX model does, by its first bytes."""
    if all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        lines = head[:40].decode("utf-8", "replace").strip().splitlines() or [""]
        start = lines[0].replace("{", "{{").replace("}", "}}")
        return f"a text file that begins {start!r}; give the model itself"
    return f"other or damaged data that begins {head[:8].hex(' ')}; copy or download it again"


def _what_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "a ZIP archive that is cut short; copy or download it again"
    if any(name.endswith(("data.pkl", "/version", "constants.pkl")) for name in names):
        return _PYTORCH
    if any(name in ("config.json", "model.weights.h5") for name in names):
        return "a Keras model; convert it with tf2onnx"
    models = [name for name in names if name.endswith(".onnx")]
    return f"a ZIP archive{f' with {models[0]} in it' if models else ''}; unpack it first"
