"""KITTI MOTS text: a ``.txt`` a video, a line ``frame id class_id height width rle`` for each object of each frame.

``id`` is class_id * 1000 + the object's number. Class 1 is car, 2 is person, 10 a crowd called "ignore"; any other
class is written as 100 + its COCO category id, which meets none of them. Masks of one frame do not overlap. Source:
https://www.vision.rwth-aachen.de/page/mots, "Annotation Format".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from maskweave.annotations.base import Format, Put
from maskweave.annotations.classes import ClassNumbers
from maskweave.annotations.id_images import flattened
from maskweave.annotations.numbering import FrameNumbers, TrackNumbers
from maskweave.annotations.objects import make_objects, numbered
from maskweave.annotations.options import Options
from maskweave.annotations.places import find_image, label_files, new_file
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.texts import open_text
from maskweave.annotations.values import whole
from maskweave.errors import BadRecord, InvalidValue
from maskweave.files import atomic_file, atomic_folder
from maskweave.ops.coco_names import COCO_IDS, FIRST_FREE_ID
from maskweave.ops.rle import Rle, decode_masks, encode_masks
from maskweave.sources.walk import files_below
from maskweave.spool import Spool
from maskweave.types.masks import Masks, concatenate

KITTI_CLASSES = {"car": 1, "pedestrian": 2, "person": 2}
IGNORE_CLASS, MAX_ID = 10, 999
_LOOKED_AT = 20  # files of a folder, and lines of a file
_OTHERS = 100  # what COCO's ids are raised by


class MotsRow(NamedTuple):
    """One line of a file: an object in a frame (counted from 0)."""

    frame: int
    track_id: int
    class_id: int
    rle: Rle


def format_row(row: MotsRow) -> str:
    """One line of a file, without its end."""
    height, width = row.rle["size"]
    return f"{row.frame} {_number(row)} {row.class_id} {height} {width} {row.rle['counts']}"


def _number(row: MotsRow) -> int:
    """The id as it stands in the line: of KITTI's truth class x 1000 + the track's, of results often any."""
    return row.class_id * 1000 + row.track_id


def parse_row(line: str) -> MotsRow:
    """Read one line; raises `InvalidValue` when it is not of this format."""
    words = line.split()
    try:
        frame, number, class_id, height, width = (whole(word, "a number") for word in words[:5])
        (counts,) = words[5:]
    except (ValueError, BadRecord) as error:
        got = line.strip()[:80]
        raise InvalidValue(f"mots: need 'frame id class_id height width rle', got {got!r}") from error
    return MotsRow(frame, number - class_id * 1000, class_id, Rle(size=[height, width], counts=counts))


def detect(path: Path) -> str | None:
    """A text file, or a folder with such, that has lines of KITTI MOTS."""
    files = islice(files_below(path, (".txt",)), _LOOKED_AT) if path.is_dir() else (path,)
    return "lines of frame, id, class, height, width and run lengths" if any(map(_is_mots, files)) else None


def _is_mots(file: Path) -> bool:
    """Whether one of the first lines of a text file is of KITTI MOTS; the others may be damaged."""
    if file.suffix.lower() != ".txt":
        return False
    with suppress(OSError, EOFError), open_text(file, errors="replace") as lines:
        for line in islice(lines, _LOOKED_AT):
            with suppress(InvalidValue):
                parse_row(line)
                return True
    return False


def class_name(class_id: int) -> str:
    """What a class number means.

    >>> class_name(1), class_name(2), class_name(118), class_name(250)
    ('car', 'person', 'dog', 'class 250')
    """
    names = {1: "car", 2: "person", IGNORE_CLASS: "ignore"}
    names |= {number + _OTHERS: name for name, number in COCO_IDS.items()}
    return names.get(class_id, f"class {class_id}")


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each frame with objects, video by video."""
    found = False
    for file, name in label_files(path, ".txt", need="text files of KITTI MOTS"):
        if path.is_dir() and not _is_mots(file):
            report.warn(f"{name}: passed over, as it is no text of KITTI MOTS")
            continue
        video = video_name(name)
        with Spool() as spool:
            with_class = _spool_rows(file, spool, report)
            for frame in sorted(key for key in spool if isinstance(key, int)):
                rows = _checked_rows(file, spool, frame, report, with_class=with_class)
                if rows:
                    found = True
                    yield from report.made(
                        f"{file.name}, frame {frame}",
                        partial(_record, video, rows, options, with_class=with_class),
                    )
    if not found:
        raise InvalidValue(f"{path}: need lines of KITTI MOTS, found none")


def video_name(file: str) -> str:
    """The video that a file is of.

    >>> video_name("street.mots.txt"), video_name("0001.txt")
    ('street', '0001')
    """
    return file.removesuffix(".txt").removesuffix(".mots")


def _spool_rows(file: Path, spool: Spool, report: Report) -> bool:
    """Put each line with its number under its frame.

    Returns whether ids are class x 1000 + the track's, as in KITTI's truth; results of trackers may have any.
    """
    fit = count = 0
    try:
        lines = open_text(file, errors="replace")
    except OSError as error:
        raise InvalidValue(f"{file}: cannot be read ({error.strerror})") from error
    with lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            for row in report.made(f"{file.name}, line {number}", partial(parse_row, line)):
                fit += 0 <= row.track_id <= MAX_ID
                count += 1
                spool.add(row.frame, f"{number} {format_row(row)}".encode())
    return 2 * fit >= count


