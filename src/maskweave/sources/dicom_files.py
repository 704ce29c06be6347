"""Sort medical images among other files: which hold several frames, and which DICOM files make a series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maskweave.errors import MaskWeaveError
from maskweave.sources.kinds import Kind, is_dicom, is_nifti, read_head


@dataclass(frozen=True)
class DicomFiles:
    """The DICOM files of a folder.

    - ``series``: the files of each series, and whether they are an image or several.
    - ``damaged``: files that cannot be read, and why. ``no_images``: plans, reports, indexes and the like.
    """

    series: Sequence[tuple[list[Path], Kind]]
    damaged: Sequence[tuple[Path, MaskWeaveError]]
    no_images: Sequence[Path]


def has_frames(path: Path) -> bool:
    """Whether a file is DICOM or NIfTI with several frames; False also where that is unknown."""
    head = read_head(path)
    try:
        if is_dicom(head):
            from maskweave.sources.dicom import frame_count

            return frame_count(path) > 1
        if is_nifti(head):
            from maskweave.sources.nifti import slice_count

            return slice_count(path) > 1
    except MaskWeaveError:  # told when it is opened
        return False
    return False


def sort_dicom(files: Sequence[Path]) -> DicomFiles:
    """Sort the DICOM files of a folder into series; raises `MissingDependency` without pydicom."""
    from maskweave.sources.dicom import frame_count, series_in

    series, damaged, no_images = series_in(files)
    kinds: list[tuple[list[Path], Kind]] = [
        (paths, "video" if len(paths) > 1 or frame_count(paths[0]) > 1 else "image") for paths in series
    ]
    return DicomFiles(kinds, damaged, no_images)
