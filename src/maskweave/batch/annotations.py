"""Write the job's one COCO file: each worker makes the part of its image, and the parts are joined in order."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from maskweave.annotations.coco import CocoDocument, coco_results
from maskweave.annotations.options import Options
from maskweave.annotations.text_files import file_info
from maskweave.files import atomic_file
from maskweave.ops.coco_names import category_ids
from maskweave.spool import Spool
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances

COCO_FILE = "coco.json"
"""The name of the job's file in its output folder."""


def coco_part(frame: Frame, instances: Instances, file_name: str) -> bytes:
    """One image's part: its entry and its objects, without the ids that the file gives them."""
    entry = {"file_name": file_name, "height": frame.size[0], "width": frame.size[1]}
    return zlib.compress(json.dumps([entry, coco_results(instances)]).encode())


def write_coco(path: Path, parts: Iterable[bytes], *, class_names: tuple[str, ...], model: str) -> None:
    """Write the file from the parts in their order, in constant memory; raises `OutputError`."""
    with (
        atomic_file(path, only_own=True) as temporary,
        temporary.open("w", encoding="utf-8") as file,
        Spool(path.parent) as spool,
    ):
        document = CocoDocument(file, spool, info=file_info(Options(model=model)))
        for part in parts:
            document.add(*json.loads(zlib.decompress(part)))
        ids = category_ids(class_names)
        document.finish({"id": key, "name": name} for key, name in zip(ids, class_names, strict=True))
