"""The options of a conversion, which those of ``maskweave convert`` are made from; light, for help texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from maskweave.errors import InvalidValue
from maskweave.option_fields import check_choices, option

MaskStyle: TypeAlias = Literal["auto", "rle", "polygons"]
HolePolicy: TypeAlias = Literal["keep", "fill"]
OverlapPolicy: TypeAlias = Literal["score", "small", "refuse"]
CrowdPolicy: TypeAlias = Literal["keep", "skip"]
ImagePolicy: TypeAlias = Literal["none", "copy", "link"]
Affine: TypeAlias = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f: map x = a column + b row + c, map y = d column + e row + f."""


def affine_in(text: str) -> Affine:
    """The transform in "a,b,c,d,e,f"; raises `InvalidValue` for anything else."""
    try:
        a, b, c, d, e, f = (float(each) for each in text.split(","))
    except ValueError:
        raise InvalidValue(f"--affine: need six numbers a,b,c,d,e,f, got {text!r}") from None
    return a, b, c, d, e, f


@dataclass(frozen=True)
class Options:
    """The choices of a conversion.

    - ``masks``: "polygons", "rle" (run lengths or bitmaps), or what the format usually has ("auto").
    - ``holes``: in formats of outlines, "keep" them (by another kind of mask, or a seam) or "fill" them.
    - ``overlaps``: in label maps, the better "score" or the "small" object is in front, or they are refused.
    - ``crowd``: formats that know no crowds "keep" them as objects or "skip" them.
    - ``with_images``: images are put beside the labels, where the layout has a place for them.
    - ``images``: folder of the images, where they do not lie where the layout says.
    - ``truth``: COCO file with images and categories for a file of results.
    - ``affine``: from pixels to a map, for GeoJSON.
    - ``overwrite``: replace what MaskWeave did not write.
    - ``crs``: map coordinates of records that lie on a map are longitude and latitude ("wgs84"), or those of the
      image's own system ("source").
    - ``segments``: folder of the PNGs of a panoptic file, where they do not lie beside it.
    - ``part``: of a layout with parts only "train", "val" or "test".
    - ``follow``: follow paths that lead out of the data set's folder.
    - ``frames``: where the frames of a video lie: in a folder of its name ("named"), in the folder that is written
      ("own"), or there among other files ("shared").
    - ``source``: what the records are of, where frames are "shared".
    - ``model``: what found the objects; None for annotations that are converted.
    - ``facts``: what else JSON files say of the video that the records are of.

    Raises `InvalidValue` for a choice that there is not, or an affine transform that cannot be undone.
    """

    masks: MaskStyle = option(
        "auto",
        "Store masks as polygons, as run lengths (bitmaps), or as the format usually does.",
        choices=("auto", "rle", "polygons"),
    )
    holes: HolePolicy = option(
        "keep",
        "Holes in polygons: keep them (as bitmaps or by a seam), or fill them.",
        choices=("keep", "fill"),
    )
    overlaps: OverlapPolicy = option(
        "score",
        "Overlaps in label maps: which object is in front, or refuse.",
        choices=("score", "small", "refuse"),
    )
    crowd: CrowdPolicy = option(
        "keep",
        "Crowds, for formats without them: keep them as objects, or skip them.",
        choices=("keep", "skip"),
    )
    with_images: ImagePolicy = option(
        "none",
        "Also put the images beside the labels, for formats with a place for them.",
        flags=("--with-images", "--pictures"),  # the second as other converters call it
        choices=("none", "copy", "link"),
    )
    images: Path | None = option(None, "Folder of the images, if they are not beside the annotations.")
    truth: Path | None = option(None, "COCO file with images and categories, for coco-results.")
    affine: Affine | None = option(
        None,
        "For geojson: a,b,c,d,e,f from pixels to map coordinates, as in rasterio.",
        kind=str | None,
        parse=affine_in,
    )
    overwrite: bool = option(False, "Replace DST even if MaskWeave did not write it.")
    crs: Literal["wgs84", "source"] = "wgs84"
    segments: Path | None = None
    part: str | None = None
    follow: bool = False
    frames: Literal["named", "own", "shared"] = "named"
    source: str = ""
    model: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the choices and the transform."""
        check_choices(self)
        if self.affine is not None and not self.affine[0] * self.affine[4] - self.affine[1] * self.affine[3]:
            raise InvalidValue(f"affine: need a transform that can be undone, got {self.affine}")
