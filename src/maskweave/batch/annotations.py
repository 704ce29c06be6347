"""The job's one COCO file: each picture's part is made by its worker, the file from the parts in order."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from maskweave.outputs.coco import CocoStream, coco_results, file_info
from maskweave.outputs.files import atomic_file
from maskweave.outputs.spool import Spool
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances

COCO_FILE = "coco.json"
"""The name of the job's file in its output folder."""


def coco_part(frame: Frame, instances: Instances, file_name: str) -> bytes:
    """One picture's part: its entry and its objects, with numbers that `write_coco` replaces."""
    entry = {"id": 0, "file_name": file_name, "height": frame.size[0], "width": frame.size[1]}
    return zlib.compress(json.dumps([entry, coco_results(instances)]).encode())


def write_coco(path: Path, parts: Iterable[bytes], *, class_names: tuple[str, ...], model: str) -> None:
    """Write the file from the parts in their order, in constant memory; raises `OutputError`."""
    with (
        atomic_file(path, only_ours=True) as temporary,
        temporary.open("w", encoding="utf-8") as file,
        Spool(path.parent) as spool,
    ):
        stream = CocoStream(file, spool, class_names=class_names, info=file_info(model))
        for part in parts:
            entry, results = json.loads(zlib.decompress(part))
            stream.add(entry, results)
        stream.finish()
