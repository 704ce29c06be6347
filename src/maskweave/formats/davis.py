"""DAVIS: a folder of palette pictures a video, whose pixels are the objects' numbers.

``Annotations/480p/<video>/<frame>.png`` (read besides: without the two outer folders, or one video alone) and
``JPEGImages/480p/<video>/<frame>.jpg``. 255 is void. Source: https://davischallenge.org.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image as Pictures

from maskweave.errors import InvalidValue
from maskweave.evaluation.davis_folders import read_id_map
from maskweave.formats.base import Format, Options, Put
from maskweave.formats.id_pictures import flattened, objects_of_ids
from maskweave.formats.ledger import Ledger
from maskweave.formats.numbering import TrackNumbers
from maskweave.formats.places import new_file, picture_of_stem, put_picture
from maskweave.formats.record import Record
from maskweave.outputs.davis import LARGEST_ID
from maskweave.outputs.files import atomic_folder
from maskweave.outputs.masks_png import encode_palette
from maskweave.sources.walk import files_below
from maskweave.types.instances import Instances

CLASS = "object"
"""What every object is called, as the format has no classes."""
_VOID = 255


def recognise(path: Path) -> str | None:
    """A folder of 8-bit palette, grey or 1-bit PNGs, each video's in a folder of its own."""
    first = next(files_below(_root(path), (".png",)), None) if path.is_dir() else None
    if first is None:
        return None
    try:
        with Pictures.open(first) as picture:
            fits = picture.mode in ("P", "L", "1")
    except (OSError, ValueError, SyntaxError):
        return None
    named = (path / "Annotations").is_dir() or (path / "480p").is_dir()
    return "folders of id pictures" if fits and (named or first.parent != path) else None


def read(path: Path, options: Options, ledger: Ledger) -> Iterator[Record]:
    """Yield a record for each picture; every object is of the class "object"."""
    root = _root(path)
    video, frame, found = "", 0, False
    for file in files_below(root, (".png",)):
        found = True
        folder = file.parent.relative_to(root).as_posix()
        folder = root.name if folder == "." else folder
        video, frame = (video, frame + 1) if folder == video else (folder, 0)
        record = ledger.attempt(f"{video}/{file.name}", partial(_record, path, file, video, frame, options))
        if record is not None:
            yield record
    if not found:
        raise InvalidValue(f"{path}: need folders of PNGs, one a video; found none")


def _root(path: Path) -> Path:
    for name in ("Annotations", "480p", "Full-Resolution"):
        path = path / name if (path / name).is_dir() else path
    return path


def _record(path: Path, file: Path, video: str, frame: int, options: Options) -> Record:
    ids = read_id_map(file)
    numbers, masks = objects_of_ids(ids, without=(0, _VOID))
    stem = f"{video}/{file.stem}"
    pictures = path / "JPEGImages"
    picture = picture_of_stem(stem, options.images, pictures / "480p", pictures / "Full-Resolution", pictures)
    return Record(
        file_name=f"{stem}{picture.suffix if picture else '.jpg'}",
        instances=Instances(
            masks=masks,
            boxes=masks.boxes,
            scores=np.ones(len(masks)),
            class_ids=np.zeros(len(masks), dtype=np.int64),
            class_names=(CLASS,),
            track_ids=np.array(numbers, dtype=np.int64),
        ),
        video=video,
        frame=frame,
        picture=picture,
    )


@contextmanager
def write(path: Path, options: Options, ledger: Ledger) -> Iterator[Put]:
    """Write a palette picture for each record; stills go into the folder "video"."""
    tracks = TrackNumbers(first=1, last=LARGEST_ID)
    with atomic_folder(path) as folder:

        def put(record: Record) -> None:
            names = record.instances.names
            ledger.lost("classes", sum(name != CLASS for name in names))
            numbers = tracks.of(record, [record.group] * len(names), ledger)
            fits = numbers > 0
            painted, seen = flattened(
                record.instances[fits].replace(track_ids=numbers[fits]), options.overlaps, ledger
            )
            own = np.array([0, *([] if seen.track_ids is None else seen.track_ids)], dtype=np.uint8)
            name = f"{record.group}/{PurePosixPath(record.stem).name}"
            file = new_file(folder / "Annotations" / "480p", f"{name}.png")
            put_picture(record, folder / "JPEGImages" / "480p", options.pictures)
            file.write_bytes(encode_palette(own[painted]))

        yield put


FORMAT = Format(
    name="davis",
    title="DAVIS",
    layout="a folder with `Annotations/480p/<video>/`",
    keeps=frozenset({"holes", "parts", "tracks", "empty pictures", "file names"}),
    recognise=recognise,
    read=read,
    write=write,
    note="254 objects a video",
)
