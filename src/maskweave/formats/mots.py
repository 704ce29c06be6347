"""KITTI MOTS text: a ``.txt`` a video, a line for each object of each frame (see `maskweave.outputs.mots`).

Read: class 1 is car, 2 is person, 10 a crowd called "ignore", from 101 on COCO's categories as MaskWeave writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from maskweave.errors import BadRecord, InvalidValue
from maskweave.formats.base import Format, Options, Put
from maskweave.formats.classes import ClassNumbers
from maskweave.formats.id_pictures import flattened
from maskweave.formats.ledger import Ledger
from maskweave.formats.numbering import FrameNumbers, TrackNumbers
from maskweave.formats.places import find_picture, new_file
from maskweave.formats.record import Record
from maskweave.ops.coco_names import COCO_IDS, FIRST_FREE_ID
from maskweave.ops.mots_rows import KITTI_CLASSES, MotsRow, format_row, parse_row
from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.outputs.files import atomic_folder
from maskweave.outputs.mots import LARGEST_ID
from maskweave.outputs.spool import Spool
from maskweave.sources.walk import files_below
from maskweave.types.instances import Instances

IGNORE_CLASS = 10
_OTHERS = 100  # what COCO's ids are raised by


def recognise(path: Path) -> str | None:
    """A text file, or a folder of such, whose first line is one of KITTI MOTS."""
    file = next(files_below(path, (".txt",)), None) if path.is_dir() else path
    if file is None or file.suffix.lower() != ".txt":
        return None
    try:
        with file.open(encoding="ascii", errors="replace") as lines:
            parse_row(lines.readline())
    except (OSError, InvalidValue):
        return None
    return "lines of frame, id, class, height, width and run lengths"


def class_name(class_id: int) -> str:
    """What a class number means.

    >>> class_name(1), class_name(2), class_name(118), class_name(250)
    ('car', 'person', 'dog', 'class 250')
    """
    names = {1: "car", 2: "person", IGNORE_CLASS: "ignore"}
    names |= {number + _OTHERS: name for name, number in COCO_IDS.items()}
    return names.get(class_id, f"class {class_id}")


def read(path: Path, options: Options, ledger: Ledger) -> Iterator[Record]:
    """Yield a record for each frame with objects, video by video."""
    files = files_below(path, (".txt",)) if path.is_dir() else iter((path,))
    root = path if path.is_dir() else path.parent
    found = False
    for file in files:
        video = file.relative_to(root).with_suffix("").as_posix()
        with Spool() as spool:
            _spool_rows(file, spool, ledger)
            for frame in sorted(key for key in spool if isinstance(key, int)):
                found = True
                rows = [parse_row(spool.read(place).decode("ascii")) for place in spool.places(frame)]
                record = ledger.attempt(f"{file.name}, frame {frame}", partial(_record, video, rows, options))
                if record is not None:
                    yield record
    if not found:
        raise InvalidValue(f"{path}: need lines of KITTI MOTS, found none")


def _spool_rows(file: Path, spool: Spool, ledger: Ledger) -> None:
    try:
        lines = file.open(encoding="ascii", errors="replace")
    except OSError as error:
        raise InvalidValue(f"{file}: cannot be read ({error.strerror})") from error
    with lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                row = ledger.attempt(f"{file.name}, line {number}", partial(_checked, line))
                if row is not None:
                    spool.add(row.frame, line.encode("ascii"))


def _checked(line: str) -> MotsRow:
    row = parse_row(line)
    height, width = row.rle["size"]
    if row.frame < 0 or row.class_id < 0 or not 0 <= row.track_id <= LARGEST_ID or min(height, width) < 1:
        raise BadRecord(f"need frame, id, class and size of KITTI MOTS, got {line[:60]!r}")
    decode_masks([row.rle], (height, width))
    return row


def _record(video: str, rows: Sequence[MotsRow], options: Options) -> Record:
    frame, (height, width) = rows[0].frame, rows[0].rle["size"]
    names = tuple(dict.fromkeys(class_name(row.class_id) for row in rows))
    masks = decode_masks([row.rle for row in rows], (height, width))
    file_name = f"{video}/{frame:06d}.png"
    instances = Instances(
        masks=masks,
        boxes=masks.boxes,
        scores=np.ones(len(rows)),
        class_ids=np.array([names.index(class_name(row.class_id)) for row in rows], dtype=np.int64),
        class_names=names,
        track_ids=np.array([row.track_id for row in rows], dtype=np.int64),
    )
    crowd = np.array([row.class_id == IGNORE_CLASS for row in rows], np.bool_)
    picture = find_picture(file_name, options.images)
    return Record(file_name, instances, crowd=crowd, video=video, frame=frame, picture=picture)


@contextmanager
def write(path: Path, options: Options, ledger: Ledger) -> Iterator[Put]:
    """Write a text file for each video. Classes that COCO does not have get numbers from 201 on."""
    classes = ClassNumbers(keep=False, first=FIRST_FREE_ID, fixed=COCO_IDS)
    tracks = TrackNumbers(first=0, last=LARGEST_ID)
    frames = FrameNumbers()
    with atomic_folder(path) as folder, ExitStack() as files:
        appending = _Appending(folder, files)

        def put(record: Record) -> None:
            classes.learn(record)
            names = record.instances.names
            ledger.lost("classes", sum(name not in COCO_IDS for name in names))
            numbers = tracks.of(record, [f"{record.group}\0{name}" for name in names], ledger)
            fits = numbers >= 0
            _, seen = flattened(
                record.instances[fits].replace(track_ids=numbers[fits]), options.overlaps, ledger
            )
            frame = frames.of(record)
            lines = []
            for row, rle in enumerate(encode_masks(seen.masks)):
                name = seen.names[row]
                class_id = KITTI_CLASSES.get(name, _OTHERS + classes[name])
                track_id = 0 if seen.track_ids is None else int(seen.track_ids[row])
                lines.append(format_row(MotsRow(frame, track_id, class_id, rle)) + "\n")
            appending.write(record.group, "".join(lines))

        yield put
        appending.close()


class _Appending:
    """Text files by name, of which one is open at a time."""

    def __init__(self, folder: Path, files: ExitStack) -> None:
        self._folder, self._files = folder, files
        self._name: str | None = None
        self._known: set[str] = set()

    def write(self, name: str, text: str) -> None:
        if name != self._name:
            self.close()
            path = (
                self._folder / f"{name}.txt" if name in self._known else new_file(self._folder, f"{name}.txt")
            )
            self._known.add(name)
            self._file = self._files.enter_context(path.open("a", encoding="ascii", newline="\n"))
            self._name = name
        self._file.write(text)

    def close(self) -> None:
        self._files.close()
        self._name = None


FORMAT = Format(
    name="mots",
    title="KITTI MOTS (text)",
    layout="a folder of `<video>.txt`",
    keeps=frozenset({"holes", "parts", "tracks"}),
    recognise=recognise,
    read=read,
    write=write,
    note="1000 ids a class; only classes of COCO keep their names",
)
