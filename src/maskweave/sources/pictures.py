"""Which source reads a file of one picture: Pillow for photos, GDAL for rasters, pydicom for DICOM."""

from __future__ import annotations

from pathlib import Path

from maskweave.errors import InvalidValue
from maskweave.sources.base import MAX_PIXELS, Source
from maskweave.sources.dicom_files import is_dicom
from maskweave.sources.kinds import is_regular
from maskweave.sources.reading import Reading
from maskweave.sources.tiff import is_tiff, tiff_pages


def open_picture(
    path: Path, name: str | None = None, *, max_pixels: int = MAX_PIXELS, reading: Reading | None = None
) -> Source:
    """Open a file of one picture; ``reading`` says how rasters and DICOM are read. It is decoded when iterated.

    A TIFF is read by rasterio where ``reading`` asks for tiles, bands or a stretch, or where it is georeferenced and
    rasterio is installed; else as any photo. Raises `SourceError`, or `MissingDependency` where an extra is needed.
    """
    from maskweave.sources.images import ImageSource

    reading = reading or Reading()
    head = _head(path)
    if is_dicom(head):
        from maskweave.sources.dicom import DicomSource

        return DicomSource([path], name, max_pixels=max_pixels, reading=reading)
    if not is_tiff(head):
        return ImageSource(path, name, max_pixels=max_pixels)
    pages = tiff_pages(path)
    source: Source
    if _is_raster(path, reading, georeferenced=bool(pages) and pages[0].is_georeferenced):
        from maskweave.sources.raster import RasterSource

        source = RasterSource(path, name, max_pixels=max_pixels, reading=reading)
    else:
        source = ImageSource(path, name, max_pixels=max_pixels)
    if len(pages) > 1:
        source.warnings.append(f"{len(pages)} pages, of which the first was read; --as-video reads them all")
    return source


def one_frame(source: Source) -> Source:
    """The source, if it has one frame; raises `InvalidValue` for more, like those of a DICOM file."""
    count = source.info.frame_count
    if count is not None and count > 1:
        raise InvalidValue(f"{source.info.name}: need one picture, got {count} frames; use stream()")
    return source


def _is_raster(path: Path, reading: Reading, *, georeferenced: bool) -> bool:
    if reading.tiles or reading.bands is not None or reading.stretch is not None:
        return True
    if not georeferenced:
        return False
    from maskweave.sources.raster import has_rasterio

    return has_rasterio()


def _head(path: Path) -> bytes:
    """The first bytes; none of what is no file, or cannot be read: whoever decodes it will say so."""
    try:
        if not is_regular(path):
            return b""
        with path.open("rb") as file:
            return file.read(132)
    except OSError:
        return b""
