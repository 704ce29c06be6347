"""Choose the reader of an image file: Pillow for photos, GDAL for rasters, pydicom for DICOM, our own for NIfTI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from maskweave.errors import InvalidValue
from maskweave.optional import missing
from maskweave.sources.base import MAX_PIXELS, Source
from maskweave.sources.kinds import is_dicom, is_nifti, is_tiff, read_head
from maskweave.sources.raster_options import RasterOptions

if TYPE_CHECKING:
    from maskweave.sources.tiff import TiffPage, TiffPages


def open_image(
    path: Path,
    name: str | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
    raster_options: RasterOptions | None = None,
) -> Source:
    """Open a file of one image; ``raster_options`` says how rasters and DICOM are read. It is decoded when iterated.

    A TIFF is read by rasterio where ``raster_options`` asks for tiles, bands or a stretch, where Pillow does not know
    its kind, and where it lies on a map or has gaps and rasterio is installed; else as any photo.

    Raises `SourceError`, or `MissingDependency` where an extra is needed.
    """
    from maskweave.sources.images import ImageSource

    raster_options = raster_options or RasterOptions()
    head = read_head(path)
    if is_dicom(head) or is_nifti(head):
        source = _medical(path, name, max_pixels, raster_options, is_dicom=is_dicom(head))
        return _with_warnings(source, unused_stretch=raster_options)
    if is_tiff(head):
        return _with_warnings(_tiff(path, name, max_pixels, raster_options), unused_window=raster_options)
    source = ImageSource(path, name, max_pixels=max_pixels)
    return _with_warnings(source, unused_stretch=raster_options, unused_window=raster_options)


def _medical(
    path: Path, name: str | None, max_pixels: int, raster_options: RasterOptions, *, is_dicom: bool
) -> Source:
    if is_dicom:
        from maskweave.sources.dicom import DicomSource

        return DicomSource([path], name, max_pixels=max_pixels, raster_options=raster_options)
    from maskweave.sources.nifti import NiftiSource

    return NiftiSource(path, name, max_pixels=max_pixels, raster_options=raster_options)


def _tiff(path: Path, name: str | None, max_pixels: int, raster_options: RasterOptions) -> Source:
    from maskweave.sources.images import ImageSource
    from maskweave.sources.raster import RasterSource
    from maskweave.sources.tiff import tiff_pages

    found = tiff_pages(path)
    source: ImageSource | RasterSource
    if found.pages and _is_raster(path, found.pages[0], raster_options):
        source = RasterSource(path, name, max_pixels=max_pixels, raster_options=raster_options)
    else:
        source = ImageSource(path, name, max_pixels=max_pixels)
    source.warnings.extend(_passed_over(found))
    source.is_incomplete = bool(found.missing)
    return source


def _with_warnings(
    source: Source, *, unused_stretch: RasterOptions | None = None, unused_window: RasterOptions | None = None
) -> Source:
    """The source, which also tells which choices mean nothing for a file of its kind."""
    if unused_stretch is not None and (unused_stretch.bands or unused_stretch.stretch):
        source.warnings.append("--bands and --stretch are for TIFF: not applied")
    if unused_window is not None and unused_window.window:
        source.warnings.append("--window is for DICOM and NIfTI: not applied")
    return source


def _passed_over(found: TiffPages) -> list[str]:
    """What else is in a TIFF of which the first page is read."""
    count = len(found.pages)
    lines = []
    if count > 1:
        lines.append(f"{count} pages, of which the first was read; --as-video reads them all")
    lines += found.missing
    if count == 1 and found.pages[0].stacked > 1:
        lines.append(
            f"{found.pages[0].stacked} images in one page, as ImageJ writes large stacks, of which the first was "
            "read; save it as an ordinary TIFF or as OME-TIFF"
        )
    return lines


def one_frame(source: Source) -> Source:
    """The source, if it has one frame; raises `InvalidValue` for more, like those of a DICOM file."""
    count = source.info.frame_count
    if count is not None and count > 1:
        raise InvalidValue(f"{source.info.name}: need one image, got {count} frames; use stream()")
    return source


def _is_raster(path: Path, page: TiffPage, raster_options: RasterOptions) -> bool:
    """Whether rasterio is to read it; raises `MissingDependency` where it must and is not installed."""
    from maskweave.sources.gdal import has_rasterio
    from maskweave.sources.images import pillow_opens

    if raster_options.tiles or raster_options.bands is not None or raster_options.stretch is not None:
        return not page.is_raw_photo
    if page.is_raw_photo:  # said by whoever reads photos
        return False
    if not page.pillow_is_right or not pillow_opens(path):
        if not has_rasterio():
            raise missing(f"{path}: TIFF of {page.in_words()}", "rasterio", extra="geo")
        return True
    return (page.is_georeferenced or page.has_nodata or page.has_mask) and has_rasterio()
