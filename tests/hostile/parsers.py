"""Our own readers of files that others made: a valid file of each kind, and how it is read to the end."""

from __future__ import annotations

import base64
import json
import random
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from maskweave.annotations.convert import convert
from maskweave.annotations.options import Options
from maskweave.annotations.report import Report
from maskweave.annotations.table import format_named, formats
from maskweave.errors import MaskWeaveError
from maskweave.evaluation.class_maps import read_class_names
from maskweave.evaluation.coco_predictions import CocoPredictions
from maskweave.evaluation.coco_truth import CocoTruthFile
from maskweave.evaluation.video_files import ClipFile
from maskweave.models.importing.frozen_graph import read_frozen_graph
from maskweave.models.loading import FAMILIES
from maskweave.models.sidecar import read_sidecar
from maskweave.runtimes.onnx_files import check_external_data
from maskweave.sources.extent import missing_bytes
from maskweave.sources.matroska import matroska_damage
from tests.models.classic import write_frozen

_MAX_RECORDS = 50
"""A file of three lines may say that its video has millions of frames; a few of them are enough."""


@dataclass(frozen=True)
class Parser:
    """One reader: the ``file`` that is spoiled, a valid one, and what reads it; the folder holds ``a.png``.

    ``others``: what lies in the folder besides. ``sealed``: the file has checksums, which let hardly a change pass.
    """

    name: str
    file: str
    valid: bytes
    read: Callable[[Path], list[str] | None]
    others: tuple[tuple[str, bytes], ...] = ()
    sealed: bool = False

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder with all that the reader looks for."""
        with tempfile.TemporaryDirectory(prefix="hostile-") as name:
            folder = Path(name)
            for image in (folder / "images" / "a.png", folder / "a.png"):
                image.parent.mkdir(exist_ok=True)
                Image.new("RGB", (16, 12)).save(image)
            (folder / "labels").mkdir()
            (folder / "labels" / "a.txt").write_text("0 0.1 0.1 0.9 0.1 0.9 0.9\n", encoding="utf-8")
            (folder / "data.yaml").write_bytes(_YAML)
            for place, content in (*self.others, (self.file, self.valid)):
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                (folder / place).write_bytes(content)
            yield folder

    def holds(self, data: bytes, folder: Path) -> str:
        """Read ``data`` in place of the file; returns the typed error or the problems of records, "" where there is
        neither; raises anything else."""
        (folder / self.file).write_bytes(data)
        try:
            return "; ".join(self.read(folder / self.file) or ())
        except MaskWeaveError as error:
            line = str(error)
            if "\n" in line:
                raise AssertionError(f"{self.name}: an error of several lines: {line!r}") from error
            return f"{type(error).__name__}: {line}"


def _records(form: str, place: Callable[[Path], Path] = lambda path: path) -> Callable[[Path], list[str]]:
    def read(path: Path) -> list[str]:
        lines: list[str] = []
        reader = format_named(form).read
        if reader is None:
            raise AssertionError(f"{form} has no reader")
        options = Options(truth=path.parent / "truth.json" if form == "coco-results" else None)
        for record in islice(reader(place(path), options, Report(form, show=lines.append)), _MAX_RECORDS):
            record.instances.masks.areas.sum()
        return _single(form, lines)

    return read


def _single(form: str, lines: list[str]) -> list[str]:
    if any("\n" in line for line in lines):
        raise AssertionError(f"{form}: a problem of several lines: {lines}")
    return lines


def _truth(path: Path) -> list[str]:
    problems = Report()
    for truth in CocoTruthFile(path, report=problems).truths():
        truth.instances.masks.areas.sum()
    return _single("coco-truth", problems.messages)


def _predictions(path: Path) -> list[str]:
    problems = Report()
    truth = CocoTruthFile(path.parent / "truth.json", report=problems)
    found = CocoPredictions(path, truth)
    for each in truth.truths():
        found.of(each).masks.areas.sum()
    return _single("coco-predictions", problems.messages)


def _clips(path: Path) -> list[str]:
    problems = Report()
    video = ClipFile(path, problems)
    for name in video.names[:_MAX_RECORDS]:
        video.clip(name)
    return _single("clips", problems.messages)


def _containers(path: Path) -> list[str]:
    missing = missing_bytes(path)
    return [*matroska_damage(path), *([f"{missing} missing"] if missing else [])]


def _sidecar(path: Path) -> None:
    sidecar = read_sidecar(path, FAMILIES)
    for family, module in FAMILIES.items():
        if sidecar.family in (None, family):
            sidecar.options(family, module)


def _frozen(path: Path) -> None:
    read_frozen_graph(path).constant("w", (2, 3))


_YAML = b"path: .\ntrain: images\nnames: [cat, dog]\n"
_SQUARE = [1, 1, 9, 1, 9, 9, 1, 9]
_COCO = {
    "images": [{"id": 1, "file_name": "a.png", "height": 12, "width": 16, "frame_index": 3, "time_seconds": 0.5}],
    "annotations": [
        {
            "id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 8], "area": 64, "iscrowd": 0,
            "segmentation": [_SQUARE], "score": 0.5, "track_id": 7,
        },
        {
            "id": 2, "image_id": 1, "category_id": 2,
            "segmentation": {"size": [12, 16], "counts": [20, 30, 142]}, "track_id": 8,
        },
        {
            "id": 3, "image_id": 1, "category_id": 2,
            "segmentation": {"size": [12, 16], "counts": "d0n0^4"}, "track_id": 9,
        },
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
}  # fmt: skip


def _bitmap() -> str:
    buffer = BytesIO()
    Image.new("L", (4, 3), 255).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


_LABELME = {
    "version": "5.5.0",
    "shapes": [
        {"label": "cat", "shape_type": "polygon", "points": [[1, 1], [9, 1], [9, 9]], "group_id": 1},
        {"label": "dog", "shape_type": "circle", "points": [[8, 6], [8, 10]], "group_id": None},
        {"label": "dog", "shape_type": "rectangle", "points": [[8, 6], [2, 10]], "group_id": None},
        {
            "label": "dog",
            "shape_type": "mask",
            "points": [[1, 1], [4, 3]],
            "mask": _bitmap(),
            "group_id": None,
        },
    ],
    "imagePath": "a.png",
    "imageHeight": 12,
    "imageWidth": 16,
}
_CVAT = b"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><size>3</size><original_size><width>16</width><height>12</height>
</original_size><source>clip.mp4</source><labels><label><name>cat</name></label></labels></task></meta>
<image id="0" name="a.png" width="16" height="12">
<polygon label="cat" points="1,1;9,1;9,9"><attribute name="score">0.5</attribute></polygon>
<box label="cat" xtl="1" ytl="1" xbr="9" ybr="8" rotation="30"></box>
<ellipse label="cat" cx="8" cy="6" rx="3" ry="2"></ellipse>
<mask label="cat" rle="2, 4, 2" left="1" top="1" width="4" height="2"></mask></image>
<track id="3" label="cat"><box frame="1" outside="0" xtl="1" ytl="1" xbr="9" ybr="8"></box></track>
</annotations>
"""
_SIDECAR = b"""family = "yolo_seg"
class_names = ["cat", "dog"]
size = 640
score = 0.5
nms_iou = 0.7
[preprocessing]
order = "rgb"
scale = 0.0039
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
resize = "letterbox"
pad_value = 114
antialias = false
"""


