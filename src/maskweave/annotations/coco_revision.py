"""Put corrected objects back into a COCO file; whatever was not corrected keeps its text.

An annotation that was corrected keeps its other members: its id, its attributes, what other programs wrote there.
Its mask is written as it was, as polygons or run lengths; one with holes becomes run lengths, as polygons hold none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from maskweave.annotations.coco_reading import (
    Classes,
    CocoObject,
    IdSet,
    checked_objects,
    read_categories,
)
from maskweave.annotations.json_edit import Part, parts_of, rebuilt, style_of, with_values
from maskweave.annotations.report import DAMAGE, Report
from maskweave.annotations.revision import Change, Revision, exact_text
from maskweave.annotations.segmentation import segmentation_to_masks
from maskweave.annotations.values import Id, identifier
from maskweave.errors import InvalidValue
from maskweave.files import atomic_file
from maskweave.ops.polygons import masks_to_polygons
from maskweave.ops.rle import encode_masks, expand_counts
from maskweave.types.masks import Masks


def revise(path: Path, revisions: Sequence[Revision]) -> None:
    """Write revisions into one COCO file; see `annotations.revision.revise`."""
    changes = {each.record.image_id: (each, made) for each in revisions if (made := each.changes())}
    if not changes:
        return
    text = exact_text(path)
    document = _Document(path.name, text)
    for image_id, (revision, made) in changes.items():
        document.put(image_id, revision, made)
    with atomic_file(path) as part:
        part.write_bytes(document.text().encode())


class _Document:
    """A COCO file as text, and what is to be exchanged in it."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        self._begin = len(text) - len(text.removeprefix("\ufeff"))
        self._lists = {part.key: part for part in parts_of(text, self._begin)[0]}
        self._images, self._annotations, self._categories = (
            self._parts(key) for key in ("images", "annotations", "categories")
        )
        self._style = style_of(text, self._sample("annotations"))
        self._replaced: dict[int, str | None] = {}
        self._added: list[str] = []
        self._new_categories: list[str] = []
        self._places, self._classes = self._read()
        self._ids: dict[str, Any] = {}
        for part in self._categories:
            key = _key(part.value.get("id")) if isinstance(part.value, dict) else None
            if key is not None and key in self._classes.rows:
                self._ids.setdefault(self._classes.names[self._classes.rows[key]], part.value["id"])
        self._next_id = _next_id(self._annotations)
        self._next_category = _next_id(self._categories)
        self._draws = any(_outline_of(part) for part in self._annotations) or not self._annotations

    def put(self, image_id: Id | None, revision: Revision, changes: Sequence[Change]) -> None:
        """Note what becomes of the objects of one image."""
        places = self._rows_of(image_id, revision)
        for change in changes:
            if change.row < 0:
                self._added.append(self._new(image_id, change))
            elif change.is_removed:
                self._replaced[places[change.row]] = None
            else:
                self._replaced[places[change.row]] = self._changed(
                    self._annotations[places[change.row]], change
                )

    def text(self) -> str:
        """The file's text with all that was put."""
        text = self._text
        exchanged = {
            "annotations": (self._replaced, self._added),
            "categories": ({}, self._new_categories),
        }
        values = {
            key: rebuilt(text[part.value_start : part.end], *exchanged[key])
            for key, part in self._lists.items()
            if key in exchanged
        }
        if self._added and "annotations" not in values:
            values["annotations"] = f"[{', '.join(self._added)}]"
        if self._new_categories and "categories" not in values:
            values["categories"] = f"[{', '.join(self._new_categories)}]"
        return text[: self._begin] + with_values(text[self._begin :], values, self._style)

    def _parts(self, key: str) -> list[Part]:
        if key not in self._lists:
            return []
        return parts_of(self._text, self._lists[key].value_start)[0]

    def _sample(self, key: str) -> str:
        objects = [part for part in self._parts(key) if isinstance(part.value, dict)]
        return self._text[objects[0].start : objects[0].end] if objects else "{}"

    def _read(self) -> tuple[dict[Id, list[int]], Classes]:
        """The places of each image's annotations in the list, and the classes, as the reader takes both."""
        places: dict[Id, list[int]] = defaultdict(list)
        used, seen = set[Id](), IdSet()
        for place, part in enumerate(self._annotations):
            with suppress(*DAMAGE):
                image_id = identifier(part.value.get("image_id"), "image_id")
                if part.value.get("id") is not None and not seen.add(identifier(part.value["id"], "id")):
                    continue
                if part.value.get("category_id") is not None:
                    used.add(identifier(part.value["category_id"], "category_id"))
                places[image_id].append(place)
        listed = [part.value for part in self._categories if isinstance(part.value, dict)]
        return places, read_categories(self._name, listed, Report(), used=used)

    def _rows_of(self, image_id: Id | None, revision: Revision) -> list[int]:
        """The place of each object of a record in the list of annotations."""
        places = [] if image_id is None else self._places.get(image_id, [])
        listed = [self._annotations[place].value for place in places]
        found = checked_objects(listed, self._classes, revision.record.size)
        rows = [place for place, (_, each) in zip(places, found, strict=True) if isinstance(each, CocoObject)]
        if len(rows) != len(revision.record.instances):
            raise InvalidValue(
                f"{self._name}: need the file that was read, {revision.record.file_name} had "
                f"{len(revision.record.instances)} objects then and has {len(rows)} now; read it again"
            )
        return rows

    def _changed(self, part: Part, change: Change) -> str:
        values: dict[str, str | None] = {}
        if change.name is not None:
            values["category_id"] = self._text_of(self._category(change.name))
        if change.mask is not None:
            former = part.value.get("segmentation")
            values |= {key: self._text_of(each) for key, each in _shape_of(change.mask, former).items()}
            if "mask_exact" in part.value:
                values["mask_exact"] = None  # a person has drawn it
        return with_values(self._text[part.start : part.end], values, self._style)

    def _new(self, image_id: Id | None, change: Change) -> str:
        if change.mask is None or change.name is None:
            raise InvalidValue("revision: need mask and class of a new object")
        own = next(
            (each.value["id"] for each in self._images if _key(each.value.get("id")) == image_id), image_id
        )
        shape = _shape_of(change.mask, [] if self._draws else {"counts": ""})
        entry = {
            "id": self._next_id,
            "image_id": own,
            "category_id": self._category(change.name),
            **shape,
            "iscrowd": 0,
        }
        self._next_id += 1
        return self._style.text(entry)

    def _category(self, name: str) -> Any:
        """The id of a class; one that the file does not know is added to it."""
        if name not in self._ids:
            entry: dict[str, Any] = {"id": self._next_category, "name": name}
            if any(
                "supercategory" in part.value for part in self._categories if isinstance(part.value, dict)
            ):
                entry["supercategory"] = ""
            self._ids[name] = self._next_category
            self._next_category += 1
            self._new_categories.append(style_of(self._text, self._sample("categories")).text(entry))
        return self._ids[name]

    def _text_of(self, value: Any) -> str:
        return self._style.text(value, flat=True)


