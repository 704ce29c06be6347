"""Truth and results in COCO's panoptic layout: a JSON file of segments, and PNG with their ids as colours.

The id of a pixel is red + 256 green + 65,536 blue; 0 is void. Source: https://cocodataset.org/#format-data, "Panoptic
Segmentation".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue, MaskWeaveError, SourceNotFound
from maskweave.evaluation.coco_truth import load_json
from maskweave.evaluation.panoptic import PanopticMap, PanopticMetric, Segment
from maskweave.evaluation.pictures import opened_picture
from maskweave.evaluation.problems import Problems


class PanopticFile:
    """One JSON file and its folder of pictures; a picture is read when it is asked for.

    Args:
        path: The JSON file.
        problems: Takes down records that cannot be used.
        folder: Of the pictures; by default the JSON file's name without ``.json``.
        like: The truth, whose categories are meant; without it the file must list them.

    Attributes:
        categories: Index into ``class_names`` by category id.
        class_names: Of all categories, in file order.
        is_thing: Of each class.
        images: (file name, annotation) by image id.

    Raises:
        SourceNotFound: File or folder are missing.
        InvalidValue: The file is no panoptic file.
    """

    def __init__(
        self, path: Path, problems: Problems, *, folder: Path | None = None, like: PanopticFile | None = None
    ) -> None:
        self.path = path
        self.folder = folder or path.with_suffix("")
        self._problems = problems
        if not self.folder.is_dir():
            raise SourceNotFound(
                f"{self.folder}: need the folder of the pictures of {path.name}, there is none"
            )
        data = load_json(path, "a COCO panoptic file")
        if not isinstance(data, Mapping) or not isinstance(data.get("annotations"), list):
            raise InvalidValue(f"{path}: need a COCO panoptic file with annotations, got none")
        self.categories: dict[int, int] = {} if like is None else like.categories
        self.class_names: tuple[str, ...] = () if like is None else like.class_names
        self.is_thing: tuple[bool, ...] = () if like is None else like.is_thing
        if like is None:
            self._read_categories(data.get("categories"))
        self.images: dict[int, tuple[str, Mapping[str, Any]]] = {}
        for number, each in enumerate(data["annotations"]):
            with problems.naming(f"{path}: annotation {number}"):
                image_id, name = int(each["image_id"]), str(each["file_name"])
                if image_id in self.images:
                    raise InvalidValue(f"need each image once, got {image_id} ({name}) again")
                self.images[image_id] = (name, each)

    def read(self, image_id: int) -> PanopticMap:
        """The segments of one image.

        Raises:
            SourceError: The picture is missing or damaged.
            InvalidValue: It has no colours, or JSON and picture do not tell of the same segments.
        """
        name, record = self.images[image_id]
        segments: dict[int, Segment] = {}
        for each in record["segments_info"]:
            segment_id, category = int(each["id"]), int(each["category_id"])
            if segment_id in segments:
                raise InvalidValue(f"{name}: need each segment id once, got {segment_id} again")
            if category not in self.categories:
                raise InvalidValue(f"{name}: need a known category of segment {segment_id}, got {category}")
            segments[segment_id] = Segment(self.categories[category], bool(each.get("iscrowd", 0)))
        try:
            return PanopticMap(read_id_colours(self.folder / name), segments)
        except InvalidValue as error:
            raise InvalidValue(f"{name}: {error}") from error

    def _read_categories(self, records: Any) -> None:
        if not isinstance(records, list) or not records:
            raise InvalidValue(f"{self.path}: need the COCO list categories with id, name and isthing")
        names: list[str] = []
        things: list[bool] = []
        for number, each in enumerate(records):
            with self._problems.naming(f"{self.path}: category {number}"):
                category, name, thing = int(each["id"]), str(each["name"]), bool(each["isthing"])
                if category in self.categories or name in names:
                    raise InvalidValue(f"need each id and name once, got {category} {name!r} again")
                self.categories[category] = len(names)
                names.append(name)
                things.append(thing)
        self.class_names, self.is_thing = tuple(names), tuple(things)


def read_id_colours(path: Path) -> NDArray[np.int64]:
    """(H, W) segment ids of an RGB PNG.

    Raises:
        SourceNotFound: There is no such file.
        UnreadableImage: It is no picture, or damaged.
        InvalidValue: It has one channel, or transparency.
    """
    with opened_picture(path, called="this picture", needed="a PNG with ids as colours") as picture:
        mode, pixels = picture.mode, np.asarray(picture)
    if mode != "RGB":
        raise InvalidValue(f"need a PNG with ids as colours (RGB), got mode {mode}")
    ids: NDArray[np.int64] = pixels.astype(np.int64) @ np.array([1, 256, 65536])
    return ids


def add_files(
    metric: PanopticMetric,
    truth: PanopticFile,
    results: PanopticFile,
    problems: Problems,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Give every image of ``truth`` and the result of the same image id to ``metric``.

    A result that is missing or cannot be used counts as an image in which nothing was found.

    Raises:
        BadRecord: Something is wrong with a record, and ``problems`` is strict.
    """
    for image_id in sorted(results.images.keys() - truth.images.keys()):
        name = results.images[image_id][0]
        problems.add(f"{results.path}: {name}: need an image of the truth, got id {image_id}; it is left out")
    for done, (image_id, (name, _)) in enumerate(truth.images.items(), start=1):
        with problems.naming(f"{truth.path}"):
            known = truth.read(image_id)
            metric.add(known, _found(results, image_id, name, known, problems))
        if progress is not None:
            progress(done, len(truth.images))


def _found(
    results: PanopticFile, image_id: int, name: str, truth: PanopticMap, problems: Problems
) -> PanopticMap:
    nothing = PanopticMap(np.zeros(truth.size, dtype=np.int64), {})
    if image_id not in results.images:
        problems.add(f"{results.path}: {name} (id {image_id}) is missing; its segments count as not found")
        return nothing
    try:
        found = results.read(image_id)
        if found.size != truth.size:
            raise InvalidValue(f"{name}: need (height, width) {truth.size}, got {found.size}")
    except (MaskWeaveError, KeyError, TypeError, ValueError) as error:
        problems.add(f"{results.path}: {error}; its segments count as not found")
        return nothing
    return found