def _frozen_graph() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        values = np.arange(6, dtype=np.float32).reshape(2, 3)
        return write_frozen({"w": values, "v": values[0]}, Path(folder) / "a.pb").read_bytes()


def _external_weights(path: Path) -> None:
    check_external_data(path)


def _external() -> bytes:
    from onnx import TensorProto, helper

    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value="a.png")
    graph = helper.make_graph([], "outside", [], [], [weights])
    content: bytes = helper.make_model(graph).SerializeToString()
    return content


def _written(form: str) -> dict[str, bytes]:
    """What our writer makes of the COCO file: every file of the layout."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "coco.json").write_text(json.dumps(_COCO), encoding="utf-8")
        Image.new("RGB", (16, 12)).save(folder / "a.png")
        target = folder / ("written" if form not in _ONE_FILE else f"written{_ONE_FILE[form]}")
        convert(folder / "coco.json", target, to=form, report=Report(form, show=lambda line: None))
        files = (
            [target]
            if target.is_file()
            else [each for each in sorted(target.rglob("[!.]*")) if each.is_file()]
        )
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


_ONE_FILE = {"coco-results": ".json", "youtube-vis": ".json", "geojson": ".geojson"}
_TRUTH = (("truth.json", json.dumps(_COCO).encode()),)


def _kind(name: str) -> str:
    """Files of a layout of the same kind are read alike: its lists by their names, others by what they end in."""
    path = Path(name)
    return path.stem if path.name in ("labelmap.txt", "meta.json") else path.suffix[1:]


def _layouts() -> Iterator[Parser]:
    """A parser for each kind of file of each layout that our writers write."""
    for form in formats():
        if form.read is None or form.name in ("coco", "labelme", "cvat", "yolo"):
            continue
        files = _written(form.name)
        kinds = {
            _kind(name): name for name in reversed(files) if not name.endswith("default.txt")
        }  # not read
        for kind, file in reversed(kinds.items()):
            others = tuple(item for item in files.items() if item[0] != file)
            depth = file.count("/")

            def place(path: Path, depth: int = depth) -> Path:
                return path.parents[depth - 1] if depth else path

            yield Parser(
                f"{form.name}-{kind}",
                file,
                files[file],
                _records(form.name, place),
                others + (_TRUTH if form.name == "coco-results" else ()),
                sealed=kind in ("png", "npz"),
            )


def _element(name: int, body: bytes) -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8) + (1 << 28 | len(body)).to_bytes(4) + body


def _matroska(checked: bool) -> bytes:
    """Two clusters of a block each, with nothing in them that could be decoded."""
    blocks = [_element(0xE7, bytes([at])) + _element(0xA3, b"\x81\0\0\x80" + bytes(9)) for at in (1, 2)]
    blocks[1] += _element(0xA0, _element(0xA1, b"\x81\0\0\0" + bytes(9)) + _element(0x9B, b"\1"))
    if checked:
        blocks = [_element(0xBF, zlib.crc32(each).to_bytes(4, "little")) + each for each in blocks]
    track = _element(0x1654AE6B, _element(0xAE, _element(0xD7, b"\1")))
    scale = _element(0x1549A966, _element(0x2AD7B1, (1_000_000).to_bytes(3)))
    clusters = b"".join(_element(0x1F43B675, each) for each in blocks)
    return _element(0x1A45DFA3, b"") + _element(0x18538067, scale + track + clusters)


_BOXES = b"".join(
    (8 + len(body)).to_bytes(4) + kind + body
    for kind, body in (
        (b"ftyp", b"isom\0\0\2\0"),
        (b"moov", bytes(40)),
        (b"moof", bytes(30)),
        (b"mdat", bytes(60)),
    )
)
_NAMES = json.dumps({"categories": _COCO["categories"]}).encode()

PARSERS = (
    Parser("coco", "coco.json", json.dumps(_COCO).encode(), _records("coco")),
    Parser("labelme", "a.json", json.dumps(_LABELME).encode(), _records("labelme")),
    Parser("cvat", "cvat.xml", _CVAT, _records("cvat")),
    Parser("yolo-yaml", "data.yaml", _YAML, _records("yolo")),
    Parser(
        "yolo-labels",
        "labels/a.txt",
        b"0 0.1 0.1 0.9 0.1 0.9 0.9\n1 0.5 0.5 0.25 0.5\n",
        _records("yolo", lambda path: path.parent.parent),
    ),
    Parser("sidecar", "mine.toml", _SIDECAR, _sidecar),
    Parser("frozen-graph", "a.pb", _frozen_graph(), _frozen),
    Parser("onnx-weights", "a.onnx", _external(), _external_weights),
    *_layouts(),
    Parser("coco-truth", "a.json", json.dumps(_COCO).encode(), _truth),
    Parser("coco-predictions", "a.json", _written("coco-results")["written.json"], _predictions, _TRUTH),
    Parser("clips-json", "a.json", _written("youtube-vis")["written.json"], _clips),
    Parser("clips-text", "a.txt", next(iter(_written("mots").values())), _clips),
    Parser("class-names", "names.json", _NAMES, lambda path: read_class_names(str(path)) and None),
    Parser("matroska", "a.mkv", _matroska(checked=False), _containers),
    Parser("matroska-checked", "a.mkv", _matroska(checked=True), _containers),
    Parser("mp4-boxes", "a.mp4", _BOXES, _containers),
)


HARD = (
    b"\0", b"\xff\xfe", b"\xc3\x28", "é😀".encode(), b'"\\ud800"', b"9" * 400, b"9" * 5000, b"-1", b"1e999", b"1e308",
    b"nan", b"NaN", b"Infinity", b"null", b"true", b"[]", b"{}", b"[" * 2000, b"{" * 300, b"a" * 5000, b"../../none",
    b"/none/at/all", b"C:\\x", b"0x10", b"\n", b"<a>", b"&lt;&x;", b"4611686018427387904", b"9223372036854775807",
    b"18446744073709551616", b"1000000", b"2021-99-99", b"&a [*a]", b"!!python/object:os.system x", b"- ", b"\t",
)  # fmt: skip
"""Pieces that parsers stumble over."""


def mutated(valid: bytes, rng: random.Random) -> bytes:
    """A valid file, changed in a few places: bits, pieces left out, doubled, exchanged, or hard ones put in."""
    data = bytearray(valid)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 1, 2, 4, 8, 32)))
        way = rng.randrange(6)
        if way == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            del data[at:end]
        elif way == 2:
            data[at:at] = data[at:end]
        elif way == 3:
            data[at:end] = rng.choice(HARD)
        elif way == 4:
            _exchange_value(data, rng)
        else:
            del data[rng.randrange(len(data) + 1) :]
    return bytes(data)


def _exchange_value(data: bytearray, rng: random.Random) -> None:
    """Put a hard piece in place of a whole number or quoted text, so that the structure stays."""
    import re

    places = list(re.finditer(rb'-?[0-9]+(?:\.[0-9]+)?|"[^"\n]*"', data))
    if places:
        place = rng.choice(places)
        piece = rng.choice(HARD)
        if place.group().startswith(b'"') and rng.random() < 0.5:
            piece = b'"' + piece + b'"'
        data[place.start() : place.end()] = piece
