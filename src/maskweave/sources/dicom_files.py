"""Sort the DICOM files of a folder into series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maskweave.errors import MaskWeaveError
from maskweave.sources.kinds import Kind


@dataclass(frozen=True)
class DicomFiles:
    """The DICOM files of a folder.

    - ``series``: the files of each series, and whether they are an image or several.
    - ``damaged``: files that cannot be read, and why. ``no_images``: plans, reports, indexes and the like.
    """

    series: Sequence[tuple[list[Path], Kind]]
    damaged: Sequence[tuple[Path, MaskWeaveError]]
    no_images: Sequence[Path]


def sort_dicom(files: Sequence[Path]) -> DicomFiles:
    """Sort the DICOM files of a folder into series; raises `MissingDependency` without pydicom."""
    from maskweave.sources.dicom import frame_count, series_in

    series, damaged, no_images = series_in(files)
    kinds: list[tuple[list[Path], Kind]] = [
        (paths, "video" if len(paths) > 1 or frame_count(paths[0]) > 1 else "image") for paths in series
    ]
    return DicomFiles(kinds, damaged, no_images)
