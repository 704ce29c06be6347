"""What a file or folder is that no format takes, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from maskweave.annotations.json_stream import json_outline
from maskweave.annotations.texts import open_text
from maskweave.sources.kinds import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from maskweave.sources.walk import files_below

_LOOKED_AT = 20
"""Files of a folder of which it is looked what they are."""
_HEAD = 4000
_JSON = (".json", ".geojson", ".jsonl", ".ndjson")
_SUFFIXES = (".xml", ".txt", ".csv", *_JSON, ".zip")

_PACKED = (b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh", b"\xfd7zXZ", b"\x1f\x8b")
_NUMBER = r"-?\d+(\.\d+)?(e[-+]?\d+)?"
_TEXTS = (
    (
        r"\W*(<\?[^>]*>\s*)?<annotation[ >]",
        "got Pascal VOC's boxes (XML), which say nothing of masks; give the folder of its SegmentationClass",
    ),
    (
        rf"(\d+ -?\d+ )?\w+ -?\d(\.\d+)? -?[0-3] {_NUMBER}( {_NUMBER}){{11,12}}\s",
        "got KITTI's boxes, which say nothing of masks; KITTI MOTS is read",
    ),
    (
        rf"\d+,-?\d+,{_NUMBER}(,{_NUMBER}){{4,}}\s",
        "got boxes of the MOT challenge, which say nothing of masks; MOTS is read",
    ),
    (
        rf"(imagesource:.*\n|gsd:.*\n)*{_NUMBER}( {_NUMBER}){{7}} [A-Za-z][\w-]*( [012])?\s",
        "got labels of DOTA, which are not read; its YOLO form (OBB) with a data.yaml is",
    ),
    (
        r"\d+(\.0*)?([ \t]+[-+.,\de]+){4,}\s",
        "got labels of YOLO without their data.yaml, which names the classes and where the images are",
    ),
    (r"(MaskPath,)?ImageID,", "got a table of Open Images, which is not read; convert it to COCO first"),
    (
        r"#?\s*filename,file_size,file_attributes",
        "got a table of VIA, which is not read; export the project as COCO there",
    ),
)
"""Beginning of a text, and what to say of it."""
_KEYS = (
    ({"_via_img_metadata"}, "got a project of VIA, which is not read; export it as COCO there"),
    (
        {"categories", "items"},
        "got Datumaro's JSON, which is not read; export COCO or CVAT with `datum convert`",
    ),
    ({"nbformat"}, "got a notebook"),
    ({"dataset"}, "got an object whose data stand under 'dataset'; give that part as a file of its own"),
)
"""Keys of a JSON object, and what to say of it."""
_INNER = (
    ({"filename", "regions"}, "got annotations of VIA, which are not read; export the project as COCO there"),
    ({"image", "annotations"}, "got CreateML's boxes, which say nothing of masks"),
    ({"video_id", "score"}, "got results without segmentations"),
)
"""Keys of the first object of a JSON list, or of the first member, and what to say of it."""


def hint(source: Path) -> str:
    """What a source is that no format takes, and what to do; "" for anything unknown."""
    if source.is_file():
        return _of_file(source)
    files = list(islice(files_below(source, _SUFFIXES), _LOOKED_AT))
    found = next(filter(None, map(_of_file, files)), "")
    return found or ("" if files else _of_folder(source))


def _of_folder(folder: Path) -> str:
    if next(files_below(folder, IMAGE_SUFFIXES), None) is not None:
        return "got a folder of images without annotations; `maskweave segment` makes some"
    return "" if next(files_below(folder, ("",)), None) is not None else "got an empty folder"


def _of_file(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    suffix = file.suffix.lower()
    if not head.strip(b"\0\xef\xbb\xbf \t\r\n"):
        return f"{file.name} is empty"
    if suffix in IMAGE_SUFFIXES + VIDEO_SUFFIXES:
        return "got an image or a video; `maskweave segment` makes annotations of it"
    if head.startswith(_PACKED) and not json_outline(file).keys:
        return f"{file.name} is packed; unpack it and give the folder"
    return next(filter(None, (*_of_json(file), _of_text(file))), "")


def _of_json(file: Path) -> Iterator[str]:
    outline = json_outline(file)
    yield from (sentence for keys, sentence in _KEYS if keys <= outline.keys)
    yield from (sentence for keys, sentence in _INNER for inner in outline.inner.values() if keys <= inner)
    if file.suffix.lower() in _JSON:
        yield outline.fault


def _of_text(file: Path) -> str:
    with open_text(file, errors="replace") as opened:
        head = opened.read(_HEAD) + "\n"
    return next((sentence for begins, sentence in _TEXTS if re.match(begins, head)), "")
