"""Correct a data set from the client: its files stay here, the server reads and revises the labels."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import numpy as np

from maskweave.annotations.places import safe_name
from maskweave.errors import InvalidValue, UnreadableImage
from maskweave.files import atomic_file
from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.sources.images import image_size
from maskweave.sources.kinds import IMAGE_SUFFIXES
from maskweave.types.arrays import Array, IntArray, Size
from maskweave.types.instances import Instances

if TYPE_CHECKING:
    from maskweave.serving.client import Client

_LABEL_SUFFIXES = (".json", ".yaml", ".yml", ".txt")
_MAX_SENT = 6_000_000
"""Bytes of corrections in one request: the server takes 8 MB, and several requests come to the same."""


@dataclass(frozen=True, eq=False)
class LabeledImage:
    """An image of a data set as a label file knows it.

    Attributes:
        name: Its path in the data set, "/"-separated.
        source: The label file that says so.
        instances: Its objects; one of which only the box is known has a mask without pixels.
        crowds: (N,) whether each of them stands for many.
    """

    name: str
    source: str
    instances: Instances
    crowds: Array


class RemoteDataset:
    """A data set of COCO or YOLO, a folder or a zip, whose labels a server reads and revises; see `Client.dataset`.

    Iterating yields a `LabeledImage` for each image of each label file, as it was opened. What could not be read is
    in `problems`, and stays in the files as it is.

    ::

        dataset = client.dataset("street")
        for image in dataset:
            found = client.segment(dataset.image(image.name))
            dataset.revise(image, found)
        dataset.save("street")
    """

    def __init__(self, client: Client, path: str | Path) -> None:
        self._client = client
        self._path = Path(path)
        self._labels, self._sizes = _opened(self._path)
        self._revisions: dict[tuple[str, str], dict[str, Any]] = {}
        content = self._post("read", self._labels).json()
        self.formats: tuple[str, ...] = tuple(content["formats"])
        self.class_names: tuple[str, ...] = tuple(content["class_names"])
        self.problems: tuple[str, ...] = tuple(content["problems"])
        self.images: tuple[LabeledImage, ...] = tuple(
            _image(each, self.class_names) for each in content["images"]
        )

    def __iter__(self) -> Iterator[LabeledImage]:
        return iter(self.images)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"RemoteDataset({self._path.name!r}, {'+'.join(self.formats)}, {len(self)} images)"

    def image(self, name: str) -> Path | bytes:
        """An image's file, or its bytes out of a zip: what `Client.segment` and the others take."""
        if name not in self._sizes:
            raise InvalidValue(f"image: need the name of one of {len(self._sizes)} images, got {name!r}")
        if self._path.is_dir():
            return self._path / name
        with ZipFile(self._path) as archive:
            return archive.read(name)

    def revise(
        self, image: LabeledImage, instances: Instances, *, rows: Sequence[int] | IntArray | None = None
    ) -> None:
        """Let an image have other objects, until the data set is saved; a second call replaces the first.

        Args:
            image: One of `images`.
            instances: All of its objects as they shall be. Classes that the data set lacks are added.
            rows: For each of them, which object of ``image.instances`` it is, whose id and further fields it keeps,
                or -1 for a new one; without ``rows`` all are new. Objects that are missing are taken away.

        Raises:
            InvalidValue: Sizes or rows do not fit.
        """
        given = np.full(len(instances), -1) if rows is None else np.asarray(rows, dtype=np.int64)
        if instances.size != image.instances.size:
            raise InvalidValue(
                f"{image.name}: need objects in an image of {image.instances.size}, got {instances.size}"
            )
        if given.shape != (len(instances),) or (given >= len(image.instances)).any():
            raise InvalidValue(
                f"rows: need for each of {len(instances)} objects a number of 0 to {len(image.instances) - 1} in "
                f"{image.name}, or -1, got {given.tolist()}"
            )
        columns = zip(given.tolist(), instances.names, encode_masks(instances.masks), strict=True)
        self._revisions[image.source, image.name] = {
            "name": image.name,
            "source": image.source,
            "objects": [
                {"row": None if row < 0 else row, "class": name, "rle": rle} for row, name, rle in columns
            ],
        }

    def revised(self) -> dict[str, bytes]:
        """The label files that the corrections change, by name; ids, further fields and order in them stay."""
        labels = self._labels
        for part in _parts(list(self._revisions.values())):
            with ZipFile(io.BytesIO(self._post("revise", labels, revisions=part).content)) as archive:
                labels = {safe_name(name): archive.read(name) for name in archive.namelist()}
        return {name: data for name, data in labels.items() if data != self._labels.get(name)}

    def save(self, target: str | Path) -> list[Path]:
        """Write the corrected label files below a folder, that of the data set itself for instance.

        A ``target`` with the suffix .zip becomes the whole data set, as it was opened but for the corrections.
        Returns the files that were written. Raises `OutputError` where that cannot be.
        """
        path, revised = Path(target), self.revised()
        if path.suffix.lower() == ".zip":
            with atomic_file(path) as part:
                self._pack(part, revised)
            return [path]
        for name, data in revised.items():
            with atomic_file(path / name) as part:
                part.write_bytes(data)
        return [path / name for name in revised]

    def _pack(self, target: Path, revised: dict[str, bytes]) -> None:
        """Write the data set as a zip: all files of one that was opened, or the labels and images of a folder."""
        with ZipFile(target, "w", ZIP_STORED) as packed:
            if self._path.is_dir():
                for name in sorted({*self._labels, *self._sizes} - set(revised)):
                    packed.write(self._path / name, name)
            else:
                with ZipFile(self._path) as archive:
                    for entry in archive.infolist():
                        if entry.filename not in revised:
                            packed.writestr(entry, archive.read(entry))
            for name, data in revised.items():
                packed.writestr(name, data, ZIP_DEFLATED)

    def _post(self, what: str, labels: dict[str, bytes], **request: Any) -> Any:
        images = [
            {"name": name, "width": width, "height": height} for name, (height, width) in self._sizes.items()
        ]
        asked = {"images": images, **request}
        return self._client.post(f"/v1/datasets/{what}", "labels", _zipped(labels), request=asked)


