"""DICOM files told from others by their first bytes; pydicom is asked only about files that are such."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from maskweave.errors import MaskWeaveError
from maskweave.sources.kinds import is_regular, kind_by_suffix

_HEAD_BYTES = 132


def is_dicom(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is DICOM: 128 bytes of anything, then DICM (PS3.10, 7.1)."""
    return head[128:132] == b"DICM"


def has_frames(path: Path) -> bool:
    """Whether a file is DICOM and says that it has several frames; False also where that cannot be told."""
    if not _is_dicom_file(path):
        return False
    from maskweave.sources.dicom import frame_count

    try:
        return frame_count(path) > 1
    except MaskWeaveError:  # told when it is opened
        return False


def dicom_series(folder: Path) -> list[tuple[list[Path], Literal["image", "video"]]]:
    """The files of each DICOM series in a folder, whatever they are called, and what they are.

    Hidden files, other folders in it and files with the suffix of a picture or a video are not looked at. Raises
    `MissingDependency` or `UnreadableImage` where there are DICOM files that cannot be looked at.
    """
    files = [
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and kind_by_suffix(path) is None and _is_dicom_file(path)
    ]
    if not files:
        return []
    from maskweave.sources.dicom import frame_count, series_in

    return [
        (paths, "video" if len(paths) > 1 or frame_count(paths[0]) > 1 else "image")
        for paths in series_in(files)
    ]


def _is_dicom_file(path: Path) -> bool:
    try:
        if not is_regular(path) or path.is_dir():
            return False
        with path.open("rb") as file:
            return is_dicom(file.read(_HEAD_BYTES))
    except OSError:
        return False
