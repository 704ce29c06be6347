"""A report for people: one HTML file with images, outlines and counts, that needs no network and no server.

Images are made small and outlines drawn over them as SVG, so classes can be switched on and off. Of a large data
set the first images are shown; counts are of all.
"""

from __future__ import annotations

import base64
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from importlib import resources
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from PIL import Image as PILImage

from maskweave.annotations.base import FEATURES, Format, Put
from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.errors import SourceError
from maskweave.files import TEXT_MARK, atomic_file
from maskweave.ops.palette import object_color
from maskweave.ops.polygons import Polygon, mask_to_polygons, simplify
from maskweave.sources.images import read_image
from maskweave.types.arrays import Mask
from maskweave.types.semantic import IGNORE

MAX_IMAGES = 500
"""More would make a file that browsers struggle with."""
_SIDE = 640  # pixels of a shown image's long side
_QUALITY = 78
_TOLERANCE = 0.4  # shown pixels by which an outline may be moved
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'"


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write a card for each of the first records, and counts of all at the top."""
    page = _Page(report)
    with atomic_file(path, only_own=not options.overwrite) as part, TemporaryFile() as cards:

        def put(record: Record) -> None:
            if (card := page.add(record)) is not None:
                cards.write(card.encode())

        yield put
        cards.seek(0)
        with part.open("wb") as file:
            file.write(page.head(path.stem).encode())
            shutil.copyfileobj(cards, file)
            file.write(page.foot().encode())


class _Page:
    """Counts classes and draws cards."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._keys: dict[str, int] = {}
        self._counts: Counter[str] = Counter()
        self._images = 0

    def add(self, record: Record) -> str | None:
        """The record's card, or None when there are enough."""
        names = list(record.instances.names)
        for name in names:
            self._key(name)
        shapes = ""
        if self._images < MAX_IMAGES:
            shapes = self._stuff(record) + self._objects(record)
        self._counts.update(names)
        self._images += 1
        return self._card(record, shapes) if self._images <= MAX_IMAGES else None

    def _key(self, name: str) -> int:
        return self._keys.setdefault(name, len(self._keys))

    def _card(self, record: Record, shapes: str) -> str:
        height, width = record.size
        counts = Counter(record.instances.names)
        keys = " ".join(str(self._key(name)) for name in counts)
        listed = "".join(
            f'<li class="k{self._key(name)}"><i style="{_style(self._key(name))}"></i>{escape(name)} {count}</li>'
            for name, count in counts.most_common()
        )
        name = record.image_name
        image = self._image(record)
        return (
            f'<figure data-name="{escape(name.lower())}" data-k="{keys}">'
            f'<button type="button" aria-label="Enlarge {escape(name)}">'
            f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(_counts_text(counts))}">'
            f"{image}{shapes}</svg></button>"
            f"<figcaption><strong>{escape(name)}</strong>"
            f"<ul>{listed or '<li>no objects</li>'}</ul></figcaption></figure>\n"
        )

    def _image(self, record: Record) -> str:
        height, width = record.size
        plain = f'<rect width="{width}" height="{height}" fill="#8884"/>'
        if record.image is None:
            return plain
        try:
            image = PILImage.fromarray(read_image(record.image))
        except SourceError as error:
            self._report.problem(record.file_name, error)
            return plain
        image.thumbnail((_SIDE, _SIDE), PILImage.Resampling.BILINEAR, reducing_gap=2)
        buffer = BytesIO()
        image.save(buffer, format="JPEG", quality=_QUALITY)
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        return (
            f'<image width="{width}" height="{height}" preserveAspectRatio="none" '
            f'href="data:image/jpeg;base64,{data}"/>'
        )

    def _objects(self, record: Record) -> str:
        instances, paths = record.instances, []
        for row in np.argsort(-instances.masks.areas, kind="stable").tolist():  # small ones in front
            name, (x, y) = instances.names[row], instances.masks.corners[row].tolist()
            caption = [name]
            if instances.scores[row] != 1:
                caption.append(f"{instances.scores[row]:.2f}")
            if instances.track_ids is not None:
                caption.append(f"#{instances.track_ids[row]}")
            if record.crowds[row]:
                caption.append("crowd")
            shape = _path_data(instances.masks.crops[row], (x, y), max(record.size))
            paths.append(self._path(name, shape, " · ".join(caption), crowd=bool(record.crowds[row])))
        return "".join(paths)

    def _stuff(self, record: Record) -> str:
        """The classes of pixels without objects."""
        if record.semantic is None:
            return ""
        outside = ~record.instances.masks.union()
        paths = []
        for number in np.unique(record.semantic.class_map[outside]).tolist():
            if number in (0, IGNORE):
                continue
            name = record.semantic.class_names[number]
            self._counts.setdefault(name, 0)
            mask = (record.semantic.class_map == number) & outside
            paths.append(self._path(name, _path_data(mask, (0, 0), max(record.size)), name, stuff=True))
        return "".join(paths)

    def _path(self, name: str, data: str, caption: str, *, crowd: bool = False, stuff: bool = False) -> str:
        key = self._key(name)
        kind = f"k{key}{' crowd' if crowd else ''}{' stuff' if stuff else ''}"
        return (
            f'<path class="{kind}" style="{_style(key)}" d="{data}"><title>{escape(caption)}</title></path>'
        )

    def head(self, title: str) -> str:
        """All that stands before the cards."""
        objects = sum(self._counts.values())
        chips = "".join(
            f'<button type="button" class="chip" data-k="{self._key(name)}" aria-pressed="true" '
            f'style="{_style(self._key(name))}"><i></i>{escape(name)} <b>{count:,}</b></button>'
            for name, count in self._counts.most_common()
        )
        return (
            f"<!doctype html>\n<!-- {TEXT_MARK} -->\n"
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="generator" content="MaskWeave">\n'
            f"<style>{_asset('report.css')}</style></head>\n"
            f'<body><main class="page"><h1>{escape(title)}</h1>\n'
            f"<p><b>{objects:,}</b> object{'' if objects == 1 else 's'} of <b>{len(self._counts):,}</b> "
            f"class{'' if len(self._counts) == 1 else 'es'} in <b>{self._images:,}</b> "
            f"image{'' if self._images == 1 else 's'}; "
            f'<b id="shown">{min(self._images, MAX_IMAGES):,}</b> shown{self._cut()}</p>\n'
            '<div class="tools"><input type="search" placeholder="Search by name" aria-label="Search by name">'
            '<button type="button" id="masks" aria-pressed="true">Masks</button>'
            '<button type="button" id="all">All classes</button></div>\n'
            f'<div class="chips" role="group" aria-label="Classes">{chips}</div>\n<div class="grid">\n'
        )

    def _cut(self) -> str:
        if self._images <= MAX_IMAGES:
            return ""
        return f" (the report holds the first {MAX_IMAGES:,}; counts are of all)"

    def foot(self) -> str:
        """All that stands after them."""
        return (
            '</div>\n<p class="none" hidden>No image has what is chosen.</p></main>\n'
            '<dialog><header><strong></strong><button type="button">Close</button></header><div></div></dialog>\n'
            f"<script>{_asset('report.js')}</script></body></html>\n"
        )


def _asset(name: str) -> str:
    return resources.files("maskweave.annotations").joinpath("html_page", name).read_text(encoding="utf-8")


def _style(key: int) -> str:
    return "--c:#{:02x}{:02x}{:02x}".format(*object_color(key))


def _counts_text(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "no objects"


def _path_data(mask: Mask, corner: tuple[int, int], side: int) -> str:
    """SVG path data of a mask's outlines, as fine as a shown image needs."""
    tolerance = _TOLERANCE * max(1.0, side / _SIDE)
    polygons = (simplify(each, tolerance) for each in mask_to_polygons(mask, offset=corner))
    return "".join(_ring_data(polygon) for polygon in polygons)


def _ring_data(polygon: Polygon) -> str:
    return "".join(
        "M" + "L".join(f"{x:g} {y:g}" for x, y in ring.round(1).tolist()) + "Z" for ring in polygon.rings
    )


FORMAT = Format(
    name="html",
    title="HTML report",
    layout="one `.html`",
    holds=frozenset(FEATURES),
    detect=None,
    read=None,
    write=write,
    suffix=".html",
    media_type="text/html",
    note="to be looked at: outlines are made simpler, and the first 500 images are shown",
)