def _opened(path: Path) -> tuple[dict[str, bytes], dict[str, Size]]:
    """The label files of a folder or a zip, and the sizes of its images, by name; what is no image is left out."""
    labels: dict[str, bytes] = {}
    sizes: dict[str, Size] = {}
    for name, data in _files(path):
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in _LABEL_SUFFIXES:
            labels[name] = data if isinstance(data, bytes) else data.read_bytes()
        else:
            try:
                sizes[name] = image_size(data)
            except UnreadableImage:
                continue
    return labels, sizes


def _files(path: Path) -> Iterator[tuple[str, Path | bytes]]:
    """Labels and images below a folder or in a zip, without hidden ones."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            name = file.relative_to(path).as_posix()
            if _belongs(name) and file.is_file():
                yield name, file
        return
    try:
        with ZipFile(path) as archive:
            for entry in archive.infolist():
                if _belongs(entry.filename) and not entry.is_dir():
                    yield entry.filename, archive.read(entry)
    except (OSError, BadZipFile) as error:
        raise InvalidValue(f"{path}: need a folder or a zip, got neither ({error})") from error


def _belongs(name: str) -> bool:
    path = PurePosixPath(name)
    is_hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return not is_hidden and path.suffix.lower() in (*_LABEL_SUFFIXES, *IMAGE_SUFFIXES)


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _parts(revisions: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The revisions in parts, each as much as one request may bring."""
    part: list[dict[str, Any]] = []
    length = 0
    for each in revisions:
        size = len(json.dumps(each))
        if part and length + size > _MAX_SENT:
            yield part
            part, length = [], 0
        part.append(each)
        length += size
    if part:
        yield part


def _image(answer: dict[str, Any], class_names: tuple[str, ...]) -> LabeledImage:
    height, width = answer["size"]
    objects = answer["objects"]
    instances = Instances(
        decode_masks([each["rle"] for each in objects], (height, width)),
        np.array([each["box"] for each in objects], dtype=np.float64).reshape(-1, 4),
        np.array([1.0 if each["score"] is None else each["score"] for each in objects]),
        np.array([class_names.index(each["class"]) for each in objects], dtype=np.int64),
        class_names,
    )
    return LabeledImage(
        answer["name"], answer["source"], instances, np.array([each["crowd"] for each in objects], dtype=bool)
    )