def _shape_of(mask: Masks, former: Any) -> dict[str, Any]:
    """What an annotation says of a mask, which is written in the way of its ``former`` segmentation."""
    x1, y1, x2, y2 = (int(each) for each in mask.boxes[0])
    segmentation = _segmentation_of(mask, former)
    return {"segmentation": segmentation, "bbox": [x1, y1, x2 - x1, y2 - y1], "area": int(mask.areas[0])}


def _segmentation_of(mask: Masks, former: Any) -> Any:
    if not isinstance(former, Mapping):
        (polygons,) = masks_to_polygons(mask)
        rings = [polygon.exterior.ravel().astype(int).tolist() for polygon in polygons]
        if not any(polygon.holes for polygon in polygons) and segmentation_to_masks(rings, mask.size) == mask:
            return rings
    (rle,) = encode_masks(mask)
    if isinstance(former, Mapping) and isinstance(former.get("counts"), list):
        return {"size": rle["size"], "counts": expand_counts(str(rle["counts"])).tolist()}
    return dict(rle)


def _outline_of(part: Part) -> bool:
    return isinstance(part.value, dict) and isinstance(part.value.get("segmentation"), list)


def _next_id(parts: Sequence[Part]) -> int:
    numbers = [_key(part.value.get("id")) for part in parts if isinstance(part.value, dict)]
    return 1 + max((each for each in numbers if isinstance(each, int)), default=0)


def _key(value: Any) -> Id | None:
    """An id as the reader takes it; None for what is none."""
    with suppress(*DAMAGE):
        return identifier(value, "id")
    return None
