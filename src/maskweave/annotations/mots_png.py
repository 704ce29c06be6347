"""MOTS images: a folder of 16-bit PNGs a video, whose pixels are class x 1000 + the object's number.

``instances/<video>/<frame>.png``; 10000 is a region to be ignored. KITTI's classes are 1 (car) and 2 (person), others
get numbers from 11 to 65 here, which no tool of KITTI knows. Source: https://www.vision.rwth-aachen.de/page/mots.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from maskweave.annotations.base import Format, Put
from maskweave.annotations.classes import ClassNumbers
from maskweave.annotations.id_images import flattened, has_areas, objects_of_ids, read_indices
from maskweave.annotations.mots import IGNORE_CLASS, KITTI_CLASSES, MAX_ID, frame_record
from maskweave.annotations.numbering import FrameNumbers, TrackNumbers
from maskweave.annotations.options import Options
from maskweave.annotations.places import find_image, label_files, new_file
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.errors import BadRecord, MaskWeaveError
from maskweave.files import atomic_folder
from maskweave.ops.masks_png import encode_id_map
from maskweave.sources.walk import files_below

_LOOKED_AT = 20
_LAST_CLASS = 64  # 65 x 1000 + 999 does not fit 16 bits


def detect(path: Path) -> str | None:
    """A folder ``instances`` with folders of 16-bit PNGs, or such folders themselves."""
    root = path / "instances" if (path / "instances").is_dir() else path
    files = islice(files_below(root, (".png",)), _LOOKED_AT) if root.is_dir() else ()
    highest = max((_highest(file) for file in files if file.parent != path), default=0)
    return "folders of 16-bit images of class x 1000 + id" if highest >= 1000 else None


def _highest(file: Path) -> int:
    """The highest number of an image of numbers; 0 for any other."""
    try:
        ids = read_indices(file)
    except MaskWeaveError:
        return 0
    return int(ids.max(initial=0)) if has_areas(ids) else 0


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each image."""
    root = path / "instances" if (path / "instances").is_dir() else path
    video, frame = "", 0
    for file, _ in label_files(root, ".png", need="folders of PNGs, one a video"):
        folder = file.parent.relative_to(root).as_posix()
        folder = root.name if folder == "." else folder
        video, frame = (video, frame + 1) if folder == video else (folder, 0)
        number = int(file.stem) if file.stem.isdecimal() and len(file.stem) < 10 else frame
        yield from report.made(f"{video}/{file.name}", partial(_record, file, video, number, options))


def _record(file: Path, video: str, frame: int, options: Options) -> Record:
    numbers, masks = objects_of_ids(read_indices(file))
    wrong = next((number for number in numbers if number < 1000), None)
    if wrong is not None:
        raise BadRecord(f"need pixels of class x 1000 + id, got {wrong}")
    return frame_record(
        f"{video}/{file.stem}.png",
        masks,
        [number // 1000 for number in numbers],
        [number % 1000 for number in numbers],
        video=video,
        frame=frame,
        image=find_image(f"{video}/{file.stem}.png", options.images),
    )


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write a 16-bit image for each record, named by the frame's number."""
    classes = ClassNumbers(keep=False, first=IGNORE_CLASS + 1, fixed=KITTI_CLASSES, last=_LAST_CLASS)
    tracks = TrackNumbers(first=0, last=MAX_ID)
    frames = FrameNumbers()
    with atomic_folder(path, overwrite=options.overwrite) as folder:

        def put(record: Record) -> None:
            classes.learn(record)
            instances = record.instances
            known = np.array([name in classes for name in instances.names], dtype=bool)
            report.lost("ids", int((~known).sum()))
            report.lost(
                "classes", sum(name in classes and name not in KITTI_CLASSES for name in instances.names)
            )
            kept = Record(record.file_name, instances[known], video=record.video, frame=record.frame)
            groups = [f"{record.group}\0{name}" for name in kept.instances.names]
            numbers = tracks.of(kept, groups, report)
            fits = numbers >= 0
            painted, seen = flattened(
                kept.instances[fits].replace(track_ids=numbers[fits]), options.overlaps, report
            )
            values = np.zeros(len(seen) + 1, dtype=np.int64)
            if seen.track_ids is not None:
                values[1:] = [1000 * classes[name] for name in seen.names] + seen.track_ids
            file = new_file(folder / "instances", f"{record.group}/{frames.of(record):06d}.png")
            file.write_bytes(encode_id_map(values[painted], wide=True))

        yield put


FORMAT = Format(
    name="mots-png",
    title="MOTS (PNG)",
    layout="a folder with `instances/<video>/`",
    holds=frozenset({"holes", "parts", "tracks", "empty images"}),
    detect=detect,
    read=read,
    write=write,
    stills=False,
    needs_tracks=True,
    note="1000 ids a class; only car and person keep their names",
)