def _checked_rows(
    file: Path, spool: Spool, frame: int, report: Report, *, with_class: bool
) -> list[tuple[MotsRow, Masks]]:
    """The rows of a frame with their masks, of the size that most of them have; others are problems."""
    found: list[tuple[MotsRow, Masks]] = []
    for place in spool.places(frame):
        number, _, line = spool.read(place).decode().partition(" ")
        found += report.made(f"{file.name}, line {number}", partial(_checked, line, with_class=with_class))
    sizes = [masks.size for _, masks in found]
    usual = max(sizes, key=sizes.count, default=(0, 0))
    for (row, _), size in zip(found, sizes, strict=True):
        if size != usual:
            report.problem(
                f"{file.name}, frame {frame}",
                f"need id {_number(row)} in {usual[1]} x {usual[0]} pixels like the rest, got {size[1]} x {size[0]}",
            )
    return [each for each in found if each[1].size == usual]


def _checked(line: str, *, with_class: bool) -> tuple[MotsRow, Masks]:
    row = parse_row(line)
    height, width = row.rle["size"]
    fits = 0 <= row.track_id <= MAX_ID if with_class else _number(row) >= 0
    if row.frame < 0 or row.class_id < 0 or not fits or min(height, width) < 1:
        raise BadRecord(f"need frame, id, class and size of KITTI MOTS, got {line[:60]!r}")
    return row, decode_masks([row.rle], (height, width))


def _record(
    video: str, rows: Sequence[tuple[MotsRow, Masks]], options: Options, *, with_class: bool
) -> Record:
    frame = rows[0][0].frame
    file_name = f"{video}/{frame:06d}.png"
    return frame_record(
        file_name,
        concatenate([masks for _, masks in rows]),
        [row.class_id for row, _ in rows],
        [row.track_id if with_class else _number(row) for row, _ in rows],
        video=video,
        frame=frame,
        image=find_image(file_name, options.images),
    )


def frame_record(
    file_name: str, masks: Masks, class_ids: Sequence[int], track_ids: Sequence[int], **more: Any
) -> Record:
    """The record of a frame whose objects have KITTI's numbers of classes; ``more`` is what else a record has."""
    instances = make_objects(masks, *numbered(list(map(class_name, class_ids))), track_ids=track_ids)
    crowd = np.array([each == IGNORE_CLASS for each in class_ids], np.bool_)
    return Record(file_name, instances, crowd=crowd, **more)


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write a text file for each video, or, where ``path`` ends in ``.txt``, the file of the only one.

    Classes that COCO does not have get numbers from 201 on.
    """
    with ExitStack() as files:
        if path.suffix == ".txt":
            texts = _Texts(files.enter_context(atomic_file(path)), single=True)
        else:
            texts = _Texts(files.enter_context(atomic_folder(path, overwrite=options.overwrite)))
        rows = _Rows(options, report)

        def put(record: Record) -> None:
            texts.write(record.group, "".join(f"{format_row(row)}\n" for row in rows.of(record)))

        with closing(texts):
            yield put


class _Rows:
    """The lines of records, whose classes and tracks get numbers as they come."""

    def __init__(self, options: Options, report: Report) -> None:
        self._options, self._report = options, report
        self._classes = ClassNumbers(keep=False, first=FIRST_FREE_ID, fixed=COCO_IDS)
        self._tracks = TrackNumbers(first=0, last=MAX_ID)
        self._frames = FrameNumbers()

    def of(self, record: Record) -> Iterator[MotsRow]:
        self._classes.learn(record)
        names = record.instances.names
        self._report.lost("classes", sum(name not in COCO_IDS for name in names))
        others = sorted(set(names) - set(KITTI_CLASSES))
        if others and self._options.model is not None:
            self._report.warn(
                "classes other than car and person are written as 100 + COCO's id, which KITTI's tools do not know; "
                "--classes car,person leaves them out"
            )
        numbers = self._tracks.of(record, [f"{record.group}\0{name}" for name in names], self._report)
        fits = numbers >= 0
        kept = record.instances[fits].replace(track_ids=numbers[fits])
        _, seen = flattened(kept, self._options.overlaps, self._report)
        frame = self._frames.of(record)
        for row, rle in enumerate(encode_masks(seen.masks)):
            name = seen.names[row]
            class_id = KITTI_CLASSES.get(name, _OTHERS + self._classes[name])
            track_id = 0 if seen.track_ids is None else int(seen.track_ids[row])
            yield MotsRow(frame, track_id, class_id, rle)


class _Texts:
    """The text file of each video in a folder, or (``single``) the file of the only one; one is open at a time."""

    def __init__(self, path: Path, *, single: bool = False) -> None:
        self._path, self._single = path, single
        self._open: IO[str] | None = None
        self._name: str | None = None
        self._known: dict[str, Path] = {}

    def write(self, name: str, text: str) -> None:
        """Add lines of a video."""
        if self._single and self._name not in (None, name):
            raise BadRecord(
                f"need frames of one video in one file, got {self._name} and {name}; give a folder"
            )
        if name != self._name or self._open is None:
            self.close()
            if name not in self._known:
                self._known[name] = self._path if self._single else new_file(self._path, f"{name}.txt")
            self._open, self._name = self._known[name].open("a", encoding="ascii", newline="\n"), name
        self._open.write(text)

    def close(self) -> None:
        """Bring all lines to the files."""
        if self._open is not None:
            self._open.close()
        self._open = None


FORMAT = Format(
    name="mots",
    title="KITTI MOTS (text)",
    layout="a folder of `<video>.txt`",
    holds=frozenset({"holes", "parts", "tracks"}),
    detect=detect,
    read=read,
    write=write,
    suffix=".mots.txt",
    media_type="text/plain",
    stills=False,
    needs_tracks=True,
    note="1000 ids a class; only classes of COCO keep their names",
)
